"""The messages of a layer by one compiled loop over the edges.

As the equations have it, there are intermediates of E×3×F numbers, which neither caches nor the allocator
like, and a backward pass of scatters. Here the edges are sorted by target for the sums, by source for their
gradients, so that nothing is scattered; filters are made again in the backward pass, which costs less than
to keep them.
"""

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from functools import cache

import numpy as np
import torch
from torch import Tensor, nn

from leignn import model
from leignn.backend.band import Band
from leignn.backend.edges import SortedEdges


class LocalMessagePassing(model.LocalMessagePassing):
    """Eqs. (1) and (2)."""

    first = False  # whether this is the first layer, before which vectors are zero

    def messages(
        self, phi: Tensor, v: Tensor, edge_index: Tensor, u: Tensor, e: Tensor | Band
    ) -> tuple[Tensor, Tensor]:
        if isinstance(e, Tensor):
            return super().messages(phi, v, edge_index, u, e)
        if not phi.dtype == v.dtype == u.dtype:  # an error there
            return super().messages(phi, v, edge_index, u, e.whole())

        def plain(phi: Tensor, v: Tensor, weight: Tensor, bias: Tensor) -> tuple[Tensor, Tensor]:
            return self.sums(phi, v, edge_index, u, nn.functional.linear(e.whole(), weight, bias))

        edges = e.edges(edge_index, u, len(phi))
        weight, bias = self.rbf_proj.weight, self.rbf_proj.bias
        return MessageSums.apply(edges, plain, self.first, phi, v, weight, bias)

    def vector_message(
        self, phi1: Tensor, phi2: Tensor, g1: Tensor, g2: Tensor, v: Tensor, u: Tensor, j: Tensor
    ) -> Tensor:
        if self.first:  # there is nothing to pass on
            return (phi2.index_select(0, j) * g2).unsqueeze(1) * u.unsqueeze(2)
        return super().vector_message(phi1, phi2, g1, g2, v, u, j)


class MessageSums(torch.autograd.Function):
    """Sums of Eqs. (1) and (2) over the neighbours of each atom; gradients of gradients by the equations.

    Args:
        edges: sorted, with their Gaussians.
        plain: the same sums by the equations, of the last four arguments.
        first: whether vectors are zero.
        phi: (N, 3F) of the sources, in the order of vectors passed on, force, scalar.
        v: (N, 3, F) vectors.
        weight, bias: (3F, R) and (3F,), from Gaussians to filters, in this order.

    Returns:
        (N, F) and (N, 3, F).
    """

    @staticmethod
    def forward(
        ctx,
        edges: SortedEdges,
        plain: Callable[..., tuple[Tensor, Tensor]],
        first: bool,
        phi: Tensor,
        v: Tensor,
        weight: Tensor,
        bias: Tensor,
    ) -> tuple[Tensor, Tensor]:
        from leignn.backend import kernels  # Numba takes half a second to import

        ctx.edges, ctx.plain, ctx.first = edges, plain, first
        ctx.save_for_backward(phi, v, weight, bias)
        phi = phi.reshape(len(phi), 3, -1)
        dx, dv = phi.new_zeros(phi[:, 0].shape), phi.new_zeros(phi.shape)
        kernel = kernels.message_sums(edges.width, vectors=not first)
        inputs = [array(value) for value in (_table(weight, bias), phi, phi if first else v)]
        on_all_threads(kernel, edges.by_target, lambda thread: [*inputs, dv.numpy(), dx.numpy()])
        return dx, dv

    @staticmethod
    def backward(ctx, grad_dx: Tensor, grad_dv: Tensor) -> tuple[Tensor | None, ...]:
        if torch.is_grad_enabled():  # these gradients will be differentiated again
            return None, None, None, *_plain_gradients(ctx, grad_dx, grad_dv)

        from leignn.backend import kernels

        phi, v, weight, bias = ctx.saved_tensors
        table = _table(weight, bias)
        grad_tables = table.new_zeros(torch.get_num_threads(), *table.shape)
        parts = phi.reshape(len(phi), 3, -1)
        if ctx.first:
            v = parts  # neither it nor its gradient is read or written to
        grad_phi = parts.new_zeros(parts.shape)
        grad_v = grad_phi if ctx.first else v.new_zeros(v.shape)
        kernel = kernels.message_gradients(ctx.edges.width, vectors=not ctx.first)
        inputs = [array(value) for value in (table, parts, v, grad_dv, grad_dx)]
        on_all_threads(
            kernel,
            ctx.edges.by_source,
            lambda thread: [*inputs, grad_tables[thread].numpy(), grad_phi.numpy(), grad_v.numpy()],
        )
        grad_table = grad_tables.sum(0).view(len(table), -1)
        return (
            None,
            None,
            None,
            grad_phi.view(phi.shape),
            None if ctx.first else grad_v,
            grad_table[:-1].t(),
            grad_table[-1],
        )


def _plain_gradients(ctx, grad_dx: Tensor, grad_dv: Tensor) -> list[Tensor | None]:
    """Of phi, v, weight and bias, by the equations, to be differentiated further."""
    values, wanted = ctx.saved_tensors, ctx.needs_input_grad[3:]
    with torch.enable_grad():
        sums = ctx.plain(*values)
    of = [value for value, want in zip(values, wanted, strict=True) if want]
    found = iter(torch.autograd.grad(sums, of, (grad_dx, grad_dv), create_graph=True, allow_unused=True))
    return [next(found) if want else None for want in wanted]


def _table(weight: Tensor, bias: Tensor) -> Tensor:
    """(R + 1, 3, F) from Gaussians to filters, the last row the bias."""
    return torch.cat([weight.t(), bias[None]]).view(weight.shape[1] + 1, 3, -1)


def array(value: Tensor) -> np.ndarray:
    """``value`` to read from; not to write to, since it may be a copy."""
    return value.detach().contiguous().numpy()


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
