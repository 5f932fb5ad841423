"""A cutoff radius for each atom, within which lie about K neighbours, and which moves smoothly with them.

The K-nearest rule bounds the work in crowded structures, but a neighbour that takes another's place changes
the energy by a jump. Here the radius D_i ≤ D of atom i is the root of

    Σ_j env(d_ij / D_i) + c K (D_i / D)^p = c K,    env(t) = 1 − 21 t⁵ + 35 t⁶ − 15 t⁷ (0 beyond t = 1).

The left side grows with D_i from 0 to at least c K at D_i = D, so there is one root. The factor c = 7/24 is
the mean of env over a ball: where atoms are evenly distributed, K of them lie within D_i. An atom with few
neighbours has D_i near D, one without any D itself. A neighbour at D_i and beyond has no part in it; env is
twice continuously differentiable, and so then is D_i.
"""

import torch
from torch import Tensor, nn

from leignn.model import envelope

MEAN_ENVELOPE = 7 / 24  # c = ∫₀¹ 3 t² env(t) dt
STEEPNESS = 20  # p: an even crowd of K atoms within D has D_i = 0.92 D, a quarter of that 0.99 D
MOST_STEPS = 60  # six to eight are usual
CLOSE = 1e-5  # where the search ends: two more Newton steps take the relative error below rounding


class AdaptiveCutoff(nn.Module):
    """Cutoff radii of atoms.

    Args:
        cutoff: D in Å.
        neighbors: K.
    """

    def __init__(self, cutoff: float, neighbors: int) -> None:
        super().__init__()
        self.cutoff, self.neighbors = cutoff, neighbors

    def search(self, d: Tensor, target: Tensor, atoms: int) -> Tensor:
        """(N,) radii D_i in Å to :data:`CLOSE`, by Newton's steps; where they leave the bracket, it halves.

        Args:
            d: (E,) distances in Å of all neighbours within ``cutoff``.
            target: (E,) the atom whose neighbour each is.
            atoms: N.
        """
        t = d / self.cutoff
        low, high = t.new_zeros(atoms), t.new_ones(atoms)
        root = high
        for _ in range(MOST_STEPS):
            excess, slope = self._excess(root, t, target)
            low, high = torch.where(excess < 0, root, low), torch.where(excess < 0, high, root)
            newton = root - excess / slope
            if bool(((newton - root).abs() < CLOSE * root).all()):
                break
            root = torch.where((newton >= low) & (newton <= high), newton, (low + high) / 2)
        return self.cutoff * root

    def forward(self, found: Tensor, d: Tensor, target: Tensor) -> Tensor:
        """(N,) radii D_i in Å to rounding, which can be differentiated three times with respect to ``d``.

        Args:
            found: (N,) by :meth:`search`.
            d: (E,) distances in Å of at least the neighbours within ``found``.
            target: (E,) the atom whose neighbour each is.
        """
        root, t = found / self.cutoff, d / self.cutoff
        for _ in range(2):  # each doubles the order up to which the derivatives are those of the root
            excess, slope = self._excess(root, t, target)
            root = root - excess / slope
        return self.cutoff * root

    def _excess(self, root: Tensor, t: Tensor, target: Tensor) -> tuple[Tensor, Tensor]:
        """(N,) left side minus right side, over c K, and its derivative at D_i / D = ``root``; t is d / D."""
        scaled = t / root.index_select(0, target)
        inside = (1 - scaled).clamp(min=0)
        growth = 105 * scaled**5 * inside * inside  # −t · env'(t)
        count = torch.zeros_like(root).index_add(0, target, envelope(scaled))
        slope = torch.zeros_like(root).index_add(0, target, growth) / root
        wanted = MEAN_ENVELOPE * self.neighbors
        bound = root ** (STEEPNESS - 1)
        return count / wanted + bound * root - 1, slope / wanted + STEEPNESS * bound
