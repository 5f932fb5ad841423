"""One labelled atomic structure, as it travels from raw files to batches."""

from dataclasses import dataclass

import numpy as np
from ase import Atoms
from ase.constraints import FixAtoms


@dataclass
class Structure:
    """A structure of n atoms with its labels.

    Attributes:
        pos: (n, 3) float64, Å.
        atomic_numbers: (n,) uint8.
        cell: (3, 3) float64, lattice vectors in rows, Å; zero rows where there are none.
        pbc: (3,) bool.
        tags: (n,) int8; 0 subsurface, 1 surface, 2 adsorbate as in Open Catalyst.
        fixed: (n,) bool; atoms that do not move and whose forces do not count.
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

    @classmethod
    def from_atoms(cls, atoms: Atoms, system_id: str = "", frame: int = 0) -> "Structure":
        """Take an ASE structure; labels are those its calculator holds, NaN where it has none.

        Nothing is computed: only results of a ``SinglePointCalculator`` count.
        """
        fixed = np.zeros(len(atoms), dtype=bool)
        for constraint in atoms.constraints:
            if isinstance(constraint, FixAtoms):
                fixed[constraint.index] = True
        results = atoms.calc.results if atoms.calc is not None else {}
        missing = np.full((len(atoms), 3), np.nan)
        return cls(
            pos=atoms.get_positions(),
            atomic_numbers=atoms.numbers.astype(np.uint8),
            cell=atoms.cell.array.astype(np.float64),
            pbc=np.array(atoms.pbc, dtype=bool),
            tags=atoms.get_tags().astype(np.int8),
            fixed=fixed,
            energy=float(results.get("energy", np.nan)),
            forces=np.asarray(results.get("forces", missing), dtype=np.float32),
            system_id=system_id,
            frame=frame,
        )
