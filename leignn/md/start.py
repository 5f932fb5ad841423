"""What a structure has to be for a simulation to start from it; the integrators take it as given."""

import numpy as np
import torch
from ase import Atoms
from ase.constraints import FixAtoms, FixCartesian

from leignn.errors import InputError
from leignn.trained import TrainedPotential


def check_start(atoms: Atoms, name: str) -> None:
    """Refuse what would be simulated wrongly, or not at all.

    Momenta of ``atoms`` are no matter: every simulation draws its own, and leaves the centre of mass the
    motion that they give it (as MDSim does; all 3 N degrees of freedom count). Masses are its own,
    isotopes' too.

    Args:
        atoms: the structure.
        name: of it, for messages.

    Raises:
        InputError: no atoms; a position or mass that is no number; a cell without extent in a periodic
            direction; constraints other than fixed atoms and fixed Cartesian coordinates; nothing that moves.
    """
    if not len(atoms):
        raise InputError(f"{name} has no atom")
    for what, values in (("position", atoms.positions), ("mass", atoms.get_masses()[:, None])):
        wrong = ~np.isfinite(values).all(1) | ((values <= 0).any(1) if what == "mass" else False)
        if wrong.any():
            atom = int(np.argmax(wrong))
            raise InputError(f"{name} has {what} {values[atom].tolist()} at atom {atom}")
    periodic = atoms.cell.array[atoms.pbc]
    if not np.isfinite(atoms.cell.array).all() or np.linalg.matrix_rank(periodic, tol=1e-6) < len(periodic):
        raise InputError(f"{name} has a singular cell {atoms.cell.array.tolist()}, periodic in {atoms.pbc}")
    _check_constraints(atoms, name)


def check_known(atoms: Atoms, trained: TrainedPotential, name: str) -> None:
    """Refuse elements that the potential was not trained on, in the structure called ``name``.

    Raises:
        InputError: as of :meth:`leignn.trained.TrainedPotential.check_elements`.
    """
    trained.check_elements(torch.from_numpy(atoms.numbers), lambda atom: f"{name}, atom {atom}")


def _check_constraints(atoms: Atoms, name: str) -> None:
    fixed = np.zeros((len(atoms), 3), dtype=int)
    for constraint in atoms.constraints:
        if isinstance(constraint, FixAtoms):
            fixed[constraint.index] += 1
        elif isinstance(constraint, FixCartesian):
            fixed[constraint.index] += np.asarray(constraint.mask, dtype=int)
        else:
            kind = type(constraint).__name__
            raise InputError(f"{name} has the constraint {kind}: only fixed atoms and axes are simulated")
    if (fixed > 1).any():  # ASE would count its degrees of freedom twice
        raise InputError(f"{name} fixes atom {int(np.argmax((fixed > 1).any(1)))} more than once")
    if fixed.all():
        raise InputError(f"{name} has no atom that can move")
