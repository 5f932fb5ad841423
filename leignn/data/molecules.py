"""Readers of MD17: npz files of one molecule's frames, in kcal/mol and Å, as two publishers have them."""

from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import numpy as np
from ase import units
from ase.data import covalent_radii

from leignn.data.checks import LARGEST_ATOMIC_NUMBER
from leignn.data.structure import Structure, as_type
from leignn.errors import InputError
from leignn.files import read_arrays

KCAL_PER_MOL = units.kcal / units.mol  # eV
CHUNK_FRAMES = 128
# In units of the sum of two covalent radii, of the molecule's shortest distance: bonds have 0.77 (CN) to 1.25
# (F2); in bohr, 1.46 to 2.4.
LONGEST_BOND = 1.4
NOBLE = (2, 10, 18, 36, 54, 86)  # gases, which do not bond


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


def read_molecule(
    path: Path, form: str, rows: np.ndarray | None, system: str | None = None
) -> Iterator[list[Structure]]:
    """Yield the frames of one npz file in eV and Å.

    Args:
        path: the file, of sGDML's (MD17) or Christensen and von Lilienfeld's (revised MD17) form.
        form: key of :data:`KEYS`.
        rows: (M,) which frames, counted from 0 in the file; None for all.
        system: name of the molecule, by default the file's.

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
                pos=coords[i],
                atomic_numbers=charges,
                cell=np.zeros((3, 3)),
                pbc=np.zeros(3, dtype=bool),
                tags=np.zeros(len(charges), dtype=np.int8),
                fixed=np.zeros(len(charges), dtype=bool),
                energy=float(energies[i]) * KCAL_PER_MOL,
                forces=as_type(
                    forces[i] * KCAL_PER_MOL,
                    np.float32,
                    forces[i].shape,
                    f"{path}: {KEYS[form].forces} of row {i}, in eV/Å",
                ),
                system_id=system or path.stem,
                frame=int(frames[i]),
            )
            for i in chunk
        ]


def _arrays(path: Path, keys: _Keys) -> list[np.ndarray]:
    """Charges (n,), coordinates (S, n, 3), energies (S,), forces (S, n, 3), frame numbers (S,)."""
    content = read_arrays(path)
    names = [name for name in keys if name is not None]
    if missing := [name for name in names if name not in content]:
        raise InputError(
            f"{path} has no array {missing[0]!r}: it should have {', '.join(names)}, "
            f"it has {', '.join(content)}"
        )
    charges, coords = content[keys.charges], content[keys.coords]
    if charges.ndim != 1 or coords.ndim != 3:
        raise InputError(
            f"{path}: {keys.charges} has shape {charges.shape} and {keys.coords} {coords.shape}, "
            "not (n,) and (S, n, 3)"
        )
    if content[keys.energies].shape == (len(coords), 1):  # sGDML's
        content[keys.energies] = content[keys.energies][:, 0]
    per_atom, per_frame = (len(coords), len(charges), 3), (len(coords),)
    frames = np.arange(len(coords)) if keys.frames is None else content[keys.frames]
    arrays = [
        as_type(values, dtype, shape, f"{path}: {name}")
        for name, values, dtype, shape in (
            (keys.charges, charges, np.uint8, (len(charges),)),
            (keys.coords, coords, np.float64, per_atom),
            (keys.energies, content[keys.energies], np.float64, per_frame),
            (keys.forces, content[keys.forces], np.float64, per_atom),
            (keys.frames or "frames", frames, np.int64, per_frame),
        )
    ]
    charges, coords, energies = arrays[:3]
    wrong = charges[(charges < 1) | (charges > LARGEST_ATOMIC_NUMBER)]
    if len(wrong):
        raise InputError(f"{path} has an unknown element, nuclear charge {wrong[0]}")
    for name, unit in (("e_unit", "kcal/mol"), ("r_unit", "ang")):
        value = content.get(name, np.array(unit))
        found = value.tobytes().decode(errors="replace") if value.dtype.kind == "S" else str(value)
        if not found.lower().startswith(unit):
            raise InputError(f"{path} has {name} {found!r}: energies must be in kcal/mol, positions in Å")
    _refuse_other_units(path, charges, coords, energies)
    return arrays


def _refuse_other_units(path: Path, charges: np.ndarray, coords: np.ndarray, energies: np.ndarray) -> None:
    """Recognise positions in bohr, and total energies in eV or hartree.

    A neutral atom's energy is about ``-Z**2.4 / 2`` hartree, which is good to 5 % for organic molecules.
    """
    if not len(coords):
        raise InputError(f"{path} holds no frame")
    bonding = np.flatnonzero(~np.isin(charges, NOBLE))
    first, second = bonding[np.stack(np.triu_indices(len(bonding), 1))]
    distance = np.linalg.norm(coords[0][first] - coords[0][second], axis=1)
    relative = distance / (covalent_radii[charges[first]] + covalent_radii[charges[second]])
    if LONGEST_BOND < relative.min(initial=np.inf) < np.inf:
        raise InputError(
            f"{path}: the shortest distance in frame 0 is {distance[relative.argmin()]:.2f}: "
            "positions must be in Å"
        )
    total = -0.5 * (charges.astype(float) ** 2.4).sum() * units.Hartree / KCAL_PER_MOL
    for unit, size in (("eV", 1 / KCAL_PER_MOL), ("hartree", units.Hartree / KCAL_PER_MOL)):
        if 0.8 < energies[0] * size / total < 1.2:
            raise InputError(f"{path}: energies look like {unit}, {energies[0]:.2f} in frame 0, not kcal/mol")
