"""The contract every model obeys: a batch in, energies in eV and forces in eV/Å out."""

import copy
from abc import abstractmethod
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor, nn

from leignn.batch import Batch
from leignn.errors import InputError
from leignn.graph import GraphSpec, nearest_edges

if TYPE_CHECKING:
    from leignn.data.frames import Frames


class Potential(nn.Module):
    """An interatomic potential.

    ``graph`` says which edges the model wants (None: it makes its own). The loader puts them into
    the batch; where they are absent, :meth:`edges` builds them on the model's device.

    ``equivariant`` is false where energies and forces follow a rotation only as far as training went.
    """

    graph: GraphSpec | None = None
    equivariant = True

    @abstractmethod
    def forward(self, batch: Batch) -> dict[str, Tensor]:
        """Predict a batch.

        Args:
            batch: with ``pos`` (N, 3) Å, ``atomic_numbers`` (N,), ``batch`` (N,), ``cell``
                (B, 3, 3) Å, ``pbc`` (B, 3), ``natoms`` (B,), and, where the loader has built the
                graph, ``edge_index`` (2, E) [source, target], ``cell_offsets`` (E, 3), ``neighbors`` (B,).

        Returns:
            ``energy`` (B,) in eV and ``forces`` (N, 3) in eV/Å.
        """

    def compute_statistics(self, frames: "Frames", energy_shift: float) -> dict[str, Any]:
        """What the model takes from the training split before training (default: nothing).

        Args:
            frames: the training split.
            energy_shift: eV, already taken off the energies the model is trained on.

        Returns:
            numbers that :meth:`load_statistics` takes, fit for JSON.
        """
        return {}

    def load_statistics(self, statistics: dict[str, Any]) -> None:
        """Put ``statistics`` into the model's buffers, so that its ``state_dict`` keeps them."""

    def edges(self, batch: Batch) -> tuple[Tensor, Tensor]:
        """Return ``edge_index`` (2, E) and the vectors r_ji = pos[j] + S·cell − pos[i] (E, 3) in Å."""
        if "edge_index" not in batch:
            if self.graph is None:
                raise TypeError(f"{type(self).__name__} has no graph to find edges by")
            with torch.no_grad():
                batch.edge_index, batch.cell_offsets, batch.neighbors = nearest_edges(
                    batch.pos.detach(), batch.cell, batch.pbc, batch.natoms, self.graph
                )
        source, target = batch.edge_index
        cell = batch.cell.index_select(0, batch.batch.index_select(0, target))
        shift = torch.einsum("ek,ekx->ex", batch.cell_offsets.to(cell.dtype), cell)
        vector = batch.pos.index_select(0, source) + shift - batch.pos.index_select(0, target)
        return batch.edge_index, vector


class EnergyPotential(Potential):
    """A potential that predicts energies; its forces are their negative gradient."""

    @abstractmethod
    def energies(self, batch: Batch) -> Tensor:
        """(B,) energies in eV, differentiable with respect to ``batch.pos`` and ``batch.cell``."""

    def forward(self, batch: Batch) -> dict[str, Tensor]:
        """Predict a batch; in training mode the forces can be differentiated again."""
        with torch.enable_grad():
            batch.pos.requires_grad_(True)
            energy = self.energies(batch)
            (gradient,) = torch.autograd.grad(
                energy.sum(), batch.pos, create_graph=self.training, materialize_grads=True
            )
        batch.pos.requires_grad_(False)
        if not self.training:
            energy = energy.detach()
        return {"energy": energy, "forces": -gradient}

    def with_stress(self, batch: Batch) -> dict[str, Tensor]:
        """Predict a batch for evaluation: as :meth:`forward`, and ``stress`` (B, 3, 3) in eV/Å³.

        The stress is the derivative of the energy with respect to a symmetric strain of positions and cell,
        over the cell's volume: positive where the structure is under tension, ASE's sign.

        Raises:
            InputError: a cell has no volume.
        """
        volume = torch.linalg.det(batch.cell).abs()
        if not (volume > 0).all():
            number = int((volume > 0).long().argmin())
            raise InputError(
                f"structure {number} has no stress: its cell {batch.cell[number].tolist()} has no volume"
            )
        with torch.enable_grad():
            pos = batch.pos.detach().requires_grad_(True)
            strain = torch.zeros_like(batch.cell, requires_grad=True)
            deformation = torch.eye(3).to(strain) + (strain + strain.mT) / 2
            deformed = copy.copy(batch)
            deformed.pos = torch.einsum("nx,nxy->ny", pos, deformation.index_select(0, batch.batch))
            deformed.cell = batch.cell @ deformation
            energy = self.energies(deformed)
            gradient, virial = torch.autograd.grad(energy.sum(), (pos, strain), materialize_grads=True)
        return {"energy": energy.detach(), "forces": -gradient, "stress": virial / volume.view(-1, 1, 1)}
