"""The ASE calculator: what it keeps between calls changes nothing, and what wrapping is about."""

import numpy as np
import pytest
import torch
from ase import Atoms
from ase.build import bulk, molecule
from conftest import make_batch, structures

from leignn import LEIGNNCalculator


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
