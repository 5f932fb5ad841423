"""The sums of a layer's messages and their gradients by Numba's loops, on all threads of the CPU."""

from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import cache

import numpy as np
import torch
from torch import Tensor

from leignn.backend.edges import SortedEdges


def sums(edges: SortedEdges, first: bool, phi: Tensor, v: Tensor, table: Tensor) -> tuple[Tensor, Tensor]:
    """Sums of Eqs. (1) and (2) over the neighbours of each atom.

    Args:
        edges: sorted, with their Gaussians.
        first: whether vectors are zero.
        phi: (N, 3, F) of the sources, in the order of vectors passed on, force, scalar.
        v: (N, 3, F) vectors.
        table: (R + 1, 3, F) from Gaussians to filters, in this order, the last row the bias.

    Returns:
        (N, F) and (N, 3, F).
    """
    from leignn.backend import kernels  # Numba takes half a second to import

    dx, dv = phi.new_zeros(phi[:, 0].shape), phi.new_zeros(phi.shape)
    kernel = kernels.message_sums(edges.width, vectors=not first)
    inputs = [array(value) for value in (table, phi, phi if first else v)]
    on_all_threads(kernel, arrays(edges.by_target), lambda thread: [*inputs, dv.numpy(), dx.numpy()])
    return dx, dv


def gradients(
    edges: SortedEdges, first: bool, phi: Tensor, v: Tensor, table: Tensor, grad_dx: Tensor, grad_dv: Tensor
) -> tuple[Tensor, Tensor | None, Tensor]:
    """Gradients of :func:`sums` by phi, v (None where it is zero) and table, of their shapes."""
    from leignn.backend import kernels

    grad_tables = table.new_zeros(torch.get_num_threads(), *table.shape)
    if first:
        v = phi  # neither it nor its gradient is read or written to
    grad_phi = phi.new_zeros(phi.shape)
    grad_v = grad_phi if first else v.new_zeros(v.shape)
    kernel = kernels.message_gradients(edges.width, vectors=not first)
    inputs = [array(value) for value in (table, phi, v, grad_dv, grad_dx)]
    on_all_threads(
        kernel,
        arrays(edges.by_source),
        lambda thread: [*inputs, grad_tables[thread].numpy(), grad_phi.numpy(), grad_v.numpy()],
    )
    return grad_phi, None if first else grad_v, grad_tables.sum(0)


def array(value: Tensor) -> np.ndarray:
    """``value`` to read from; not to write to, since it may be a copy."""
    return value.detach().contiguous().numpy()


def arrays(values: Sequence[Tensor]) -> tuple[np.ndarray, ...]:
    """Each of ``values`` to read from."""
    return tuple(map(array, values))


def on_all_threads(
    kernel: Callable[..., None],
    edges: tuple[np.ndarray, ...],
    arrays: Callable[[int], list[np.ndarray]],
) -> None:
    """Run ``kernel`` on as many ranges of atoms as PyTorch has threads, with about as many edges each."""
    first_edge, threads = edges[0], torch.get_num_threads()
    if threads == 1:
        kernel(0, len(first_edge) - 1, *edges, *arrays(0))
        return
    inner = np.searchsorted(first_edge, np.linspace(0, first_edge[-1], threads + 1)[1:-1])
    cuts = [0, *inner.tolist(), len(first_edge) - 1]
    work = [
        _threads(threads).submit(kernel, cuts[thread], cuts[thread + 1], *edges, *arrays(thread))
        for thread in range(threads)
    ]
    for part in work:
        part.result()


@cache
def _threads(count: int) -> ThreadPoolExecutor:
    return ThreadPoolExecutor(count)
