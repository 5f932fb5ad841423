"""A trained potential as a model of TorchSim's."""

import numpy as np
import pytest
import torch
import torch_sim
from ase.build import bulk
from ase.stress import full_3x3_to_voigt_6_stress
from torch_sim.models.interface import validate_model_outputs

from leignn import LEIGNNCalculator
from leignn.config.run import resolve_run
from leignn.md.torchsim_potential import TorchSimPotential
from leignn.trained import TrainedPotential, load_trained, potential_of


def test_torchsims_own_check_of_a_model(random_checkpoint) -> None:
    """A model without stress, which says why."""
    model = TorchSimPotential(load_trained(random_checkpoint), "cpu")
    validate_model_outputs(model, torch.device("cpu"), torch.float64)
    assert not model.compute_stress
    with pytest.raises(NotImplementedError, match="LEIGNN has no stress: its forces are not"):
        model.compute_stress = True


def test_stress_is_that_of_the_ase_calculator(tmp_path) -> None:
    config = resolve_run("oc20_standin", "leignn_c", "smoke", 0)
    torch.manual_seed(0)
    TrainedPotential(potential_of(config), config, 0.0, range(1, 119)).save(tmp_path / "checkpoint.pt")
    model = TorchSimPotential(load_trained(tmp_path / "checkpoint.pt"), "cpu")
    validate_model_outputs(model, torch.device("cpu"), torch.float64)
    assert model.compute_stress
    members = [bulk("Cu", cubic=True), bulk("NaCl", "rocksalt", a=5.6)]
    for number, atoms in enumerate(members):
        atoms.rattle(0.1, seed=number)
        atoms.calc = LEIGNNCalculator(tmp_path / "checkpoint.pt")
    output = model(torch_sim.io.atoms_to_state(members, torch.device("cpu"), torch.float64))
    for stress, atoms in zip(output["stress"].numpy(), members, strict=True):
        expected = atoms.get_stress()
        largest = np.abs(expected).max()
        np.testing.assert_allclose(full_3x3_to_voigt_6_stress(stress), expected, atol=1e-5 * largest)
