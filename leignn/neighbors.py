"""The neighbour graph of one structure on the CPU: vesin's cell list, then the same cut.

The fast path of the data loader. Same rules, same edges, same order as :mod:`leignn.graph`.
"""

import numpy as np
import torch
from vesin import NeighborList

from leignn.errors import InputError
from leignn.graph import CUTOFF_TOLERANCE, GraphSpec, all_pairs, cut_to_nearest

MOST_CELLS = 1e5  # of vesin


def nearest_edges_of(
    pos: np.ndarray, cell: np.ndarray, pbc: np.ndarray, spec: GraphSpec
) -> tuple[np.ndarray, np.ndarray]:
    """Find the edges of one structure.

    Args:
        pos: (n, 3) positions in Å, wrapped or not.
        cell: (3, 3) lattice vectors in rows, Å; rows of non-periodic directions are ignored.
        pbc: (3,) bool.
        spec: cutoff, number of neighbours, rule.

    Returns:
        edge_index (2, E) int64: source j and target i, sorted by target and distance;
        cell_offsets (E, 3) int64 with r = pos[j] + S·cell − pos[i].

    Raises:
        InputError: the periodic lattice vectors span no volume.
    """
    pairs, shift, vector = pairs_within(pos, cell, pbc, spec.cutoff + CUTOFF_TOLERANCE)
    squared = np.einsum("ex,ex->e", vector, vector)
    chosen = cut_to_nearest(
        torch.from_numpy(pairs[:, 0]),
        torch.from_numpy(squared),
        torch.from_numpy(vector),
        len(pos),
        spec,
    ).numpy()
    return np.ascontiguousarray(pairs[chosen].T[::-1]), shift[chosen]


def pairs_within(
    pos: np.ndarray, cell: np.ndarray, pbc: np.ndarray, radius: float
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """All pairs within ``radius`` Å, in no order; arguments as of :func:`nearest_edges_of`.

    Returns:
        pairs (P, 2) int64: target i and source j; cell offsets S (P, 3) int64; vectors (P, 3) from i to j, Å.

    Raises:
        InputError: the periodic lattice vectors span no volume.
    """
    pos = np.asarray(pos, dtype=np.float64)
    box = _periodic_box(np.asarray(cell, dtype=np.float64), pbc)
    if not np.isfinite(pos).all():
        atom = int(np.argmin(np.isfinite(pos).all(1)))
        raise InputError(f"atom {atom} has the position {pos[atom]}")
    if _too_sparse(pos, box, np.asarray(pbc, dtype=bool), radius):
        cells = torch.from_numpy(np.asarray(cell, dtype=np.float64)[None])
        periodic = torch.from_numpy(np.asarray(pbc, dtype=bool)[None])
        natoms = torch.tensor([len(pos)])
        found = all_pairs(torch.from_numpy(pos), cells, periodic, natoms, radius)
        return found[0].T.contiguous().numpy(), found[1].numpy(), found[2].numpy()
    pairs, shift, vector = NeighborList(cutoff=radius, full_list=True, n_threads=1).compute(
        points=pos, box=box, periodic=np.asarray(pbc, dtype=bool), quantities="PSD"
    )
    return pairs.astype(np.int64), shift.astype(np.int64), vector


def _too_sparse(pos: np.ndarray, box: np.ndarray, pbc: np.ndarray, radius: float) -> bool:
    """Whether vesin would divide by the number of its cells in the shortest direction, which is zero.

    It divides the space into at most 1e5 cells, larger ones where there would be more, in proportion to its
    sides: a thin side of a wide space gets none, and the process ends with SIGFPE.
    """
    heights = 1 / np.linalg.norm(np.linalg.inv(box), axis=0)
    extent = np.where(pbc, heights, np.ptp(pos @ np.linalg.inv(box), axis=0) * heights if len(pos) else 0.0)
    cells = np.maximum(extent / radius, 1.0)
    return bool(np.floor(cells.min()) * np.cbrt(MOST_CELLS / cells.prod()) < 1)


def _periodic_box(cell: np.ndarray, pbc: np.ndarray) -> np.ndarray:
    """Replace the lattice vectors of non-periodic directions by orthogonal unit vectors."""
    periodic = cell * np.asarray(pbc, dtype=bool)[:, None]
    rank = np.linalg.matrix_rank(periodic, tol=1e-8)
    if rank != np.count_nonzero(pbc):
        raise InputError(f"the cell {cell.tolist()} is singular in its periodic directions {pbc}")
    if rank == 3:
        return cell
    box = periodic.copy()
    orthogonal = np.linalg.svd(periodic)[2][rank:]
    box[~np.asarray(pbc, dtype=bool)] = orthogonal
    return box
