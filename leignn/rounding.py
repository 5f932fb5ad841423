"""From the float64 of structures to a model's precision, without losing what far positions tell."""

import torch
from torch import Tensor

from leignn.batch import Batch

NEAR = 64.0  # Å: up to here float32 is good to 4e-6 Å


def rounded(batch: Batch, dtype: torch.dtype) -> Batch:
    """Round the float64 ``pos`` and ``cell`` of a batch to ``dtype``, in place.

    Models see differences of positions, and float32 has seven digits. So a structure that reaches further
    than :data:`NEAR` from the origin is first moved, in float64: every atom by lattice vectors into the
    cell around the origin, and all by one vector to where their median is the origin. ``cell_offsets``,
    where there are any, follow. What lies near the origin keeps its coordinates.
    """
    if dtype != torch.float64 and bool((batch.pos.abs() > NEAR).any()):
        _move(batch)
    batch.pos, batch.cell = batch.pos.to(dtype), batch.cell.to(dtype)
    return batch


def _move(batch: Batch) -> None:
    structure, cell = batch.batch, batch.cell
    farthest = cell.new_zeros(len(cell)).scatter_reduce(0, structure, batch.pos.abs().amax(1), "amax")
    far = farthest > NEAR
    reciprocal = torch.linalg.pinv(cell * batch.pbc[:, :, None])  # zero column if not periodic
    periods = torch.round(torch.einsum("nx,nxk->nk", batch.pos, reciprocal[structure]))
    periods = periods * far[structure, None]
    moved = batch.pos - torch.einsum("nk,nkx->nx", periods, cell[structure])
    batch.pos = moved - _medians(moved, structure, far)[structure]
    if "edge_index" in batch:
        source, target = batch.edge_index
        batch.cell_offsets = batch.cell_offsets + (periods[source] - periods[target]).to(batch.cell_offsets)


def _medians(pos: Tensor, structure: Tensor, far: Tensor) -> Tensor:
    """(B, 3) medians of those structures that are far, zero of others."""
    found = pos.new_zeros(len(far), 3)
    for number in far.nonzero().flatten().tolist():
        found[number] = pos[structure == number].median(0).values
    return found
