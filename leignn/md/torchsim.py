"""A trained potential behind TorchSim's model interface, and NVT steps for many replicas at once.

The steps are made of TorchSim's parts. Its ready integrators would not do (0.3.0): ``nvt_langevin``
draws the noise of all replicas from one stream, ``nvt_nose_hoover`` couples all to one thermostat.
"""

from collections.abc import Sequence

import torch
from torch import Tensor
from torch_geometric.data import Batch
from torch_sim.integrators.md import (
    MDState,
    NoseHooverChain,
    construct_nose_hoover_chain,
    momentum_step,
    position_step,
    velocity_verlet,
)
from torch_sim.models.interface import ModelInterface
from torch_sim.quantities import calc_kinetic_energy
from torch_sim.state import SimState

from leignn.graph import nearest_edges
from leignn.trained import TrainedPotential


class TorchSimPotential(ModelInterface):
    """A potential for TorchSim: energies and forces; the graph is built on its device.

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

    @torch.no_grad()
    def forward(self, state: SimState | dict, **kwargs) -> dict[str, Tensor]:
        """``energy`` (B,) in eV and ``forces`` (N, 3) in eV/Å of a state of B structures, N atoms in all."""
        state = SimState(**state) if isinstance(state, dict) else state
        cell, natoms = state.row_vector_cell, torch.bincount(state.system_idx)
        pbc = torch.tensor([state.pbc] * 3 if self.pbc is None else list(self.pbc), device=cell.device)
        pbc = pbc.expand(len(natoms), 3)
        batch = Batch(
            pos=state.positions.float(),
            atomic_numbers=state.atomic_numbers.long(),
            cell=cell.float(),
            pbc=pbc,
            natoms=natoms,
            batch=state.system_idx,
        )
        if self.trained.graph is not None:  # from the float64 positions, as the ASE calculator's
            batch.edge_index, batch.cell_offsets, batch.neighbors = nearest_edges(
                state.positions, cell, pbc, natoms, self.trained.graph
            )
        output = self.trained(batch)
        return {"energy": output["energy"].to(self._dtype), "forces": output["forces"].to(self._dtype)}


class Langevin:
    """BAOAB steps (Leimkuhler and Matthews 2013) with one stream of noise a replica.

    Args:
        model: energies and forces.
        timestep: Å·√(u/eV), ASE's unit.
        temperature: kT in eV.
        friction: the inverse of that time.
        generators: a replica's noise each, on the model's device.
    """

    def __init__(
        self,
        model: ModelInterface,
        timestep: float,
        temperature: float,
        friction: float,
        generators: list[torch.Generator],
    ) -> None:
        self.model, self.timestep, self.generators = model, timestep, generators
        self._kept = torch.exp(torch.tensor(-friction * timestep, dtype=torch.float64)).item()
        self._noise = (temperature * (1 - self._kept**2)) ** 0.5

    def step(self, state: MDState) -> MDState:
        """One time step."""
        half = self.timestep / 2
        state = position_step(momentum_step(state, half), half)
        sizes = torch.bincount(state.system_idx).tolist()
        noise = torch.cat(
            [
                torch.randn(size, 3, dtype=state.dtype, device=state.device, generator=generator)
                for size, generator in zip(sizes, self.generators, strict=True)
            ]
        )
        state.momenta = self._kept * state.momenta + self._noise * state.masses.sqrt()[:, None] * noise
        state = position_step(state, half)
        output = self.model(state)
        state.energy, state.forces = output["energy"], output["forces"]
        return momentum_step(state, half)

    def keep(self, replicas: Tensor) -> None:
        """Go on with some replicas, a mask (B,)."""
        self.generators = [g for g, kept in zip(self.generators, replicas.tolist(), strict=True) if kept]


class NoseHoover:
    """Nosé–Hoover steps with one thermostat a replica, Q = 3 N kT (damping time)².

    TorchSim's chains have two links or more: an infinite mass keeps the second at rest.

    Args:
        model, timestep, temperature: as for :class:`Langevin`.
        damping: damping time.
        momenta: (2, B) of the thermostats; zero at the beginning.
    """

    def __init__(
        self,
        model: ModelInterface,
        timestep: float,
        temperature: float,
        damping: float,
        state: MDState,
        momenta: Tensor,
    ) -> None:
        self.model, self.timestep, self._kt = model, timestep, temperature
        self._functions = construct_nose_hoover_chain(timestep, 2, 1, 1, damping)
        freedom = 3 * torch.bincount(state.system_idx).to(state.dtype)
        mass = freedom * temperature * damping**2
        mass = torch.stack([mass, torch.full_like(mass, torch.inf)])
        # Where the thermostats are matters to nothing.
        place = torch.zeros_like(momenta)
        self.chain = NoseHooverChain(place, momenta, mass, damping, _kinetic_energy(state), freedom)

    def step(self, state: MDState) -> MDState:
        """One time step."""
        self._rescale(state)
        state = velocity_verlet(state, self.timestep, self.model)
        self.chain.kinetic_energy = _kinetic_energy(state)
        self._rescale(state)
        return state

    def _rescale(self, state: MDState) -> None:
        ones = torch.ones_like(self.chain.kinetic_energy)
        scale, self.chain = self._functions.half_step(ones, self.chain, self._kt)
        state.momenta = state.momenta * scale[state.system_idx, None]

    def keep(self, replicas: Tensor) -> None:
        """Go on with some replicas, a mask (B,)."""
        chain = self.chain
        self.chain = NoseHooverChain(
            chain.positions[:, replicas],
            chain.momenta[:, replicas],
            chain.masses[:, replicas],
            chain.tau,
            chain.kinetic_energy[replicas],
            chain.degrees_of_freedom[replicas],
        )


def _kinetic_energy(state: MDState) -> Tensor:
    """(B,) in eV."""
    return calc_kinetic_energy(masses=state.masses, momenta=state.momenta, system_idx=state.system_idx)
