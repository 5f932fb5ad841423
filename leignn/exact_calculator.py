"""ASE's base of calculators, quicker to see whether a structure is the last one."""

import numpy as np
from ase import Atoms
from ase.calculators.calculator import Calculator, all_changes

LOOKED_AT = ("positions", "numbers", "cell", "pbc")  # what our energies depend on


class ExactCalculator(Calculator):
    """Results are kept for the structure of the last call, and for no other by a bit.

    ASE allows for a tolerance of 1e-15 and takes ten times as long, several times a step.
    """

    def check_state(self, atoms: Atoms, tol: float = 0.0) -> list[str]:
        """Names of what in ``atoms`` is not as in the last structure."""
        if self.atoms is None:
            return list(all_changes)
        return [n for n in LOOKED_AT if not np.array_equal(getattr(atoms, n), getattr(self.atoms, n))]
