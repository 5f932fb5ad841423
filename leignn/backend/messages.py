"""The messages of a layer by one compiled loop over the edges.

As the equations have it, there are intermediates of E×3×F numbers, which neither caches nor the allocator
like, and a backward pass of scatters. Here the edges are sorted by target for the sums, by source for their
gradients, so that nothing is scattered; filters are made again in the backward pass, which costs less than
to keep them.
"""

from collections.abc import Callable
from importlib import import_module
from types import ModuleType

import torch
from torch import Tensor, nn

from leignn import model
from leignn.backend.band import Band
from leignn.backend.edges import SortedEdges
from leignn.backend.plain_gradients import plain_gradients


class FirstLayer(model.LocalMessagePassing):
    """Eqs. (1) and (2) by the equations, spared what is zero in the first layer."""

    first = False  # whether this is the first layer, before which vectors are zero

    def vector_message(
        self, phi1: Tensor, phi2: Tensor, g1: Tensor, g2: Tensor, v: Tensor, u: Tensor, j: Tensor
    ) -> Tensor:
        """As :meth:`leignn.model.LocalMessagePassing.vector_message`: (E, 3, F)."""
        if self.first:  # there is nothing to pass on
            return (phi2.index_select(0, j) * g2).unsqueeze(1) * u.unsqueeze(2)
        return super().vector_message(phi1, phi2, g1, g2, v, u, j)


class LocalMessagePassing(FirstLayer):
    """Eqs. (1) and (2)."""

    def messages(
        self, phi: Tensor, v: Tensor, edge_index: Tensor, u: Tensor, e: Tensor | Band
    ) -> tuple[Tensor, Tensor]:
        """Σ_j of Eq. (1) (N, F) and of Eq. (2) (N, 3, F), compiled where ``e`` is a band."""
        if isinstance(e, Tensor):
            return super().messages(phi, v, edge_index, u, e)
        if not phi.dtype == v.dtype == u.dtype:  # an error there
            return super().messages(phi, v, edge_index, u, e.whole())

        def plain(phi: Tensor, v: Tensor, weight: Tensor, bias: Tensor) -> tuple[Tensor, Tensor]:
            return self.sums(phi, v, edge_index, u, nn.functional.linear(e.whole(), weight, bias))

        edges = e.edges(edge_index, u, len(phi))
        weight, bias = self.rbf_proj.weight, self.rbf_proj.bias
        return MessageSums.apply(edges, plain, self.first, phi, v, weight, bias)


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
        ctx.edges, ctx.plain, ctx.first = edges, plain, first
        ctx.save_for_backward(phi, v, weight, bias)
        return _compiled(phi).sums(edges, first, _rows(phi), v, _table(weight, bias))

    @staticmethod
    def backward(ctx, grad_dx: Tensor, grad_dv: Tensor) -> tuple[Tensor | None, ...]:
        if torch.is_grad_enabled():  # these gradients will be differentiated again
            return None, None, None, *plain_gradients(ctx, ctx.plain, grad_dx, grad_dv)

        phi, v, weight, bias = ctx.saved_tensors
        grad_phi, grad_v, grad_table = _compiled(phi).gradients(
            ctx.edges, ctx.first, _rows(phi), v, _table(weight, bias), grad_dx, grad_dv
        )
        grad_table = grad_table.view(len(grad_table), -1)
        return None, None, None, grad_phi.view(phi.shape), grad_v, grad_table[:-1].t(), grad_table[-1]


def _compiled(value: Tensor) -> ModuleType:
    """The module with the compiled sums and gradients for where ``value`` lies."""
    return import_module(f"leignn.backend.{'cpu' if value.device.type == 'cpu' else 'gpu'}_sums")


def _table(weight: Tensor, bias: Tensor) -> Tensor:
    """(R + 1, 3, F) from Gaussians to filters, the last row the bias."""
    return torch.cat([weight.t(), bias[None]]).view(weight.shape[1] + 1, 3, -1)


def _rows(phi: Tensor) -> Tensor:
    """(N, 3, F) of (N, 3F)."""
    return phi.reshape(len(phi), 3, -1)
