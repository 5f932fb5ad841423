"""When a simulation has to stop: MDSim's bounds."""

import numpy as np
from ase import Atoms

TEMPERATURE_BOUNDS = (0.1, 1e5)  # K


def reason_to_stop(atoms: Atoms) -> str:
    """Why a simulation that has come to ``atoms`` has to stop; empty if it need not.

    Args:
        atoms: with momenta, energy and forces.
    """
    energy, temperature = atoms.get_potential_energy(), atoms.get_temperature()
    if not (np.isfinite(energy) and np.isfinite(atoms.get_forces()).all()):
        return f"energy {energy} eV or a force is not finite"
    if not TEMPERATURE_BOUNDS[0] <= temperature <= TEMPERATURE_BOUNDS[1]:
        return f"temperature {temperature:.3g} K is outside {TEMPERATURE_BOUNDS}"
    return ""
