"""The Gaussians of each edge that are not zero in the numbers' precision: a band of all."""

import torch
from torch import Tensor

from leignn import model
from leignn.backend.choice import anywhere, possible, worthwhile
from leignn.backend.edges import SortedEdges

LEAST = 100_000  # edges × channels, below which the equations' own messages are as fast
# Gaussians on each side of the one nearest to a distance; the next is below exp(−½ (n + ½)²): 7e-10, 3e-20.
EACH_SIDE = {torch.float32: 6, torch.float64: 9}


class Band:
    """What the compiled messages take in place of the whole basis (E, R).

    Attributes:
        first_gaussian: (E,) the first of T consecutive Gaussians around each distance.
        values: (E, T) their values.
    """

    def __init__(self, basis: model.RadialBasis, d: Tensor) -> None:
        self._basis, self._d = basis, d
        each_side = EACH_SIDE[d.dtype]
        width = min(2 * each_side + 1, basis.num_rbf)
        nearest = torch.round(d / basis.cutoff * (basis.num_rbf - 1)).long()
        self.first_gaussian = (nearest - each_side).clamp(0, basis.num_rbf - width)
        numbers = self.first_gaussian.unsqueeze(1) + torch.arange(width, device=d.device)
        self.values = basis.gaussians(d, numbers)
        self._edges: SortedEdges | None = None

    def edges(self, edge_index: Tensor, u: Tensor, atoms: int) -> SortedEdges:
        """The sorted edges with their band, made in the first layer and kept for the others."""
        if self._edges is None:
            gaussians = self._basis.num_rbf
            self._edges = SortedEdges(edge_index, u, self.first_gaussian, self.values, atoms, gaussians)
        return self._edges

    def whole(self) -> Tensor:
        """(E, R) the values of all Gaussians."""
        return model.RadialBasis.forward(self._basis, self._d)


class RadialBasis(model.RadialBasis):
    """The whole basis, or the band for compiled messages."""

    channels: int  # F

    def forward(self, d: Tensor) -> Tensor | Band:  # type: ignore[override]
        """(E, R) for small work, where nothing can be compiled, or positions want a gradient."""
        least = LEAST if d.device.type == "cpu" else 0
        if worthwhile(len(d) * self.channels, least) and possible(d, anywhere()) and not d.requires_grad:
            return Band(self, d)
        return super().forward(d)
