"""What every frame must be before it enters a store."""

import numpy as np
from scipy.spatial import cKDTree

from leignn.config.dataset import Labels
from leignn.data.structure import Structure
from leignn.errors import InputError

LARGEST_ATOMIC_NUMBER = 117  # the models embed 118 rows, indexed from 0
# Å: less than half the shortest bond there is, 0.74 Å of H2. Two protons repel each other there by 48 eV,
# more than any dynamics on a potential energy surface overcomes: such atoms are a fault of the file.
CLOSEST = 0.3
# Far beyond any structure, and what float64 (positions, to 1e-8 Å) and float32 (squares of forces) can carry.
LARGEST_POSITION = 1e7  # Å
LARGEST_ENERGY = 1e7  # eV an atom; all electrons of the heaviest atom have 1.5e6
LARGEST_FORCE = 1e8  # eV/Å


def check(structure: Structure, labels: Labels, file: str) -> None:
    """Refuse what no model can be trained on.

    Args:
        structure: the frame to look at.
        labels: the data set's declaration of which labels every frame has.
        file: where the frame comes from, for messages.

    Raises:
        InputError: no atom; positions, cell, energy or forces that are not finite or absurdly large; a
            label missing where the data set declares it for all; an unknown element; a singular cell; two
            atoms, or an atom and an image, closer than :data:`CLOSEST`; a name that no line of text holds.
    """
    name = f"{file}: frame {structure.frame} of system {structure.system_id}"
    numbers = structure.atomic_numbers
    if not structure.system_id or not structure.system_id.isprintable():
        raise InputError(f"{file}: frame {structure.frame} has the system name {structure.system_id!r}")
    if not len(numbers):
        raise InputError(f"{name} has no atom")
    unknown = numbers[(numbers == 0) | (numbers > LARGEST_ATOMIC_NUMBER)]
    if len(unknown):
        raise InputError(f"{name} has an unknown element, atomic number {unknown[0]}")
    sound = (np.abs(structure.pos) <= LARGEST_POSITION).all(1)
    if not sound.all():
        atom = int(np.argmin(sound))
        raise InputError(f"{name} has position {structure.pos[atom]} at atom {atom}")
    _check_cell(structure, name)
    _check_distances(structure, name)
    if np.abs(structure.energy) > LARGEST_ENERGY * len(numbers):
        raise InputError(f"{name} has energy {structure.energy}")
    if labels.energy == "all" and np.isnan(structure.energy):
        raise InputError(f"{name} has no energy (or NaN), which the data set declares for all frames")
    finite = np.abs(structure.forces) <= LARGEST_FORCE  # false for NaN
    if not finite.all() and not np.isnan(structure.forces).all():
        atom = int(np.argmin(finite.all(1)))
        raise InputError(f"{name} has force {structure.forces[atom]} at atom {atom}")
    if labels.forces == "all" and not finite.all():
        raise InputError(f"{name} has no forces (or NaN), which the data set declares for all frames")


def _check_cell(structure: Structure, name: str) -> None:
    """Finite, and independent vectors along the periodic directions."""
    if (np.abs(structure.cell) <= LARGEST_POSITION).all():
        periodic = structure.cell[structure.pbc]
        if np.linalg.matrix_rank(periodic, tol=1e-6) == len(periodic):
            return
    raise InputError(f"{name} has a singular cell {structure.cell.tolist()}")


def _check_distances(structure: Structure, name: str) -> None:
    """No two atoms, and no atom and a periodic image, closer than :data:`CLOSEST`."""
    pos, atoms = structure.pos, np.arange(len(structure.pos))
    periodic = np.flatnonzero(structure.pbc)
    if len(periodic):
        cell = structure.cell[periodic]
        reciprocal = np.linalg.pinv(cell)  # (3, k); its columns are 1 / height long
        reach = CLOSEST * np.linalg.norm(reciprocal, axis=0)  # in units of the heights
        copies = np.ceil(reach).astype(int)
        if copies.prod() > 1000:
            raise InputError(f"{name} has a singular cell {structure.cell.tolist()}")
        fractional = pos @ reciprocal
        shift = np.floor(fractional)
        pos, fractional = pos - shift @ cell, fractional - shift
        for k, vector in enumerate(cell):
            # Images on one side: of a pair across the border, one atom has its image beside the other.
            parts = [(pos, fractional, atoms)]
            for copy in range(1, copies[k] + 1):
                near = fractional[:, k] + copy <= 1 + reach[k]
                moved = fractional[near]
                moved[:, k] += copy
                parts.append((pos[near] + copy * vector, moved, atoms[near]))
            pos, fractional, atoms = (np.concatenate(arrays) for arrays in zip(*parts, strict=True))
    pairs = cKDTree(pos).query_pairs(CLOSEST, output_type="ndarray")
    if len(pairs):
        first, second = pairs[0]
        distance = np.linalg.norm(pos[first] - pos[second])
        raise InputError(
            f"{name} has atoms {atoms[first]} and {atoms[second]} {distance:.3g} Å apart, closer than "
            f"{CLOSEST} Å"
        )
