"""LEIGNN's heavy operations in the form that a CPU likes; :mod:`leignn.model` holds what they compute.

*Messages.* The plain form has E×3×F intermediates, which neither caches nor the allocator like, and a
backward pass of scatters. Here edges go through in pieces that stay in the cache, both ways: sorted by
target for the sums, by source for their gradients, so that nothing is scattered. Of the R Gaussians only
those that are not zero in the numbers' precision are touched. All sums over rows are PyTorch's
``embedding_bag``, a vectorised Σ weight · row. Filters are made again in the backward pass: that costs less
than to keep them.

*Matrix products* in float32 are oneDNN's, which has kernels for every vendor; PyTorch's own choice, MKL, is
half as fast on AMD.

The plain form remains for small work, where it is as fast, for other devices, under autocast, and where
positions want a gradient.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cached_property
from typing import Literal

import torch
from torch import Tensor, nn
from torch.autograd.function import once_differentiable
from torch.nn.functional import embedding_bag

PIECE = 160_000  # edges × channels at a time, a few MB with their vectors
LEAST = 150_000  # edges × channels, below which the plain form is as fast
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


@dataclass
class Piece:
    """Consecutive edges, sorted by one end; ``atoms`` are those whose edges they are.

    Attributes:
        atoms: slice of the atoms.
        offsets: (n,) first edge of each of them, counted within the piece.
        own, other: (e,) the end they are sorted by, and the other one.
        direction: (e, 3) unit vectors.
        taps, values: (e, T + 1) Gaussians and their values, and the bias with value one.
        every: (e,) 0 … e − 1.
    """

    atoms: slice
    offsets: Tensor
    own: Tensor
    other: Tensor
    direction: Tensor
    taps: Tensor
    values: Tensor
    every: Tensor

    def filters(self, table: Tensor) -> Tensor:
        """(e, C) Σ_k value_k · row_k of ``table`` (R + 1, C)."""
        return embedding_bag(self.taps, table, mode="sum", per_sample_weights=self.values)

    def sums(self, rows: Tensor) -> Tensor:
        """(n, C) sums of the edges' ``rows`` (e, C) over each atom."""
        return embedding_bag(self.every, rows, self.offsets, mode="sum")


class Edges:
    """What all layers share: the edges sorted both ways, and their Gaussians.

    Args:
        edge_index: (2, E) source and target, in any order.
        direction: (E, 3) unit vectors.
        taps: (E, T) consecutive Gaussians, the only ones that are not zero.
        values: (E, T) their values.
        atoms: N.
        num_rbf: R.
        channels: F.
    """

    def __init__(
        self,
        edge_index: Tensor,
        direction: Tensor,
        taps: Tensor,
        values: Tensor,
        atoms: int,
        num_rbf: int,
        channels: int,
    ) -> None:
        self.atoms, self.num_rbf, self.channels = atoms, num_rbf, channels
        self._ends, self._direction = edge_index, direction
        self._taps = torch.cat([taps, torch.full_like(taps[:, :1], num_rbf)], dim=1)
        self._values = torch.cat([values, torch.ones_like(values[:, :1])], dim=1)

    @cached_property
    def by_target(self) -> list[Piece]:
        """Pieces of the edges towards every atom."""
        return self._pieces(own=1)

    @cached_property
    def by_source(self) -> list[Piece]:
        """Pieces of the edges from every atom."""
        return self._pieces(own=0)

    def _pieces(self, own: int) -> list[Piece]:
        per_edge = [self._ends[own], self._ends[1 - own], self._direction, self._taps, self._values]
        if bool((per_edge[0].diff() < 0).any()):
            order = torch.argsort(per_edge[0])
            per_edge = [values.index_select(0, order) for values in per_edge]
        counts = torch.bincount(per_edge[0], minlength=self.atoms)
        first = counts.cumsum(0) - counts  # edge of each atom
        # A piece ends with an atom.
        number = torch.div(first, max(PIECE // self.channels, 1), rounding_mode="floor")
        cuts = [0, *(number.diff().nonzero()[:, 0] + 1).tolist(), self.atoms]
        every, total = torch.arange(len(per_edge[0])), [*first.tolist(), len(per_edge[0])]
        pieces = []
        for a, b in zip(cuts[:-1], cuts[1:], strict=True):
            edges = slice(total[a], total[b])
            if edges.stop > edges.start:
                members = [values[edges] for values in per_edge]
                offsets = first[a:b] - edges.start
                pieces.append(Piece(slice(a, b), offsets, *members, every[: edges.stop - edges.start]))
        return pieces

    @cached_property
    def by_gaussian(self) -> list[tuple[Tensor, Tensor, Tensor]]:
        """For every piece by source: edges in the order of Gaussians, their values, first of each Gaussian.

        An edge's T Gaussians are consecutive, so with the edges sorted by the first of them, those that a
        Gaussian has are a range.
        """
        lists = []
        for piece in self.by_source:
            taps, values = piece.taps[:, :-1], piece.values[:, :-1].contiguous()
            width = taps.shape[1]
            first, order = torch.sort(taps[:, 0])
            gaussian = torch.arange(self.num_rbf)
            low = torch.searchsorted(first, gaussian - width, right=True)
            counts = torch.searchsorted(first, gaussian, right=True) - low
            offsets = counts.cumsum(0) - counts
            place = torch.arange(taps.numel()) + torch.repeat_interleave(low - offsets, counts)
            edge = order[place]
            column = torch.repeat_interleave(gaussian, counts) - first[place]
            lists.append((edge, values.view(-1)[edge * width + column], offsets))
        return lists


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
    table = torch.cat([weight.t(), bias[None]])
    return _MessageSums.apply(edges, table, phi, v)


class _MessageSums(torch.autograd.Function):
    @staticmethod
    def forward(ctx, edges: Edges, table: Tensor, phi: Tensor, v: Tensor | None) -> tuple[Tensor, Tensor]:
        ctx.edges = edges
        ctx.save_for_backward(table, phi, v)
        channels = phi.shape[1] // 3
        gated, rest, table = _of_sources(table, phi, v)
        dv, dx = phi.new_zeros(len(phi), 3 * channels), phi.new_zeros(len(phi), channels)
        for piece in edges.by_target:
            filters = piece.filters(table)
            radial, scalar = (
                rest.index_select(0, piece.other).mul_(filters[:, -2 * channels :]).split(channels, 1)
            )
            if gated is None:
                vector = radial[:, None] * piece.direction[:, :, None]
            else:
                vector = gated.index_select(0, piece.other).view(-1, 3, channels)
                vector.mul_(filters[:, None, :channels])
                vector.addcmul_(radial[:, None], piece.direction[:, :, None])
            dv[piece.atoms] = piece.sums(vector.view(-1, 3 * channels))
            dx[piece.atoms] = piece.sums(scalar.contiguous())
        return dv.view(-1, 3, channels), dx

    @staticmethod
    @once_differentiable
    def backward(ctx, grad_dv: Tensor, grad_dx: Tensor) -> tuple[Tensor | None, ...]:
        table, phi, v = ctx.saved_tensors
        channels = phi.shape[1] // 3
        gated, rest, used = _of_sources(table, phi, v)
        grad_dv, grad_dx = grad_dv.reshape(len(phi), -1).contiguous(), grad_dx.contiguous()
        grad_gated = None if gated is None else torch.zeros_like(gated)
        grad_rest, grad_used = torch.zeros_like(rest), torch.zeros_like(used)
        for piece, (order, values, offsets) in zip(ctx.edges.by_source, ctx.edges.by_gaussian, strict=True):
            filters = piece.filters(used)
            grad_filters = torch.empty_like(filters)
            # The gradients of each edge's messages, vector and scalar, and of its radial part.
            vector = grad_dv.index_select(0, piece.other).view(-1, 3, channels)
            messages = torch.empty(len(filters), 2, channels, dtype=phi.dtype)
            torch.mul(vector[:, 0], piece.direction[:, :1], out=messages[:, 0])
            messages[:, 0].addcmul_(vector[:, 1], piece.direction[:, 1:2])
            messages[:, 0].addcmul_(vector[:, 2], piece.direction[:, 2:])
            messages[:, 1] = grad_dx.index_select(0, piece.other)
            messages = messages.view(-1, 2 * channels)
            torch.mul(messages, rest.index_select(0, piece.own), out=grad_filters[:, -2 * channels :])
            grad_rest[piece.atoms] = piece.sums(messages.mul_(filters[:, -2 * channels :]))
            if gated is not None:
                own = gated.index_select(0, piece.own).view(-1, 3, channels).mul_(vector)
                torch.sum(own, 1, out=grad_filters[:, :channels])
                vector.mul_(filters[:, None, :channels])
                grad_gated[piece.atoms] = piece.sums(vector.view(-1, 3 * channels))
            grad_used[:-1] += embedding_bag(
                order, grad_filters, offsets, mode="sum", per_sample_weights=values
            )
            grad_used[-1] += grad_filters.sum(0)
        grad_table, grad_phi = torch.zeros_like(table), torch.empty_like(phi)
        grad_table[:, -used.shape[1] :] = grad_used
        grad_phi[:, channels:] = grad_rest
        if gated is None:
            grad_phi[:, :channels] = 0
            return None, grad_table, grad_phi, None
        grad_gated = grad_gated.view(-1, 3, channels)
        torch.sum(grad_gated * v, 1, out=grad_phi[:, :channels])
        return None, grad_table, grad_phi, grad_gated.mul_(phi[:, None, :channels])


def _of_sources(table: Tensor, phi: Tensor, v: Tensor | None) -> tuple[Tensor | None, Tensor, Tensor]:
    """φ₁ ⊙ v (N, 3F), [φ₂, φ₃] (N, 2F), and the columns of the table that they meet."""
    channels = phi.shape[1] // 3
    rest = phi[:, channels:].contiguous()
    if v is None:
        return None, rest, table[:, channels:].contiguous()
    return (phi[:, None, :channels] * v).view(len(phi), -1), rest, table
