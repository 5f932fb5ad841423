"""Steps at constant temperature for many replicas at once, on TorchSim.

They are made of TorchSim's parts. Its ready integrators would not do (0.3.0): ``nvt_langevin``
draws the noise of all replicas from one stream, ``nvt_nose_hoover`` couples all to one thermostat.
"""

import torch
from torch import Tensor
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
