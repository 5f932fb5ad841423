"""The ASE calculator: what it keeps between calls changes nothing, and what wrapping is about."""

import numpy as np
import pytest
import torch
from ase import Atoms, units
from ase.build import bulk, molecule
from ase.calculators.calculator import PropertyNotImplementedError
from ase.calculators.fd import calculate_numerical_stress
from ase.constraints import FixAtoms
from ase.filters import FrechetCellFilter
from ase.md.nptberendsen import NPTBerendsen
from ase.md.velocitydistribution import MaxwellBoltzmannDistribution
from ase.optimize import BFGS
from conftest import make_batch, structures

from leignn import LEIGNNCalculator
from leignn.errors import InputError


def forces(calculator: LEIGNNCalculator, atoms: Atoms) -> np.ndarray:
    atoms = atoms.copy()
    atoms.calc = calculator
    return atoms.get_forces()


def test_used_for_one_structure_after_the_other(random_checkpoint) -> None:
    """Against the model itself on a batch made anew."""
    calculator = LEIGNNCalculator(random_checkpoint)
    for name in ("slab", "slab", "thin cell", "molecule", "slab", "isolated atom", "wire"):
        atoms = structures()[name]
        atoms.rattle(0.1, seed=5)
        batch = make_batch([atoms], None)
        batch.pos, batch.cell = batch.pos.float(), batch.cell.float()
        with torch.no_grad():
            expected = calculator.trained(batch)
        atoms.calc = calculator
        np.testing.assert_allclose(atoms.get_forces(), expected["forces"], atol=1e-5)
        assert atoms.get_potential_energy() == pytest.approx(expected["energy"].item(), abs=1e-5)


def test_any_change_of_the_structure_is_computed_anew(random_checkpoint) -> None:
    """To the last bit of a position; what is the same is not computed again."""
    atoms = bulk("Cu", cubic=True)
    atoms.calc = calculator = LEIGNNCalculator(random_checkpoint)
    computed = []
    for change in (
        lambda: None,
        lambda: None,
        lambda: atoms.positions.__setitem__((1, 2), np.nextafter(atoms.positions[1, 2], np.inf)),
        lambda: atoms.numbers.__setitem__(0, 1),
        lambda: atoms.cell.__setitem__((0, 1), 1e-14),
        lambda: atoms.pbc.__setitem__(2, False),
        lambda: atoms.set_constraint(FixAtoms([0])),
    ):
        change()
        before = calculator.results
        atoms.get_forces()
        computed.append(calculator.results is not before)
    assert computed == [True, False, True, True, True, True, False]


def test_atoms_that_left_the_cell(random_checkpoint) -> None:
    """Moved by lattice vectors an atom is where it was, unless only stored images are looked at."""
    atoms = bulk("Cu", cubic=True).repeat(2)
    atoms.rattle(0.1, seed=1)
    moved = atoms.copy()
    moved.positions[3] += 2 * moved.cell[0] - 2 * moved.cell[1]
    right, ocp = LEIGNNCalculator(random_checkpoint), LEIGNNCalculator(random_checkpoint, wrap=False)
    largest = np.abs(forces(right, atoms)).max()
    np.testing.assert_allclose(forces(right, moved), forces(right, atoms), atol=1e-4 * largest)
    np.testing.assert_allclose(forces(ocp, atoms), forces(right, atoms), atol=1e-4 * largest)
    assert np.abs(forces(ocp, moved) - forces(right, atoms)).max() > 0.01 * largest
    free = molecule("CH3OH")  # without a cell there is nothing to leave
    np.testing.assert_array_equal(forces(ocp, free), forces(right, free))


def test_stress_is_that_of_differences(conserving_checkpoint) -> None:
    """ASE's own, by moving the cell."""
    atoms = bulk("Cu", cubic=True)
    atoms.rattle(0.1, seed=1)
    strain = np.array([[0, 0.05, 0], [0, 0.02, 0], [0.03, 0, 0]])
    atoms.set_cell(atoms.cell.array @ (np.eye(3) + strain), scale_atoms=True)
    atoms.calc = LEIGNNCalculator(conserving_checkpoint)
    stress = atoms.get_stress()
    assert np.abs(stress).min() > 1e-6
    np.testing.assert_allclose(stress, calculate_numerical_stress(atoms, 1e-5), rtol=1e-5, atol=1e-9)
    first = atoms.get_forces()
    atoms.calc = LEIGNNCalculator(conserving_checkpoint)  # with and without it: the same forces
    np.testing.assert_allclose(atoms.get_forces(), first, atol=1e-13)


def test_cells_relax_and_npt_runs(conserving_checkpoint) -> None:
    atoms = bulk("Cu", cubic=True)
    atoms.rattle(0.05, seed=1)
    atoms.calc = LEIGNNCalculator(conserving_checkpoint)
    before = atoms.get_potential_energy()
    relaxation = BFGS(FrechetCellFilter(atoms), logfile=None)
    relaxation.run(fmax=0.01, steps=200)
    assert relaxation.converged() and np.abs(atoms.get_stress()).max() < 0.01
    assert atoms.get_potential_energy() < before
    MaxwellBoltzmannDistribution(atoms, temperature_K=300, rng=np.random.default_rng(0))
    volume = atoms.get_volume()
    dynamics = NPTBerendsen(
        atoms, 1 * units.fs, temperature_K=300, pressure_au=0.1, compressibility_au=0.5, taup=100 * units.fs
    )
    dynamics.run(10)
    assert atoms.get_volume() < volume  # pressed


def test_why_there_is_no_stress(random_checkpoint, conserving_checkpoint) -> None:
    atoms = bulk("Cu", cubic=True)
    atoms.calc = LEIGNNCalculator(random_checkpoint)
    with pytest.raises(PropertyNotImplementedError, match="LEIGNN has no stress: its forces are not"):
        atoms.get_stress()
    assert "stress" not in atoms.calc.implemented_properties
    free = molecule("H2O")
    free.calc = LEIGNNCalculator(conserving_checkpoint)
    with pytest.raises(InputError, match="no volume"):
        free.get_stress()
