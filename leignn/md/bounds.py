"""When a simulation has to stop: MDSim's bounds."""

import numpy as np
from ase import Atoms

TEMPERATURE_BOUNDS = (0.1, 1e5)  # K


def reason_to_stop(atoms: Atoms) -> str:
    """Why a simulation that has come to ``atoms`` has to stop; empty if it need not.

    Args:
        atoms: with momenta, energy and forces.

    Returns:
        one clause that names the atom where there is one.
    """
    energy, temperature = atoms.get_potential_energy(), atoms.get_temperature()
    forces = atoms.get_forces(apply_constraint=False)  # those of fixed atoms are none of the model's zeros
    if not (finite := np.isfinite(forces).all(1)).all():
        atom = int(np.argmin(finite))
        force = f"force {forces[atom].tolist()} eV/Å at atom {atom} ({atoms.symbols[atom]})"
        return f"{force} of {atoms.symbols} is not finite"
    if not np.isfinite(energy):
        return f"energy {energy} eV of {atoms.symbols} is not finite"
    if not TEMPERATURE_BOUNDS[0] <= temperature <= TEMPERATURE_BOUNDS[1]:
        return f"temperature {temperature:.3g} K is outside {TEMPERATURE_BOUNDS}"
    return ""
