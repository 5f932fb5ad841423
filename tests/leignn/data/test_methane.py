"""The gas's potential: forces are its gradient, energy is conserved, and it is what its formula says."""

import numpy as np
import pytest
from ase import Atoms, units
from ase.calculators.fd import calculate_numerical_forces
from ase.md.velocitydistribution import MaxwellBoltzmannDistribution
from ase.md.verlet import VelocityVerlet

from leignn.data.md_standin import SYSTEMS
from leignn.data.methane import CUTOFF, EPSILON, SIGMA, SWITCH, Methane


@pytest.fixture
def gas() -> Atoms:
    rng = np.random.default_rng(1)
    atoms = SYSTEMS["gas"].build(rng)
    atoms.positions += rng.normal(0, 0.05, atoms.positions.shape)
    atoms.positions[:5] += [1.3, 0.9, 0.4]  # its neighbours are where the switch works and where they repel
    atoms.calc = Methane()
    return atoms


def test_forces_are_the_gradient_of_the_energy(gas) -> None:
    forces = gas.get_forces()
    np.testing.assert_allclose(forces, calculate_numerical_forces(gas, eps=1e-4), atol=1e-6)
    np.testing.assert_allclose(forces.sum(0), 0, atol=1e-12)
    energy = gas.get_potential_energy()
    gas.positions[::5] += gas.cell.array[0]  # carbons in the next cell
    assert gas.get_potential_energy() == pytest.approx(energy, abs=1e-10)


def test_two_molecules_attract_by_lennard_jones_and_not_beyond_the_cutoff() -> None:
    def pair(distance: float) -> float:
        rng = np.random.default_rng(2)
        one = SYSTEMS["gas"].build(rng)[:5]
        other = one.copy()
        other.translate([distance, 0, 0])
        both = one + other
        both.calc = Methane()
        return both.get_potential_energy() - 2 * alone

    rng = np.random.default_rng(2)
    single = SYSTEMS["gas"].build(rng)[:5]
    single.calc = Methane()
    alone = single.get_potential_energy()
    assert pair(2 ** (1 / 6) * SIGMA) == pytest.approx(-EPSILON, abs=1e-9)
    assert pair(SIGMA) == pytest.approx(0, abs=1e-9)
    assert pair(CUTOFF + 0.01) == pytest.approx(0, abs=1e-12)
    inside = 4 * EPSILON * ((SIGMA / 5.0) ** 12 - (SIGMA / 5.0) ** 6)
    assert inside < pair(5.0) < 0 and SWITCH < 5.0 < CUTOFF


def test_energy_is_conserved_to_the_order_of_the_integrator(gas) -> None:
    """Velocity Verlet's error falls with the square of the time step, unless a force has a jump."""
    MaxwellBoltzmannDistribution(gas, temperature_K=300, rng=np.random.default_rng(3))

    def error(timestep: float) -> float:
        atoms = gas.copy()
        atoms.calc = Methane()
        dynamics = VelocityVerlet(atoms, timestep * units.fs)
        energies = []
        for _ in range(100):
            dynamics.run(round(2 / timestep))
            energies.append(atoms.get_total_energy())
        return float(np.std(energies)) / len(atoms)

    fine, coarse = error(0.25), error(0.5)
    assert coarse < 5e-4  # eV; their kinetic energy is 0.04 an atom
    assert 3 < coarse / fine < 5
