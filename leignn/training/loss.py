"""The training loss and the errors it is made of; missing labels are masked and counted."""

from dataclasses import dataclass

import torch
from torch import Tensor

from leignn.batch import Batch


@dataclass(frozen=True)
class Errors:
    """Mean absolute errors of a batch, and the number of labels behind each."""

    energy: Tensor  # eV, mean over structures with an energy; 0 if there is none
    energy_count: int  # structures
    forces: Tensor  # eV/Å, mean over components of free atoms with forces; 0 if there is none
    forces_count: int  # components


def free_atoms_with_forces(batch: Batch) -> Tensor:
    """(N,) mask of the atoms whose forces count: not fixed, and labelled."""
    return ~batch.fixed & torch.isfinite(batch.forces).all(1)


def absolute_errors(output: dict[str, Tensor], batch: Batch, energy_shift: float) -> Errors:
    """Mean absolute errors of energy (against energy − ``energy_shift``, eV) and of forces."""
    labelled = torch.isfinite(batch.energy)
    target = (batch.energy[labelled] - energy_shift).to(output["energy"].dtype)
    energy = (output["energy"][labelled] - target).abs()
    mask = free_atoms_with_forces(batch)
    forces = (output["forces"][mask] - batch.forces[mask]).abs()
    return Errors(
        energy=energy.sum() / max(energy.numel(), 1),
        energy_count=energy.numel(),
        forces=forces.sum() / max(forces.numel(), 1),
        forces_count=forces.numel(),
    )
