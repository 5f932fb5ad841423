"""What every frame must be before it enters a store."""

import numpy as np

from leignn.config.dataset import Labels
from leignn.data.structure import Structure
from leignn.errors import InputError

LARGEST_ATOMIC_NUMBER = 117  # the models embed 118 rows, indexed from 0


def check(structure: Structure, labels: Labels, file: str) -> None:
    """Refuse what no model can be trained on.

    Args:
        structure: the frame to look at.
        labels: the data set's declaration of which labels every frame has.
        file: where the frame comes from, for messages.

    Raises:
        InputError: no atom; positions, cell, energy or forces that are not finite; a label missing
            where the data set declares it for all; an unknown element; a singular cell.
    """
    name = f"{file}: frame {structure.frame} of system {structure.system_id}"
    numbers = structure.atomic_numbers
    if not len(numbers):
        raise InputError(f"{name} has no atom")
    unknown = numbers[(numbers == 0) | (numbers > LARGEST_ATOMIC_NUMBER)]
    if len(unknown):
        raise InputError(f"{name} has an unknown element, atomic number {unknown[0]}")
    if not np.isfinite(structure.pos).all():
        atom = int(np.argmin(np.isfinite(structure.pos).all(1)))
        raise InputError(f"{name} has position {structure.pos[atom]} at atom {atom}")
    _check_cell(structure, name)
    if np.isinf(structure.energy):
        raise InputError(f"{name} has energy {structure.energy}")
    if labels.energy == "all" and np.isnan(structure.energy):
        raise InputError(f"{name} has no energy (or NaN), which the data set declares for all frames")
    finite = np.isfinite(structure.forces)
    if not finite.all() and not np.isnan(structure.forces).all():
        atom = int(np.argmin(finite.all(1)))
        raise InputError(f"{name} has force {structure.forces[atom]} at atom {atom}")
    if labels.forces == "all" and not finite.all():
        raise InputError(f"{name} has no forces (or NaN), which the data set declares for all frames")


def _check_cell(structure: Structure, name: str) -> None:
    """Finite, and independent vectors along the periodic directions."""
    if np.isfinite(structure.cell).all():
        periodic = structure.cell[structure.pbc]
        if np.linalg.matrix_rank(periodic, tol=1e-6) == len(periodic):
            return
    raise InputError(f"{name} has a singular cell {structure.cell.tolist()}")
