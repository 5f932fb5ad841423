"""The edges of a batch, sorted by either end for the compiled loops; all layers share them."""

from collections.abc import Callable
from functools import cached_property

import torch
from torch import Tensor


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
        whole: makes (E, R), the values of all Gaussians.
        atoms: N.
    """

    def __init__(
        self,
        edge_index: Tensor,
        u: Tensor,
        first_gaussian: Tensor,
        values: Tensor,
        whole: Callable[[], Tensor],
        atoms: int,
    ) -> None:
        self.atoms, self.width = atoms, values.shape[1]
        self._ends, self._whole = edge_index, whole
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
    def whole_by_source(self) -> Tensor:
        """(E, R) the values of all Gaussians, in that order."""
        order, whole = order_of(self._ends[0]), self._whole()
        return whole if order is None else whole.index_select(0, order)

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
