"""Effective medium theory of many copies at once is ASE's."""

import numpy as np
import pytest
from ase import Atoms
from ase.build import bulk, surface
from ase.calculators import emt

from leignn.data.emt import EMT, EMTCalculator
from leignn.data.images import ImagesInAnyCell
from leignn.data.md_standin import SYSTEMS
from leignn.errors import InputError


@pytest.mark.parametrize("symbols", ["CuAu", "AlPtNi"])
def test_energies_and_forces_are_those_of_ase(symbols) -> None:
    rng = np.random.default_rng(0)
    atoms = SYSTEMS["melt"].build(rng)
    atoms.symbols = rng.choice(list(Atoms(symbols).symbols), len(atoms))
    atoms.set_cell(atoms.cell * [[1.0], [1.1], [0.95]], scale_atoms=True)
    positions = atoms.positions + rng.normal(0, 0.2, (3, *atoms.positions.shape))
    positions[1] += 10 * rng.integers(-1, 2, atoms.positions.shape) * atoms.cell.lengths()  # not wrapped
    energies, forces = EMT(atoms)(positions)
    for copy in range(3):
        atoms.positions = positions[copy]
        atoms.calc = emt.EMT()
        assert energies[copy] == pytest.approx(atoms.get_potential_energy(), abs=1e-10)
        np.testing.assert_allclose(forces[copy], atoms.get_forces(), atol=1e-10)


@pytest.mark.parametrize("repeats", [(1, 1, 1), (2, 1, 1), (1, 2, 3)])
@pytest.mark.parametrize("facet", [(1, 1, 1), (2, 1, 1)])
def test_in_any_cell(facet, repeats) -> None:
    """Slabs and crystals, sheared, shorter than the cutoff or longer: atoms meet their own images."""
    rng = np.random.default_rng(0)
    atoms = surface(bulk("Cu", cubic=True), facet, 2, vacuum=rng.choice([0.5, 8])).repeat(repeats)
    atoms.symbols = rng.choice(list("CO") + ["Cu", "Pt"], len(atoms))
    atoms.pbc = True
    positions = atoms.positions + rng.normal(0, 0.1, (3, *atoms.positions.shape))
    positions[1] += rng.integers(-2, 3, atoms.positions.shape) @ atoms.cell.array  # not wrapped
    energies, forces = EMT(atoms, ImagesInAnyCell)(positions)
    for copy in range(3):
        atoms.positions = positions[copy]
        atoms.calc = emt.EMT()
        assert energies[copy] == pytest.approx(atoms.get_potential_energy(), abs=1e-10)
        np.testing.assert_allclose(forces[copy], atoms.get_forces(), atol=1e-10)
    atoms.calc = EMTCalculator(atoms)
    for copy in (2, 1):  # what it has computed is of other positions
        atoms.positions = positions[copy]
        assert atoms.get_potential_energy() == pytest.approx(energies[copy], abs=1e-12)
        np.testing.assert_allclose(atoms.get_forces(), forces[copy], atol=1e-12)


def test_a_cell_shorter_than_the_cutoff_is_refused() -> None:
    with pytest.raises(InputError, match=r"a cell of 3\.6 Å is shorter than the cutoff of 5\.88 Å"):
        EMT(bulk("Cu", cubic=True, a=3.6))
