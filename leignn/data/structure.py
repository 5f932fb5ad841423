"""One labelled atomic structure, as it travels from raw files to batches."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from ase import Atoms
from numpy.typing import DTypeLike

from leignn.errors import InputError


@dataclass
class Structure:
    """A structure of n atoms with its labels.

    Attributes:
        pos: (n, 3) float64, Å.
        atomic_numbers: (n,) uint8.
        cell: (3, 3) float64, lattice vectors in rows, Å; zero rows where there are none.
        pbc: (3,) bool.
        tags: (n,) int8; 0 subsurface, 1 surface, 2 adsorbate as in Open Catalyst.
        fixed: (n,) bool; atoms that move in no direction and whose forces do not count.
        energy: eV; NaN if missing.
        forces: (n, 3) float32, eV/Å; NaN if missing.
        system_id, frame: where the structure comes from.
    """

    pos: np.ndarray
    atomic_numbers: np.ndarray
    cell: np.ndarray
    pbc: np.ndarray
    tags: np.ndarray
    fixed: np.ndarray
    energy: float
    forces: np.ndarray
    system_id: str = ""
    frame: int = 0

    def labelled(self) -> np.ndarray:
        """(n,) bool: atoms whose forces count, which are free and have them."""
        return ~self.fixed & np.isfinite(self.forces).all(1)

    @classmethod
    def from_atoms(
        cls,
        atoms: Atoms,
        system_id: str = "",
        frame: int = 0,
        labels: Mapping[str, Any] | None = None,
        where: str = "the structure",
    ) -> "Structure":
        """Take an ASE structure.

        Args:
            labels: ``energy`` in eV and ``forces`` (n, 3) in eV/Å, NaN where there is none; by default what
                a ``SinglePointCalculator`` holds. Nothing is computed.
            where: what to call it in messages.

        Raises:
            InputError: an array is of another shape, holds no numbers, or numbers that the type of
                its field cannot hold.
        """
        from ase.constraints import FixAtoms, FixCartesian  # these import SciPy's solvers: 0.3 s

        n = len(atoms)
        fixed = np.zeros((n, 3), dtype=bool)
        for constraint in atoms.constraints:
            if isinstance(constraint, FixAtoms):
                fixed[constraint.index] = True
            elif isinstance(constraint, FixCartesian):
                fixed[constraint.index] |= np.asarray(constraint.mask, dtype=bool)
        if labels is None:
            labels = atoms.calc.results if atoms.calc is not None else {}
        return cls(
            pos=as_type(atoms.get_positions(), np.float64, (n, 3), f"{where}: positions"),
            atomic_numbers=as_type(atoms.numbers, np.uint8, (n,), f"{where}: atomic numbers"),
            cell=as_type(atoms.cell.array, np.float64, (3, 3), f"{where}: cell"),
            pbc=as_type(atoms.pbc, np.bool_, (3,), f"{where}: pbc"),
            tags=as_type(atoms.get_tags(), np.int8, (n,), f"{where}: tags"),
            fixed=np.all(fixed, axis=1),
            energy=float(as_type(labels.get("energy", np.nan), np.float64, (), f"{where}: energy")),
            forces=as_type(
                labels.get("forces", np.full((n, 3), np.nan)), np.float32, (n, 3), f"{where}: forces"
            ),
            system_id=system_id,
            frame=frame,
        )


def as_type(values: Any, dtype: DTypeLike, shape: tuple[int, ...], what: str) -> np.ndarray:
    """A copy of ``values`` as an array of ``dtype`` and ``shape`` that holds the same numbers.

    Rounding of floating point numbers is no change; truth values are no numbers.

    Raises:
        InputError: another shape, no numbers, or one that ``dtype`` cannot hold; names ``what``.
    """
    dtype = np.dtype(dtype)
    try:
        array = np.asarray(values)
    except ValueError as error:  # rows of different length
        raise InputError(f"{what} has rows of different length, not shape {shape}") from error
    if array.shape != shape:
        shown = f": {values!r}" if array.size <= 3 and len(repr(values)) <= 60 else ""
        raise InputError(f"{what} has shape {array.shape}, not {shape}{shown}")
    if array.dtype.kind not in ("b" if dtype.kind == "b" else "iuf"):
        first = array.flat[0] if array.size else array.dtype
        raise InputError(
            f"{what}: {str(first)[:40]!r} is no {'truth value' if dtype.kind == 'b' else 'number'}"
        )
    with np.errstate(over="ignore", invalid="ignore"):
        found = array.astype(dtype)
        if dtype.kind in "iu":
            lost = found != array
        else:
            lost = np.isinf(found) & np.isfinite(array)
    if lost.any():
        value = array[lost].flat[0] if array.ndim else array[()]
        raise InputError(f"{what}: {value} is no {dtype.name}")
    return found
