"""The Lennard-Jones potential against ASE's calculator and against its formula for two elements."""

import numpy as np
import pytest
import torch
from ase import Atoms
from ase.build import bulk
from ase.calculators.lj import LennardJones as AseLennardJones
from ase.data import covalent_radii
from conftest import make_batch, random_crystal

from baselines.lennard_jones import ONSET, LennardJones
from leignn.graph import GraphSpec

SPEC = GraphSpec(5.0, 500, "ties")


def argon(epsilon: float, sigma: float) -> LennardJones:
    model = LennardJones(SPEC).double().eval()
    with torch.no_grad():
        model.log_epsilon.fill_(np.log(epsilon))
        model.log_sigma.fill_(np.log(sigma))
    return model


@pytest.mark.parametrize(
    "atoms", [bulk("Ar", cubic=True, a=3.9), random_crystal(3, 7)], ids=["argon", "triclinic"]
)
def test_one_kind_of_pair_is_ases_calculator(atoms) -> None:
    atoms = atoms.copy()
    atoms.rattle(0.1, seed=0)
    output = argon(0.2, 1.7)(make_batch([atoms], SPEC))
    atoms.calc = AseLennardJones(epsilon=0.2, sigma=1.7, rc=5.0, ro=5.0 * ONSET, smooth=True)
    assert output["energy"].item() == pytest.approx(atoms.get_potential_energy(), rel=1e-10)
    np.testing.assert_allclose(output["forces"], atoms.get_forces(), rtol=1e-8, atol=1e-8)


def test_two_elements_mix_by_lorentz_and_berthelot() -> None:
    model = LennardJones(SPEC).double().eval()
    with torch.no_grad():
        model.log_epsilon[[29, 79]] = torch.log(torch.tensor([0.4, 0.1], dtype=torch.float64))
        model.log_sigma[[29, 79]] = torch.log(torch.tensor([2.2, 2.6], dtype=torch.float64))
        model.constant[[29, 79]] = torch.tensor([-3.0, 0.5], dtype=torch.float64)
    energy = model(make_batch([Atoms("CuAu", [[0, 0, 0], [0, 0, 2.5]])], SPEC))["energy"].item()
    sixth = (2.4 / 2.5) ** 6
    assert energy == pytest.approx(-3.0 + 0.5 + 4 * 0.2 * (sixth**2 - sixth), rel=1e-10)


def test_untrained_a_bond_has_the_length_of_the_radii() -> None:
    model, distances = LennardJones(SPEC).double().eval(), np.arange(1.2, 3.0, 0.001)
    pairs = [Atoms("CuO", [[0, 0, 0], [0, 0, d]]) for d in distances]
    lowest = distances[model(make_batch(pairs, SPEC))["energy"].argmin()]
    assert lowest == pytest.approx(covalent_radii[29] + covalent_radii[8], abs=2e-3)
