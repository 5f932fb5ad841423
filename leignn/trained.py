"""A trained potential: the file that ``train`` writes, and what everything else loads."""

import io
import pickle
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn
from torch_geometric.data import Batch

from leignn.backend import accelerate
from leignn.config.run import RunConfig
from leignn.errors import InputError, RunFailedError
from leignn.files import replacing
from leignn.graph import GraphSpec
from leignn.potential import Potential
from leignn.registry import build_potential

FORMAT = 1


class TrainedPotential(nn.Module):
    """A potential with the energy shift it was trained with.

    Args:
        potential: the model.
        config: the run's resolved configuration.
        energy_shift: eV, added to every predicted energy (the training mean, or zero).
    """

    def __init__(self, potential: Potential, config: RunConfig, energy_shift: float) -> None:
        super().__init__()
        self.potential, self.config, self.energy_shift = potential, config, energy_shift

    @property
    def graph(self) -> GraphSpec | None:
        return self.potential.graph

    def forward(self, batch: Batch) -> dict[str, Tensor]:
        """``energy`` (B,) float64 in eV and ``forces`` (N, 3) in eV/Å."""
        output = self.potential(batch)
        return {**output, "energy": output["energy"].double() + self.energy_shift}

    def save(self, path: Path) -> None:
        """Write the checkpoint atomically."""
        content = {
            "format": FORMAT,
            "config": self.config.plain(),
            "energy_shift": self.energy_shift,
            "state_dict": self.potential.state_dict(),
        }
        _write(path, content)


def save_failure(path: Path, config: RunConfig, message: str) -> None:
    """In place of a checkpoint: why there is none."""
    _write(path, {"format": FORMAT, "config": config.plain(), "failure": message})


def _write(path: Path, content: dict[str, Any]) -> None:
    # By a buffer: given a path, torch.save puts its temporary name into the file, and a full disk is not
    # told as such.
    buffer = io.BytesIO()
    torch.save(content, buffer)
    with replacing(path) as temporary:
        temporary.write_bytes(buffer.getbuffer())


def potential_of(config: RunConfig) -> Potential:
    """The untrained potential of a run's configuration, accelerated: all commands build theirs here."""
    potential = build_potential(
        config.potential, GraphSpec(**config.graph.model_dump()), config.hyperparameters, config.environment
    )
    return accelerate(potential)


def load_trained(path: Path, device: str | torch.device = "cpu") -> TrainedPotential:
    """Load a checkpoint for evaluation.

    Raises:
        InputError: the file is missing, damaged or not a checkpoint of this project.
        RunFailedError: the run had failed, or a package is missing.
    """
    try:
        content = torch.load(path, map_location="cpu", weights_only=True)
        if content["format"] != FORMAT:
            raise InputError(f"{path} has checkpoint format {content['format']}, not {FORMAT}")
        if "failure" in content:
            raise RunFailedError(content["failure"])
        config = RunConfig.checked(content["config"], path)
        potential = potential_of(config)
        potential.load_state_dict(content["state_dict"])
        trained = TrainedPotential(potential, config, content["energy_shift"])
    except (OSError, RuntimeError, KeyError, TypeError, EOFError, pickle.UnpicklingError) as error:
        reason = " ".join(str(error).split())[:200]
        raise InputError(f"{path} is no checkpoint of a trained potential: {reason}") from error
    return trained.to(device).eval().requires_grad_(False)
