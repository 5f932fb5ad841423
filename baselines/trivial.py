"""The predictor every model must beat: the training split's mean energy, and zero forces."""

from typing import Any

import torch
from torch import Tensor

from leignn.batch import Batch
from leignn.data.frames import Frames
from leignn.graph import GraphSpec
from leignn.potential import Potential


class MeanEnergyZeroForces(Potential):
    """Nothing to train: one number, the mean energy of a training structure in eV."""

    mean_energy: Tensor

    def __init__(self, graph: GraphSpec) -> None:
        super().__init__()
        self.register_buffer("mean_energy", torch.full((), torch.nan, dtype=torch.float64))

    def compute_statistics(self, frames: Frames, energy_shift: float) -> dict[str, Any]:
        """``mean_energy`` in eV of the training structures that have one."""
        return {"mean_energy": frames.mean_energy() - energy_shift}

    def load_statistics(self, statistics: dict[str, Any]) -> None:
        """Take what :meth:`compute_statistics` returned."""
        self.mean_energy.fill_(statistics["mean_energy"])

    def forward(self, batch: Batch) -> dict[str, Tensor]:
        """See :class:`leignn.potential.Potential`."""
        return {
            "energy": self.mean_energy.expand(len(batch.natoms)),
            "forces": torch.zeros_like(batch.pos),
        }
