"""The gas's potential: forces are its gradient, energy is conserved, and it is what its formula says."""

import numpy as np
import pytest
from ase import Atoms

from leignn.data.md_standin import SYSTEMS
from leignn.data.methane import CUTOFF, EPSILON, SIGMA, SWITCH, Methane
from tests.leignn.data.one_copy import checked_forces, energy_error


@pytest.fixture
def gas() -> Atoms:
    atoms = SYSTEMS["gas"].build(np.random.default_rng(1))
    atoms.positions[:5] += [1.3, 0.9, 0.4]  # its neighbours are where the switch works and where they repel
    return atoms


def test_forces_are_the_gradient_of_the_energy(gas) -> None:
    gas.positions += np.random.default_rng(1).normal(0, 0.05, gas.positions.shape)
    checked_forces(gas, Methane)
    energy = gas.get_potential_energy()
    gas.positions[::5] += gas.cell.array[0]  # carbons in the next cell
    assert gas.get_potential_energy() == pytest.approx(energy, abs=1e-10)


def test_copies_do_not_know_of_each_other(gas) -> None:
    positions = gas.positions + np.random.default_rng(2).normal(0, 0.05, (3, 40, 3))
    potential = Methane(gas)
    energies, forces = potential(positions)
    for number in range(3):
        energy, force = potential(positions[[number]])
        np.testing.assert_allclose(energies[number], energy[0], rtol=1e-13)
        np.testing.assert_allclose(forces[number], force[0], atol=1e-13)


def test_two_molecules_attract_by_lennard_jones_and_not_beyond_the_cutoff() -> None:
    single = SYSTEMS["gas"].build(np.random.default_rng(2))[:5]

    def energy(atoms: Atoms) -> float:
        return Methane(atoms)(atoms.positions[None])[0][0]

    def pair(distance: float) -> float:
        other = single.copy()
        other.translate([distance, 0, 0])
        return energy(single + other) - 2 * energy(single)

    assert pair(2 ** (1 / 6) * SIGMA) == pytest.approx(-EPSILON, abs=1e-9)
    assert pair(SIGMA) == pytest.approx(0, abs=1e-9)
    assert pair(CUTOFF + 0.01) == pytest.approx(0, abs=1e-12)
    inside = 4 * EPSILON * ((SIGMA / 5.0) ** 12 - (SIGMA / 5.0) ** 6)
    assert inside < pair(5.0) < 0 and SWITCH < 5.0 < CUTOFF


def test_energy_is_conserved_to_the_order_of_the_integrator(gas) -> None:
    """Velocity Verlet's error falls with the square of the time step, unless a force has a jump.

    It conserves an energy in which a spring's potential energy is weighed by 1 − (ω Δt)²/4, so that the
    total of n independent springs varies by (ω Δt)²/4 · kT √(n/2): 14 meV at 0.5 fs, for what takes part in
    C–H stretches (ω below 0.6/fs); softer modes vary less.
    """
    fine, coarse = (energy_error(gas, Methane, 300, timestep) for timestep in (0.25, 0.5))
    assert coarse < (0.6 * 0.5) ** 2 / 4 * 0.02585 * np.sqrt(32 / 2)
    assert 3 < coarse / fine < 5
