"""The edges of a batch, sorted by either end for the compiled loops; all layers share them."""

from functools import cached_property

import torch
from torch import Tensor, nn


def first_edges(ends: Tensor, atoms: int) -> Tensor:
    """(N + 1,) int64: the first of the edges of each of N ``atoms``, by their sorted ``ends`` (E,), and E."""
    return torch.searchsorted(ends, torch.arange(atoms + 1, device=ends.device))


class SortedEdges:
    """Edges sorted both ways, with the Gaussians that are not zero.

    Args:
        edge_index: (2, E) source and target, in any order.
        u: (E, 3) unit vectors.
        first_gaussian: (E,) the first Gaussian that is not zero.
        values: (E, T) the values of T consecutive ones.
        atoms, gaussians: N and R.
    """

    def __init__(
        self,
        edge_index: Tensor,
        u: Tensor,
        first_gaussian: Tensor,
        values: Tensor,
        atoms: int,
        gaussians: int,
    ) -> None:
        self.atoms, self.width = atoms, values.shape[1]
        self._bands = gaussians - self.width + 1  # that T consecutive Gaussians of R can be
        self._ends = edge_index
        self._pieces: tuple[Tensor, Tensor, Tensor] | None = None
        self._per_edge = [u, first_gaussian, values]

    @cached_property
    def by_target(self) -> tuple[Tensor, ...]:
        """first_edge, other, u, first_gaussian and values of :mod:`leignn.backend.kernels`, by target."""
        return self._sorted(own=1)

    @cached_property
    def by_source(self) -> tuple[Tensor, ...]:
        """Likewise, the edges from every atom together."""
        return self._sorted(own=0)

    @cached_property
    def by_gaussian(self) -> tuple[Tensor, ...]:
        """Likewise first_edge, source, target, u and values, the edges with the same Gaussians together."""
        u, first_gaussian, values = self._per_edge
        order = torch.argsort(first_gaussian, stable=True)
        parts = [part.index_select(0, order) for part in (first_gaussian, *self._ends, u, values)]
        return first_edges(parts[0], self._bands), *parts[1:]

    def pieces(self, most: int) -> tuple[Tensor, Tensor, Tensor]:
        """The edges that have the same Gaussians, in pieces of ``most`` edges at most.

        Returns:
            first_piece (R − T + 2,), the first of each first Gaussian, and their number; begin and end (P,),
            the edges of each in :attr:`by_gaussian`. P is as large as it can get: the last may be empty.
        """
        if self._pieces is None:
            first_edge, here = self.by_gaussian[0], self._ends.device
            counts = (first_edge.diff() + most - 1) // most
            first_piece = nn.functional.pad(counts.cumsum(0), (1, 0))
            number = torch.arange(self._ends.shape[1] // most + self._bands, device=here)
            gaussian = torch.searchsorted(first_piece, number, right=True).clamp(max=self._bands) - 1
            begin = first_edge[gaussian] + (number - first_piece[gaussian]) * most
            self._pieces = first_piece, begin, torch.minimum(begin + most, first_edge[gaussian + 1])
        return self._pieces

    def _sorted(self, own: int) -> tuple[Tensor, ...]:
        end, *per_edge = [self._ends[own], self._ends[1 - own], *self._per_edge]
        if (order := order_of(end)) is not None:
            end, *per_edge = [values.index_select(0, order) for values in (end, *per_edge)]
        return first_edges(end.contiguous(), self.atoms), *(values.contiguous() for values in per_edge)


def order_of(ends: Tensor) -> Tensor | None:
    """(E,) what sorts ``ends`` (E,), those that are equal by their numbers; None where they are sorted.

    On a GPU they are sorted in any case, since a look at them would have to wait for all that is to come
    before it.
    """
    if ends.device.type == "cpu" and not bool((ends.diff() < 0).any()):
        return None
    return torch.argsort(ends, stable=True)
