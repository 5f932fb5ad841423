"""The edges of a batch, sorted by either end for the compiled loops; all layers share them."""

from functools import cached_property

import numpy as np
import torch
from torch import Tensor


def first_edges(ends: Tensor, atoms: int) -> np.ndarray:
    """(N + 1,) int64: the first of the edges of each of N ``atoms``, sorted by ``ends`` (E,), and E."""
    first = np.zeros(atoms + 1, np.int64)
    torch.cumsum(torch.bincount(ends, minlength=atoms), 0, out=torch.from_numpy(first)[1:])
    return first


class SortedEdges:
    """Edges sorted both ways, with the Gaussians that are not zero.

    Args:
        edge_index: (2, E) source and target, in any order.
        u: (E, 3) unit vectors.
        first_gaussian: (E,) the first Gaussian that is not zero.
        values: (E, T) the values of T consecutive ones.
        atoms: N.
    """

    def __init__(
        self, edge_index: Tensor, u: Tensor, first_gaussian: Tensor, values: Tensor, atoms: int
    ) -> None:
        self.atoms, self.width = atoms, values.shape[1]
        self._ends = edge_index
        self._per_edge = [u, first_gaussian, values]

    @cached_property
    def by_target(self) -> tuple[np.ndarray, ...]:
        """first_edge, other, u, first_gaussian and values of :mod:`leignn.backend.kernels`, by target."""
        return self._sorted(own=1)

    @cached_property
    def by_source(self) -> tuple[np.ndarray, ...]:
        """Likewise, the edges from every atom together."""
        return self._sorted(own=0)

    def _sorted(self, own: int) -> tuple[np.ndarray, ...]:
        per_edge = [self._ends[own], self._ends[1 - own], *self._per_edge]
        if bool((per_edge[0].diff() < 0).any()):
            order = torch.argsort(per_edge[0], stable=True)
            per_edge = [values.index_select(0, order) for values in per_edge]
        first_edge = first_edges(per_edge[0], self.atoms)
        return first_edge, *(values.contiguous().numpy() for values in per_edge[1:])
