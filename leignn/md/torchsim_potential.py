"""A trained potential behind TorchSim's model interface."""

from collections.abc import Sequence

import torch
from torch import Tensor
from torch_sim.models.interface import ModelInterface
from torch_sim.state import SimState

from leignn.batch import Batch
from leignn.graph import nearest_edges
from leignn.rounding import rounded
from leignn.trained import TrainedPotential


class TorchSimPotential(ModelInterface):
    """A potential for TorchSim: energies, forces and, with ``compute_stress`` set, stress; the graph is
    built on its device.

    Args:
        trained: the potential, on ``device``.
        device: where states lie.
        pbc: periodic directions, where the one bool of TorchSim's states does not say them; with
            it a state can have ``pbc`` False, and TorchSim leaves its positions unwrapped.
    """

    def __init__(
        self, trained: TrainedPotential, device: str | torch.device, pbc: Sequence[bool] | None = None
    ) -> None:
        super().__init__()
        self.trained, self.pbc = trained, pbc
        self._device, self._dtype = torch.device(device), torch.float64
        self._compute_stress, self._compute_forces = False, True
        self._memory_scales_with = "n_atoms"

    @property
    def compute_stress(self) -> bool:
        """Whether stress is computed, which some integrators and optimisers ask for."""
        return self._compute_stress

    @compute_stress.setter
    def compute_stress(self, wanted: bool) -> None:
        if wanted and self.trained.why_no_stress:
            raise NotImplementedError(self.trained.why_no_stress)
        self._compute_stress = wanted

    @torch.no_grad()
    def forward(self, state: SimState | dict, **kwargs) -> dict[str, Tensor]:
        """``energy`` (B,) in eV and ``forces`` (N, 3) in eV/Å of a state of B structures, N atoms in all;
        ``stress`` (B, 3, 3) in eV/Å³ if computed."""
        state = SimState(**state) if isinstance(state, dict) else state
        cell, natoms = state.row_vector_cell, torch.bincount(state.system_idx)
        pbc = torch.tensor([state.pbc] * 3 if self.pbc is None else list(self.pbc), device=cell.device)
        pbc = pbc.expand(len(natoms), 3)
        batch = Batch(
            pos=state.positions,
            atomic_numbers=state.atomic_numbers.long(),
            cell=cell,
            pbc=pbc,
            natoms=natoms,
            batch=state.system_idx,
        )
        if self.trained.graph is not None:  # from the float64 positions, as the ASE calculator's
            batch.edge_index, batch.cell_offsets, batch.neighbors = nearest_edges(
                state.positions, cell, pbc, natoms, self.trained.graph
            )
        output = self.trained(rounded(batch, self.trained.dtype), self._compute_stress, again=True)
        return {name: value.to(self._dtype) for name, value in output.items()}
