"""LEIGNN's heavy operations in the form that a CPU likes; :mod:`leignn.model` holds what they compute.

*Messages.* The plain form has E×3×F intermediates, which neither caches nor the allocator like, and a
backward pass of scatters. Here one compiled loop goes over the edges (:mod:`leignn.kernels`), sorted by
target for the sums, by source for their gradients, so that nothing is scattered. Of the R Gaussians only
those that are not zero in the numbers' precision are touched. Filters are made again in the backward pass:
that costs less than to keep them.

*Matrix products* in float32 are oneDNN's, which has kernels for every vendor; PyTorch's own choice, MKL, is
half as fast on AMD.

The plain form remains for small work, where it is as fast, for other devices, under autocast, and where
positions want a gradient.
"""

from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from functools import cache, cached_property
from typing import Literal

import numpy as np
import torch
from torch import Tensor, nn
from torch.autograd.function import once_differentiable

LEAST = 100_000  # edges × channels, below which the plain form is as fast
LEAST_PRODUCT = 1_000_000  # multiply–accumulates, likewise
# Gaussians on either side of a distance. The next is below exp(−½ (n + ½)²): 7e-10, and 3e-20.
REACH = {torch.float32: 6, torch.float64: 9}

_form: Literal["chosen", "plain", "fast"] = "chosen"


@contextmanager
def form(name: Literal["plain", "fast"]) -> Iterator[None]:
    """Inside, work of any size is done in the plain form, or in the fast one where it applies."""
    global _form
    before, _form = _form, name
    try:
        yield
    finally:
        _form = before


def chosen(value: Tensor, size: int, least: int) -> bool:
    """Whether work of ``size`` on ``value`` is done in the fast form."""
    return (
        (_form == "fast" or (_form == "chosen" and size >= least))
        and value.device.type == "cpu"
        and value.dtype in REACH
        and not torch.is_autocast_enabled("cpu")
    )


# --- matrix products ---------------------------------------------------------------------------------


def apply(module: nn.Linear | nn.Sequential, value: Tensor) -> Tensor:
    """``module(value)``, its linear layers by oneDNN."""
    if isinstance(module, nn.Sequential):
        for part in module:
            value = apply(part, value)
        return value
    if isinstance(module, nn.Linear) and _by_onednn(value, module.out_features):
        return linear(value, module.weight, module.bias)
    return module(value)


def apply_joined(module: nn.Sequential, x: Tensor, s: Tensor, structure: Tensor) -> Tensor:
    """``module([x_i, s_b])`` for every atom i of structure b; x (N, F), s (B, F), structure (N,)."""
    first, *others = module
    if not _by_onednn(x, first.out_features):
        return module(torch.cat([x, s.index_select(0, structure)], dim=1))
    # What s_b adds is the same for all atoms of a structure.
    of_x, of_s = first.weight.split([x.shape[1], s.shape[1]], dim=1)
    value = linear(x, of_x) + nn.functional.linear(s, of_s, first.bias).index_select(0, structure)
    for part in others:
        value = apply(part, value)
    return value


def _by_onednn(value: Tensor, outputs: int) -> bool:
    return (
        chosen(value, value.numel() * outputs, LEAST_PRODUCT)
        and value.dtype == torch.float32
        and torch.backends.mkldnn.is_available()
    )


def linear(value: Tensor, weight: Tensor, bias: Tensor | None = None) -> Tensor:
    """value · weightᵀ + bias, as :func:`torch.nn.functional.linear`, differentiable once."""
    # oneDNN takes transposed matrices as they are, but for slices it has no kernels worth the name.
    value, weight = value.contiguous(), weight.contiguous()
    if torch.is_grad_enabled() and (value.requires_grad or weight.requires_grad):
        return _Linear.apply(value, weight, bias)
    return _product(value, weight, bias)


def _product(value: Tensor, weight: Tensor, bias: Tensor | None = None) -> Tensor:
    return torch.ops.mkldnn._linear_pointwise(value, weight, bias, "none", [], "")


class _Linear(torch.autograd.Function):
    @staticmethod
    def forward(ctx, value: Tensor, weight: Tensor, bias: Tensor | None) -> Tensor:
        ctx.save_for_backward(value, weight)
        return _product(value, weight, bias)

    @staticmethod
    @once_differentiable
    def backward(ctx, grad: Tensor) -> tuple[Tensor | None, ...]:
        value, weight = ctx.saved_tensors
        rows, inputs = grad.contiguous().view(-1, grad.shape[-1]), value.reshape(-1, value.shape[-1])
        wanted = ctx.needs_input_grad
        return (
            _product(rows, weight.t()).view(value.shape) if wanted[0] else None,
            _product(rows.t(), inputs.t()) if wanted[1] else None,
            rows.sum(0) if wanted[2] else None,
        )


# --- messages ----------------------------------------------------------------------------------------


class Edges:
    """What all layers share: the edges sorted both ways, and their Gaussians.

    Args:
        edge_index: (2, E) source and target, in any order.
        direction: (E, 3) unit vectors.
        taps: (E,) the first Gaussian that is not zero.
        values: (E, T) the values of T consecutive ones.
        atoms: N.
    """

    def __init__(
        self, edge_index: Tensor, direction: Tensor, taps: Tensor, values: Tensor, atoms: int
    ) -> None:
        self.atoms, self.width = atoms, values.shape[1]
        self._ends = edge_index
        self._per_edge = [direction, taps, values]

    @cached_property
    def by_target(self) -> tuple[np.ndarray, ...]:
        """first, other, direction, taps and values of :mod:`leignn.kernels`, an atom's edges together."""
        return self._sorted(own=1)

    @cached_property
    def by_source(self) -> tuple[np.ndarray, ...]:
        """Likewise, the edges from every atom."""
        return self._sorted(own=0)

    def _sorted(self, own: int) -> tuple[np.ndarray, ...]:
        per_edge = [self._ends[own], self._ends[1 - own], *self._per_edge]
        if bool((per_edge[0].diff() < 0).any()):
            order = torch.argsort(per_edge[0], stable=True)
            per_edge = [values.index_select(0, order) for values in per_edge]
        first = np.zeros(self.atoms + 1, np.int64)
        torch.cumsum(torch.bincount(per_edge[0], minlength=self.atoms), 0, out=torch.from_numpy(first)[1:])
        return first, *(values.contiguous().numpy() for values in per_edge[1:])


def message_sums(
    edges: Edges, weight: Tensor, bias: Tensor, phi: Tensor, v: Tensor | None
) -> tuple[Tensor, Tensor]:
    """Sums of Eqs. (1) and (2) over the neighbours of each atom.

    Args:
        edges: with their Gaussians.
        weight, bias: (3F, R) and (3F,), from Gaussians to filters, in the order gate, radial, scalar.
        phi: (N, 3F) of the sources, in this order.
        v: (N, 3, F) vectors; None where they are zero.

    Returns:
        (N, 3, F) Σ_j (g₁ ⊙ φ₁ ⊙ v_j + g₂ ⊙ φ₂ ⊗ u_ji) and (N, F) Σ_j g₃ ⊙ φ₃.
    """
    table = torch.cat([weight.t(), bias[None]]).view(-1, 3, phi.shape[1] // 3)
    return _MessageSums.apply(edges, table, phi.view(len(phi), 3, -1), v)


class _MessageSums(torch.autograd.Function):
    @staticmethod
    def forward(ctx, edges: Edges, table: Tensor, phi: Tensor, v: Tensor | None) -> tuple[Tensor, Tensor]:
        from leignn import kernels  # Numba takes half a second to import

        ctx.edges = edges
        ctx.save_for_backward(table, phi, v)
        dv, dx = phi.new_zeros(phi.shape), phi.new_zeros(phi[:, 0].shape)
        kernel = kernels.message_sums(edges.width, v is not None)
        inputs = [_array(value) for value in (table, phi, phi if v is None else v)]
        _on_all_threads(kernel, edges.by_target, lambda thread: [*inputs, dv.numpy(), dx.numpy()])
        return dv, dx

    @staticmethod
    @once_differentiable
    def backward(ctx, grad_dv: Tensor, grad_dx: Tensor) -> tuple[Tensor | None, ...]:
        from leignn import kernels

        table, phi, v = ctx.saved_tensors
        grad_tables = table.new_zeros(torch.get_num_threads(), *table.shape)
        grad_phi = phi.new_zeros(phi.shape)
        grad_v = grad_phi if v is None else v.new_zeros(v.shape)
        kernel = kernels.message_gradients(ctx.edges.width, v is not None)
        inputs = [_array(value) for value in (table, phi, phi if v is None else v, grad_dv, grad_dx)]
        _on_all_threads(
            kernel,
            ctx.edges.by_source,
            lambda thread: [*inputs, grad_tables[thread].numpy(), grad_phi.numpy(), grad_v.numpy()],
        )
        return None, grad_tables.sum(0), grad_phi, None if v is None else grad_v


def _array(value: Tensor) -> np.ndarray:
    """``value`` to read from; not to write to, since it may be a copy."""
    return value.detach().contiguous().numpy()


def _on_all_threads(
    kernel: Callable[..., None],
    edges: tuple[np.ndarray, ...],
    arrays: Callable[[int], list[np.ndarray]],
) -> None:
    """Run ``kernel`` on as many ranges of atoms as PyTorch has threads, with about as many edges each."""
    first, threads = edges[0], torch.get_num_threads()
    if threads == 1:
        kernel(0, len(first) - 1, *edges, *arrays(0))
        return
    cuts = np.searchsorted(first, np.linspace(0, first[-1], threads + 1)[1:-1])
    cuts = [0, *cuts.tolist(), len(first) - 1]
    work = [
        _threads(threads).submit(kernel, cuts[thread], cuts[thread + 1], *edges, *arrays(thread))
        for thread in range(threads)
    ]
    for part in work:
        part.result()


@cache
def _threads(count: int) -> ThreadPoolExecutor:
    return ThreadPoolExecutor(count)
