"""What a training is judged by: the rate's schedule, the choice of weights and early stopping share it."""

import numpy as np

from leignn.data.frames import Frames
from leignn.errors import InputError


def monitored(train: Frames, val: Frames) -> str:
    """``val_forces_mae``, or ``val_energy_mae`` where there are no forces to learn or to judge by.

    Raises:
        InputError: there are no energies either.
    """
    for name, has_label in (("forces", _has_forces), ("energy", _has_energies)):
        if has_label(val) and has_label(train):
            return f"val_{name}_mae"
    raise InputError(
        "the splits train and val have in common neither energies nor forces of free atoms: "
        "there is nothing to train and to choose by"
    )


def _has_forces(frames: Frames) -> bool:
    return any(bool(frames.structure(index).labelled().any()) for index in range(len(frames)))


def _has_energies(frames: Frames) -> bool:
    return bool(np.isfinite(frames.gather("energy")).any())
