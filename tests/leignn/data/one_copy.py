"""A potential of many copies as ASE sees it: of one, so that ASE's integrators and differences test it."""

from collections.abc import Callable

import numpy as np
from ase import Atoms, units
from ase.calculators.calculator import Calculator, all_changes
from ase.calculators.fd import calculate_numerical_forces
from ase.md.velocitydistribution import MaxwellBoltzmannDistribution
from ase.md.verlet import VelocityVerlet


class OneCopy(Calculator):
    implemented_properties = ["energy", "forces"]

    def __init__(self, potential: Callable) -> None:
        super().__init__()
        self.potential = potential

    def calculate(self, atoms=None, properties=("energy",), system_changes=all_changes) -> None:
        super().calculate(atoms, properties, system_changes)
        energies, forces = self.potential(self.atoms.positions[None])
        self.results = {"energy": float(energies[0]), "forces": forces[0]}


def checked_forces(atoms: Atoms, potential: Callable) -> np.ndarray:
    """(N, 3) eV/Å, which are the gradient of the energy by finite differences, and sum to nothing."""
    atoms.calc = OneCopy(potential(atoms))
    forces = atoms.get_forces()
    np.testing.assert_allclose(forces, calculate_numerical_forces(atoms, eps=1e-4), atol=1e-6)
    np.testing.assert_allclose(forces.sum(0), 0, atol=1e-12)
    return forces


def energy_error(start: Atoms, potential: Callable, temperature: float, timestep: float) -> float:
    """Standard deviation of the total energy (eV) over 400 fs at constant energy, from the same start."""
    atoms = start.copy()
    MaxwellBoltzmannDistribution(atoms, temperature_K=temperature, rng=np.random.default_rng(3))
    atoms.calc = OneCopy(potential(atoms))
    dynamics = VelocityVerlet(atoms, timestep * units.fs)
    energies = []
    for _ in range(100):
        dynamics.run(round(4 / timestep))
        energies.append(atoms.get_total_energy())
    return float(np.std(energies))
