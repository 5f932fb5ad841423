"""A trained potential as a model of TorchSim's."""

import torch
from torch_sim.models.interface import validate_model_outputs

from leignn.md.torchsim_potential import TorchSimPotential
from leignn.trained import load_trained


def test_torchsims_own_check_of_a_model(random_checkpoint) -> None:
    model = TorchSimPotential(load_trained(random_checkpoint), "cpu")
    validate_model_outputs(model, torch.device("cpu"), torch.float64)
