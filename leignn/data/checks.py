"""What every frame must be before it enters a store."""

from collections.abc import Sequence

import numpy as np

from leignn.config.dataset import Labels
from leignn.data.structure import Structure
from leignn.errors import InputError

LARGEST_ATOMIC_NUMBER = 117  # the models embed 118 rows, indexed from 0
# Å: less than half the shortest bond there is, 0.74 Å of H2. Two protons repel each other there by 48 eV,
# more than any dynamics on a potential energy surface overcomes: such atoms are a fault of the file.
CLOSEST = 0.3
# Atoms are sorted along it to find close ones: it is normal to no plane of a crystal in its usual setting.
DIRECTION = np.array([0.83205029, 0.51449575, 0.20739034])
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
            label missing where the data set declares it for all; an unknown element; a singular cell; a
            name that no line of text holds.
    """
    name = _name(structure, file)
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


def check_all(structures: Sequence[Structure], labels: Labels, file: str) -> None:
    """:func:`check` of many structures at once: of those only that are not plainly sound, one by one.

    Raises:
        InputError: as there, of the first.
    """
    natoms = np.array([len(s.pos) for s in structures])
    if natoms.all():
        first = np.cumsum(natoms) - natoms

        def everywhere(of_atoms: np.ndarray) -> np.ndarray:
            return np.logical_and.reduceat(of_atoms, first)

        numbers = np.concatenate([s.atomic_numbers for s in structures])
        pos = np.concatenate([s.pos for s in structures])
        forces = np.concatenate([s.forces for s in structures])
        cell = np.stack([s.cell for s in structures])
        small = (np.abs(cell) <= LARGEST_POSITION).all((1, 2))
        rank = np.linalg.matrix_rank(np.where(small[:, None, None], cell, 0), tol=1e-6)
        sound = (
            everywhere((numbers > 0) & (numbers <= LARGEST_ATOMIC_NUMBER))
            & everywhere((np.abs(pos) <= LARGEST_POSITION).all(1))
            & everywhere((np.abs(forces) <= LARGEST_FORCE).all(1))
            & (np.abs([s.energy for s in structures]) <= LARGEST_ENERGY * natoms)
            & (rank == 3)
            & np.array([bool(s.system_id) and s.system_id.isprintable() for s in structures])
        )
    else:
        sound = np.zeros(len(structures), dtype=bool)
    for index in np.flatnonzero(~sound).tolist():
        check(structures[index], labels, file)


def _check_cell(structure: Structure, name: str) -> None:
    """Finite, and independent vectors along the periodic directions."""
    if (np.abs(structure.cell) <= LARGEST_POSITION).all():
        periodic = structure.cell[structure.pbc]
        if np.linalg.matrix_rank(periodic, tol=1e-6) == len(periodic):
            return
    raise InputError(f"{name} has a singular cell {structure.cell.tolist()}")


def check_distances(structures: Sequence[Structure], file: str) -> None:
    """Refuse two atoms, or an atom and a periodic image, closer than :data:`CLOSEST`.

    For many structures at once, which takes a fifth of the time: atoms, and the images that lie beside the
    cell, are sorted along one direction, and those that follow each other closely there are compared.

    Args:
        structures: what :func:`check` has let pass.
        file: where they come from, for messages.

    Raises:
        InputError: two atoms on one place, or a cell that is flat.
    """
    natoms = np.array([len(s.pos) for s in structures])
    frame = np.repeat(np.arange(len(structures)), natoms)
    atom = np.arange(len(frame)) - np.repeat(np.cumsum(natoms) - natoms, natoms)
    cell = np.stack([s.cell * s.pbc[:, None] for s in structures])
    reciprocal = np.linalg.pinv(cell)  # (S, 3, 3); its columns are 1 / height long, or zero
    periodic = np.stack([s.pbc for s in structures])
    reach = CLOSEST * np.linalg.norm(reciprocal, axis=1) * periodic  # in units of the heights
    copies = np.ceil(reach).astype(int)
    if (flat := np.maximum(copies, 1).prod(1) > 1000).any():
        s = structures[int(flat.argmax())]
        raise InputError(f"{_name(s, file)} has a singular cell {s.cell.tolist()}")
    pos = np.concatenate([s.pos for s in structures])
    fractional = np.einsum("nx,nxk->nk", pos, reciprocal[frame])
    pos = pos - np.einsum("nk,nkx->nx", np.floor(fractional), cell[frame])
    fractional = fractional - np.floor(fractional)
    for k in range(3):
        # Images on one side: of a pair across the border, one atom has its image beside the other.
        parts = [(pos, fractional, frame, atom)]
        for copy in range(1, copies[:, k].max() + 1):
            near = np.flatnonzero((fractional[:, k] + copy <= 1 + reach[frame, k]) & periodic[frame, k])
            moved = fractional[near]
            moved[:, k] += copy
            parts.append((pos[near] + copy * cell[frame[near], k], moved, frame[near], atom[near]))
        pos, fractional, frame, atom = (np.concatenate(arrays) for arrays in zip(*parts, strict=True))
    along = pos @ DIRECTION
    order = np.lexsort((along, frame))
    pos, frame, atom, along = pos[order], frame[order], atom[order], along[order]
    for step in range(1, len(order)):
        near = np.flatnonzero((along[step:] - along[:-step] <= CLOSEST) & (frame[step:] == frame[:-step]))
        if not len(near):
            return
        distance = np.linalg.norm(pos[near + step] - pos[near], axis=1)
        if distance.min() <= CLOSEST:
            first = int(near[distance.argmin()])
            pair = sorted((int(atom[first]), int(atom[first + step])))
            raise InputError(
                f"{_name(structures[frame[first]], file)} has atoms {pair[0]} and {pair[1]} "
                f"{distance.min():.3g} Å apart, closer than {CLOSEST} Å"
            )


def _name(structure: Structure, file: str) -> str:
    return f"{file}: frame {structure.frame} of system {structure.system_id}"
