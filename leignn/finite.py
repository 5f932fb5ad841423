"""A prediction that is no number: which structure, which atom."""

from collections.abc import Callable

import numpy as np


def non_finite(
    energy: np.ndarray, forces: np.ndarray, natoms: np.ndarray, name: Callable[[int], str]
) -> str | None:
    """The first prediction that is not finite, as a clause; None if all are.

    Args:
        energy: (B,) eV.
        forces: (N, 3) eV/Å.
        natoms: (B,) atoms of each structure.
        name: what the b-th structure is called.
    """
    bad = np.flatnonzero(~np.isfinite(forces).all(1))
    if len(bad):
        ends = np.cumsum(natoms)
        structure = int(np.searchsorted(ends, bad[0], side="right"))
        atom = bad[0] - (ends[structure] - natoms[structure])
        return f"the predicted force on atom {atom} of {name(structure)} is {forces[bad[0]].tolist()} eV/Å"
    bad = np.flatnonzero(~np.isfinite(energy))
    if len(bad):
        return f"the predicted energy of {name(int(bad[0]))} is {energy[bad[0]]} eV"
    return None
