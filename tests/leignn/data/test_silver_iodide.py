"""The solid's potential: forces are its gradient, energy is conserved, and it is what its formula says."""

from math import erfc

import numpy as np
import pytest
from ase import Atoms

from leignn.data.md_standin import SYSTEMS
from leignn.data.silver_iodide import CUTOFF, DAMPING, SilverIodide
from tests.leignn.data.one_copy import OneCopy, checked_forces, energy_error


@pytest.fixture
def solid() -> Atoms:
    return SYSTEMS["solid"].build(np.random.default_rng(1))


def test_forces_are_the_gradient_of_the_energy(solid) -> None:
    solid.positions += np.random.default_rng(1).normal(0, 0.1, solid.positions.shape)
    forces = checked_forces(solid, SilverIodide)
    larger = solid.repeat((2, 1, 1))  # the same crystal: images are counted once, and all of them
    larger.calc = OneCopy(SilverIodide(larger))
    assert larger.get_potential_energy() == pytest.approx(2 * solid.get_potential_energy(), rel=1e-12)
    np.testing.assert_allclose(larger.get_forces(), np.tile(forces, (2, 1)), atol=1e-12)


def unshifted(symbols: str, r: float) -> float:
    """V(r) in eV, as Parrinello, Rahman and Vashishta have it, but for the damping."""
    core, charges, rest = {
        "Ag2": (0.014804 / r**11, 0.36, 0.0),
        "AgI": (114.48 / r**9, -0.36, 1.1736 / r**4),
        "I2": (446.64 / r**7, 0.36, 2.3472 / r**4 + 6.9331 / r**6),
    }[symbols]
    return 14.39964535 * (core + charges * erfc(DAMPING * r) / r - rest)


@pytest.mark.parametrize("symbols", ["Ag2", "AgI", "I2"])
def test_two_ions_are_shifted_in_energy_and_force(symbols) -> None:
    def energy(r: float) -> float:
        atoms = Atoms(symbols, positions=[[0, 0, 0], [r, 0, 0]], cell=[20] * 3, pbc=True)
        return SilverIodide(atoms)(atoms.positions[None])[0][0]

    steep = (unshifted(symbols, CUTOFF + 1e-5) - unshifted(symbols, CUTOFF - 1e-5)) / 2e-5
    for r in (2.5, 4.0, 7.0):
        expected = unshifted(symbols, r) - unshifted(symbols, CUTOFF) - steep * (r - CUTOFF)
        assert energy(r) == pytest.approx(expected, rel=1e-8)
    assert energy(CUTOFF - 1e-4) == pytest.approx(0, abs=1e-8) and energy(CUTOFF + 1e-4) == 0


def test_energy_is_conserved_to_the_order_of_the_integrator(solid) -> None:
    """As the gas's; no mode is faster than 0.04/fs (200 1/cm), and 96 of them vary together."""
    fine, coarse = (energy_error(solid, SilverIodide, 700, timestep) for timestep in (2.0, 4.0))
    assert coarse < (0.04 * 4) ** 2 / 4 * 0.0603 * np.sqrt(96 / 2)
    assert 3 < coarse / fine < 5
