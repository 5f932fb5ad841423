"""Readers of MD17: npz files of one molecule's frames, in kcal/mol and Å, as two publishers have them."""

from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import numpy as np
from ase import units

from leignn.data.checks import LARGEST_ATOMIC_NUMBER
from leignn.data.structure import Structure
from leignn.errors import InputError
from leignn.files import read_arrays

KCAL_PER_MOL = units.kcal / units.mol  # eV
CHUNK_FRAMES = 128
LONGEST_BOND = 1.7  # Å; of the shortest bond of any molecule: in bohr even that of C and H is longer


class _Keys(NamedTuple):
    charges: str  # (n,)
    coords: str  # (S, n, 3) Å
    energies: str  # (S,) or (S, 1) kcal/mol
    forces: str  # (S, n, 3) kcal/mol/Å
    frames: str | None  # (S,) frame numbers; None where they are counted


KEYS = {
    "md17_npz": _Keys("z", "R", "E", "F", None),
    "rmd17_npz": _Keys("nuclear_charges", "coords", "energies", "forces", "old_indices"),
}


def read_molecule(path: Path, form: str, rows: np.ndarray | None) -> Iterator[list[Structure]]:
    """Yield the frames of one npz file in eV and Å.

    Args:
        path: the file, of sGDML's (MD17) or Christensen and von Lilienfeld's (revised MD17) form.
        form: key of :data:`KEYS`.
        rows: (M,) which frames, counted from 0 in the file; None for all.

    Raises:
        InputError: missing keys, arrays that do not fit together, other units, or a row that is not
            in the file.
    """
    charges, coords, energies, forces, frames = _arrays(path, KEYS[form])
    rows = np.arange(len(coords)) if rows is None else rows
    if len(outside := rows[(rows < 0) | (rows >= len(coords))]):
        raise InputError(f"{path} has {len(coords)} frames, no frame {outside[0]} that the split names")
    for chunk in np.split(rows, range(CHUNK_FRAMES, len(rows), CHUNK_FRAMES)):
        yield [
            Structure(
                pos=coords[i].astype(np.float64),
                atomic_numbers=charges.astype(np.uint8),
                cell=np.zeros((3, 3)),
                pbc=np.zeros(3, dtype=bool),
                tags=np.zeros(len(charges), dtype=np.int8),
                fixed=np.zeros(len(charges), dtype=bool),
                energy=float(energies[i]) * KCAL_PER_MOL,
                forces=(forces[i] * KCAL_PER_MOL).astype(np.float32),
                system_id=path.stem,
                frame=int(frames[i]),
            )
            for i in chunk
        ]


def _arrays(path: Path, keys: _Keys) -> list[np.ndarray]:
    """Charges (n,), coordinates (S, n, 3), energies (S,), forces (S, n, 3), frame numbers (S,)."""
    content = read_arrays(path)
    names = [name for name in keys if name is not None]
    if missing := [name for name in names if name not in content]:
        raise InputError(f"{path} has no array {missing[0]!r}: it should have {', '.join(names)}")
    charges, coords = content[keys.charges], content[keys.coords]
    if content[keys.energies].shape == (len(coords), 1):  # sGDML's
        content[keys.energies] = content[keys.energies][:, 0]
    per_atom, per_frame = (len(coords), len(charges), 3), (len(coords),)
    for name, shape in zip(names[1:], (per_atom, per_frame, per_atom, per_frame), strict=False):
        if content[name].shape != shape:
            raise InputError(f"{path}: {name} has shape {content[name].shape}, not {shape}")
    wrong = charges[(charges < 1) | (charges > LARGEST_ATOMIC_NUMBER)]
    if len(wrong):
        raise InputError(f"{path} has an unknown element, nuclear charge {wrong[0]}")
    for name, unit in (("e_unit", "kcal/mol"), ("r_unit", "ang")):
        found = str(content.get(name, np.array(unit)).astype(str))
        if not found.lower().startswith(unit):
            raise InputError(f"{path} has {name} {found!r}: energies must be in kcal/mol, positions in Å")
    _refuse_other_units(path, charges, coords, content[keys.energies])
    frames = np.arange(len(coords)) if keys.frames is None else content[keys.frames]
    return [charges, coords, content[keys.energies], content[keys.forces], frames]


def _refuse_other_units(path: Path, charges: np.ndarray, coords: np.ndarray, energies: np.ndarray) -> None:
    """Recognise positions in bohr, and total energies in eV or hartree.

    A neutral atom's energy is about ``-Z**2.4 / 2`` hartree, which is good to 5 % for organic molecules.
    """
    if not len(coords):
        raise InputError(f"{path} holds no frame")
    first, second = np.triu_indices(len(charges), 1)
    shortest = np.linalg.norm(coords[0][first] - coords[0][second], axis=1).min(initial=np.inf)
    if LONGEST_BOND < shortest < np.inf:
        raise InputError(
            f"{path}: the shortest distance in frame 0 is {shortest:.2f}: positions must be in Å"
        )
    total = -0.5 * (charges.astype(float) ** 2.4).sum() * units.Hartree / KCAL_PER_MOL
    for unit, size in (("eV", 1 / KCAL_PER_MOL), ("hartree", units.Hartree / KCAL_PER_MOL)):
        if 0.8 < energies[0] * size / total < 1.2:
            raise InputError(f"{path}: energies look like {unit}, {energies[0]:.2f} in frame 0, not kcal/mol")
