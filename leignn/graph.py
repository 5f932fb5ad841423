"""The neighbour graph: the nearest K periodic images within a cutoff, on the model's device.

:func:`nearest_edges` is the vectorised implementation in PyTorch for a whole batch;
:mod:`leignn.neighbors` is the fast path for one structure on the CPU. Both find the pairs within
the cutoff in their own way and cut them by the same integer sort key, so they return the same
edges in the same order.

Rules (those of Open Catalyst): *strict* keeps the K nearest images of every
atom; *ties* keeps everything up to 0.01 Å² beyond the (K+1)-th smallest squared distance.
"""

from dataclasses import dataclass

import torch
from torch import Tensor

from leignn.errors import InputError

TIES_TOLERANCE = 0.01  # Å², Open Catalyst's degeneracy tolerance of the rule "ties"
CUTOFF_TOLERANCE = 1e-6  # Å: an image exactly at the cutoff is inside, however rounded
# Å²: squared distances that round to the same multiple of it are a tie. Irrational: in crystals of lattice
# constants with few digits, squared distances are short decimals, and none may lie where rounding turns.
DISTANCE_QUANTUM = 2**-0.5 * 1e-6
DIRECTION_BITS = 14
# A tie is broken by the projection of the edge on this direction: a property of the geometry,
# so the choice depends neither on the order of the atoms nor on how they are wrapped.
TIE_DIRECTION = (0.83205029, 0.51449575, 0.20739034)


@dataclass(frozen=True)
class GraphSpec:
    """What the graph of a potential is: ``cutoff`` in Å, ``max_neighbors`` K, and the rule."""

    cutoff: float
    max_neighbors: int
    rule: str = "strict"

    def __post_init__(self) -> None:
        if self.rule not in ("strict", "ties"):
            raise ValueError(f"graph rule must be 'strict' or 'ties', not {self.rule!r}")
        if not self.cutoff > 0 or self.max_neighbors < 1:
            raise ValueError(f"cutoff and max_neighbors must be positive: {self}")


def nearest_edges(
    pos: Tensor, cell: Tensor, pbc: Tensor, natoms: Tensor, spec: GraphSpec
) -> tuple[Tensor, Tensor, Tensor]:
    """Find the edges of a batch of structures.

    Args:
        pos: (N, 3) positions in Å, wrapped or not.
        cell: (B, 3, 3) lattice vectors in rows, Å; rows of non-periodic directions are ignored.
        pbc: (B, 3) bool.
        natoms: (B,) atoms in each structure.
        spec: cutoff, number of neighbours, rule.

    Returns:
        edge_index (2, E): source j and target i of every edge, sorted by target and distance;
        cell_offsets (E, 3) integer S with r = pos[j] + S·cell − pos[i] for the given positions;
        neighbors (B,): edges of each structure.
    """
    structure = torch.repeat_interleave(natoms)
    pairs, offsets, vector, squared = all_pairs(pos, cell, pbc, natoms, spec.cutoff + CUTOFF_TOLERANCE)
    chosen = cut_to_nearest(pairs[0], squared, vector, len(pos), spec)
    target, source = pairs[:, chosen]
    neighbors = torch.bincount(structure[target], minlength=len(natoms))
    return torch.stack([source, target]), offsets[chosen], neighbors


def all_pairs(
    pos: Tensor, cell: Tensor, pbc: Tensor, natoms: Tensor, radius: float
) -> tuple[Tensor, Tensor, Tensor, Tensor]:
    """All pairs within ``radius`` Å, in no order; other arguments as of :func:`nearest_edges`.

    Returns:
        pairs (2, P): target i and source j; cell offsets S (P, 3); vectors (P, 3) from i to j, Å, and their
        squared lengths (P,).

    Raises:
        InputError: a position is not finite, or atoms are too far apart to number the space between them.
    """
    pos, cell = pos.double(), cell.double()
    structure = torch.repeat_interleave(natoms)
    reciprocal = torch.linalg.pinv(cell * pbc[:, :, None])  # (B, 3, 3); zero column if not periodic
    fractional = torch.einsum("nx,nxk->nk", pos, reciprocal[structure])
    wrap = torch.floor(fractional)
    wrapped = pos - torch.einsum("nk,nkx->nx", wrap, cell[structure])
    image_atom, image_shift, image_pos = _periodic_images(
        wrapped, fractional - wrap, cell, reciprocal, structure, radius
    )
    target, image = _pairs_by_bins(wrapped, structure, image_pos, structure[image_atom], radius)
    source, shift = image_atom[image], image_shift[image]
    vector = image_pos[image] - wrapped[target]
    squared = (vector * vector).sum(1)
    keep = (squared <= radius**2) & ((source != target) | shift.any(1))
    source, target, shift = source[keep], target[keep], shift[keep]
    offsets = (shift + wrap[target] - wrap[source]).long()
    return torch.stack([target, source]), offsets, vector[keep], squared[keep]


def cut_to_nearest(target: Tensor, squared: Tensor, vector: Tensor, atoms: int, spec: GraphSpec) -> Tensor:
    """Apply the rule of ``spec`` to all pairs within the cutoff.

    Args:
        target: (P,) the atom whose neighbour each pair is.
        squared: (P,) squared distances, Å².
        vector: (P, 3) from the target to its neighbour, Å.
        atoms: number of atoms that ``target`` counts.
        spec: cutoff, number of neighbours, rule.

    Returns:
        (E,) indices of the pairs kept, sorted by target, squared distance and direction.
    """
    distance_bits = (int(spec.cutoff**2 / DISTANCE_QUANTUM) + 1000).bit_length()
    projection = (vector @ vector.new_tensor(TIE_DIRECTION) / (2.1 * spec.cutoff) + 0.5) * 2**DIRECTION_BITS
    key = (target << distance_bits) + torch.round(squared / DISTANCE_QUANTUM).long()
    order = torch.argsort((key << DIRECTION_BITS) + torch.round(projection).long())

    counts = torch.bincount(target, minlength=atoms)
    first = counts.cumsum(0) - counts
    if spec.rule == "strict":
        # Sorted by target, the position of a pair minus that of its atom's first is its rank.
        rank = torch.arange(len(order), device=order.device) - first.repeat_interleave(counts)
        return order[rank < spec.max_neighbors]
    limit = squared.new_full((atoms,), torch.inf)
    crowded = counts > spec.max_neighbors
    limit[crowded] = squared[order[first[crowded] + spec.max_neighbors]] + TIES_TOLERANCE
    return order[squared[order] <= limit.repeat_interleave(counts)]


def _periodic_images(
    wrapped: Tensor,
    fractional: Tensor,
    cell: Tensor,
    reciprocal: Tensor,
    structure: Tensor,
    radius: float,
) -> tuple[Tensor, Tensor, Tensor]:
    """All images that can lie within ``radius`` of an atom in the home cell.

    Returns the atom (M,), the shift (M, 3) and the position (M, 3) of every image.
    """
    reach = radius * reciprocal.norm(dim=1)  # (B, 3): cutoff in units of the cell's heights
    extent = torch.ceil(reach).long()  # shifts −extent … extent in each direction
    widths = 2 * extent + 1
    copies = widths.prod(1)[structure]
    atom = torch.repeat_interleave(copies)
    index = torch.arange(len(atom), device=atom.device) - (copies.cumsum(0) - copies)[atom]
    width = widths[structure[atom]]
    shift = (
        torch.stack(
            [index // (width[:, 1] * width[:, 2]), index // width[:, 2] % width[:, 1], index % width[:, 2]],
            dim=1,
        )
        - extent[structure[atom]]
    )
    place = fractional[atom] + shift
    near = ((place >= -reach[structure[atom]]) & (place <= 1 + reach[structure[atom]])).all(1)
    atom, shift = atom[near], shift[near]
    image_pos = wrapped[atom] + torch.einsum("mk,mkx->mx", shift.double(), cell[structure[atom]])
    return atom, shift, image_pos


def _pairs_by_bins(
    pos: Tensor, structure: Tensor, image_pos: Tensor, image_structure: Tensor, radius: float
) -> tuple[Tensor, Tensor]:
    """Candidate pairs (atom, image) in neighbouring cubic bins of edge ``radius``.

    Bin numbers run fastest along z, so the three bins above, at and below an atom are one range of
    the sorted images: nine ranges an atom instead of 27 bins.
    """
    batch_size = int(structure[-1]) + 1 if len(structure) else 0
    low = pos.new_full((batch_size, 3), torch.inf)
    low = low.scatter_reduce(0, image_structure[:, None].expand(-1, 3), image_pos, "amin")
    bins = (image_pos - low[image_structure]).amax(0) / radius + 3 if len(image_pos) else low.sum(0)
    if not bins.prod() * batch_size < 2**62:
        raise InputError(
            "a position is not finite, or atoms are too far apart: the space between them has more than "
            f"2^62 cubes of {radius:.3g} Å"
        )
    image_bin = torch.floor((image_pos - low[image_structure]) / radius).long() + 1
    atom_bin = torch.floor((pos - low[structure]) / radius).long() + 1
    shape = image_bin.amax(0) + 2 if len(image_bin) else image_bin.new_ones(3)

    def number(which: Tensor, bins: Tensor) -> Tensor:
        return ((which * shape[0] + bins[:, 0]) * shape[1] + bins[:, 1]) * shape[2] + bins[:, 2]

    numbers, order = torch.sort(number(image_structure, image_bin))
    steps = torch.tensor([-1, 0, 1], device=pos.device)
    columns = torch.cartesian_prod(steps, steps)  # (9, 2)
    centre = number(structure, atom_bin)[:, None]
    column = centre + (columns[:, 0] * shape[1] + columns[:, 1]) * shape[2]  # (N, 9)
    start = torch.searchsorted(numbers, (column - 1).flatten())
    count = torch.searchsorted(numbers, (column + 1).flatten(), right=True) - start
    window = torch.repeat_interleave(count)
    offset = torch.arange(len(window), device=pos.device) - (count.cumsum(0) - count)[window]
    return window // 9, order[start[window] + offset]
