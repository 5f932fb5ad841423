"""The neighbour graph of a structure that moves a little at a time: a candidate list with a skin.

The pairs within cutoff + skin are found once and kept until an atom has moved by half the skin; every
graph is cut out of them. Same edges, same order as :func:`leignn.neighbors.nearest_edges_of`.
"""

import numpy as np
import torch
from torch import Tensor

from leignn.graph import CUTOFF_TOLERANCE, TIES_TOLERANCE, GraphSpec, cut_to_nearest
from leignn.neighbors import pairs_within

SKIN = 0.5  # Å; see benchmarks/README.md


class VerletList:
    """Candidate pairs of one moving structure.

    Args:
        spec: cutoff, number of neighbours, rule.
        device: where the graphs are cut and left.
        skin: Å.
        wrap: False looks only at the images next to the coordinates as they are stored, as Open
            Catalyst's search does: an atom that has left its cell loses neighbours.
    """

    def __init__(
        self, spec: GraphSpec, device: torch.device | str = "cpu", skin: float = SKIN, wrap: bool = True
    ) -> None:
        self.spec, self.device, self.skin, self.wrap = spec, torch.device(device), skin, wrap
        self.builds = 0
        self._cell, self._pbc = np.zeros((0, 3)), np.zeros(0, dtype=bool)

    def edges(self, pos: np.ndarray, cell: np.ndarray, pbc: np.ndarray) -> tuple[Tensor, Tensor]:
        """Find the edges; arguments and results as of :func:`leignn.neighbors.nearest_edges_of`.

        ``edge_index`` (2, E) and ``cell_offsets`` (E, 3) are on the list's device.
        """
        same = np.array_equal(cell, self._cell) and np.array_equal(pbc, self._pbc)
        here = torch.from_numpy(pos).to(self.device)
        if not (same and here.shape == self._built_at.shape and self._holds(here)):
            self._build(pos, cell, pbc)
        vector = here.index_select(0, self._source) - here.index_select(0, self._target) + self._shift
        squared = torch.einsum("ex,ex->e", vector, vector)
        near = (squared <= (self.spec.cutoff + CUTOFF_TOLERANCE) ** 2).nonzero().squeeze(1)
        target, squared, vector = (x.index_select(0, near) for x in (self._target, squared, vector))
        chosen = near.index_select(0, cut_to_nearest(target, squared, vector, len(here), self.spec))
        edge_index = torch.stack([x.index_select(0, chosen) for x in (self._source, self._target)])
        return edge_index, self._offsets.index_select(0, chosen)

    def _holds(self, here: Tensor) -> bool:
        """Whether no atom has moved by more than half the skin; not if a position is not a number."""
        return bool((here - self._built_at).square().sum(1).amax() <= (self.skin / 2) ** 2)

    def _build(self, pos: np.ndarray, cell: np.ndarray, pbc: np.ndarray) -> None:
        self.builds += 1
        radius = self.spec.cutoff + 2 * CUTOFF_TOLERANCE + self.skin
        pairs, offsets, vector = pairs_within(pos, cell, pbc, radius)
        if not self.wrap:
            reach = self.spec.cutoff * np.linalg.norm(np.linalg.pinv(cell * pbc[:, None]), axis=0)
            seen = (np.abs(offsets) <= np.ceil(reach)).all(1)
            pairs, offsets, vector = pairs[seen], offsets[seen], vector[seen]
        keep = self._within_reach(pairs[:, 0], vector, len(pos))
        pairs, offsets = pairs[keep], offsets[keep]
        # Summed as vesin does it, so that vectors, and with them ties, agree to the last bit.
        shift = offsets[:, :1] * cell[0] + offsets[:, 1:2] * cell[1] + offsets[:, 2:] * cell[2]
        self._target, self._source = torch.from_numpy(pairs.T.copy()).to(self.device)
        self._offsets, self._shift = (torch.from_numpy(a).to(self.device) for a in (offsets, shift))
        self._built_at = torch.from_numpy(pos.copy()).to(self.device)
        self._cell, self._pbc = cell.copy(), pbc.copy()

    def _within_reach(self, target: np.ndarray, vector: np.ndarray, atoms: int) -> np.ndarray:
        """(P,) bool: pairs that may be among the nearest before the list is built again.

        Distances change by at most the skin. So the (K+1)-th smallest grows by that at most, and a
        pair whose distance shrinks by that and is still larger is never chosen.
        """
        atom, between = torch.from_numpy(target), torch.from_numpy(vector)
        squared = torch.einsum("ex,ex->e", between, between)
        count = self.spec.max_neighbors + 1
        wider = GraphSpec(self.spec.cutoff + 2 * self.skin, count, "strict")
        chosen = cut_to_nearest(atom, squared, between, atoms, wider)
        limit = squared.new_zeros(atoms).scatter_reduce(0, atom[chosen], squared[chosen], "amax").sqrt()
        limit[torch.bincount(atom[chosen], minlength=atoms) < count] = torch.inf
        limit = ((limit + self.skin).square() + TIES_TOLERANCE).sqrt() + self.skin
        return (squared <= limit.square().index_select(0, atom)).numpy()
