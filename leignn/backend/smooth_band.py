"""What the compiled messages of LEIGNN-C take in place of the whole basis: Gaussians that are not zero."""

from functools import cached_property

import numpy as np
import torch
from torch import Tensor

from leignn import conservative
from leignn.backend.band import EACH_SIDE
from leignn.backend.choice import possible, worthwhile
from leignn.backend.cpu_sums import arrays
from leignn.backend.edges import first_edges, order_of
from leignn.model import envelope

LEAST = 20_000  # edges × channels, below which the equations' own messages are as fast


class SmoothBand:
    """The basis of E edges; all layers share it.

    Attributes:
        first_gaussian: (E,) the first of T consecutive Gaussians around each distance.
        d, envelope: (E,) distances in Å, and env(d/D_i); differentiable.
        shapes, slopes, values: (E, T + 1) Gaussians and 1, their derivatives by d, and shapes · envelope.
        width: T.
    """

    def __init__(self, basis: conservative.SmoothBasis, d: Tensor, radius: Tensor) -> None:
        each_side = EACH_SIDE[d.dtype]
        self._basis, self.width = basis, min(2 * each_side + 1, basis.num_rbf)
        self.d, self.envelope = d, envelope(d / radius)
        density = (basis.num_rbf - 1) / basis.cutoff  # Gaussians per Å
        place = d.detach() * density
        nearest = torch.round(place).long()
        self.first_gaussian = (nearest - each_side).clamp(0, basis.num_rbf - self.width)
        numbers = self.first_gaussian.unsqueeze(1) + torch.arange(self.width, device=d.device)
        off = place.unsqueeze(1) - numbers
        gaussians, one = torch.exp(-0.5 * off * off), torch.ones_like(d).unsqueeze(1)
        self.shapes = torch.cat([gaussians, one], dim=1)
        self.slopes = torch.cat([-density * off * gaussians, 0 * one], dim=1)
        self.values = self.shapes * self.envelope.detach().unsqueeze(1)

    def sort(self, edge_index: Tensor, atoms: int) -> None:
        """Take the ends (2, E) of the edges; what is sorted in the first layer is kept for the others."""
        self._ends, self._atoms = edge_index, atoms

    @cached_property
    def by_target(self) -> tuple[np.ndarray, ...]:
        """first_edge, edge, other and first_gaussian of the kernels: the edges to every atom together."""
        return self._sorted(own=1)

    @cached_property
    def by_source(self) -> tuple[np.ndarray, ...]:
        """Likewise, the edges from every atom together."""
        return self._sorted(own=0)

    def whole(self, d: Tensor, envelope: Tensor) -> Tensor:
        """(E, R + 1) as :class:`leignn.conservative.SmoothBasis` has it, of distances and envelopes (E,)."""
        return self._basis.under(envelope, d)

    def along(self, d_dot: Tensor, envelope_dot: Tensor) -> Tensor:
        """(E, T + 1) the derivative of the values along a direction of distances and envelopes (E,)."""
        weight = (self.envelope.detach() * d_dot).unsqueeze(1)
        return self.slopes * weight + self.shapes * envelope_dot.unsqueeze(1)

    def _sorted(self, own: int) -> tuple[np.ndarray, ...]:
        end, other = self._ends[own], self._ends[1 - own]
        if (edge := order_of(end)) is None:
            edge = torch.arange(len(end))
        first = first_edges(end.index_select(0, edge), self._atoms)
        return arrays((first, edge, other.index_select(0, edge), self.first_gaussian))


class SmoothBasis(conservative.SmoothBasis):
    """The whole basis, or the band for compiled messages."""

    channels: int  # F

    def forward(self, d: Tensor, radius: Tensor) -> Tensor | SmoothBand:  # type: ignore[override]
        """(E, R + 1) for small work, or where nothing can be compiled."""
        if worthwhile(len(d) * self.channels, LEAST) and possible(d):
            return SmoothBand(self, d, radius)
        return super().forward(d, radius)
