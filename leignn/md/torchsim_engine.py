"""Simulate many replicas at once on TorchSim: one batch on the device, one seed each."""

from collections.abc import Sequence

import numpy as np
import torch
from ase import Atoms, units
from ase.calculators.singlepoint import SinglePointCalculator
from ase.md.velocitydistribution import MaxwellBoltzmannDistribution
from torch import Tensor
from torch_sim.integrators.md import MDState

from leignn.config.simulation import Simulation
from leignn.errors import InputError
from leignn.md.bounds import TEMPERATURE_BOUNDS, reason_to_stop
from leignn.md.start import check_start
from leignn.md.torchsim_integrators import Langevin, NoseHoover
from leignn.md.torchsim_potential import TorchSimPotential
from leignn.trained import TrainedPotential


class TorchSimEngine:
    """Replicas as one state of TorchSim: an :class:`leignn.md.loop.Engine`. None notices the others.

    Args:
        replicas: starting structures, periodic in the same directions; changed in place. Velocities
            are drawn at the temperature of the settings.
        settings: the protocol of all.
        seeds: of each one's velocities and noise.
        trained: the potential, on ``device``.
        device: where states lie.

    Raises:
        InputError: fixed atoms, structures periodic in different directions, or a start that cannot be
            simulated, see :func:`leignn.md.start.check_start`.
    """

    def __init__(
        self,
        replicas: Sequence[Atoms],
        settings: Simulation,
        seeds: Sequence[int],
        trained: TrainedPotential,
        device: str,
    ) -> None:
        _check(replicas, seeds)
        self.replicas, self.settings, self.device = replicas, settings, device
        for atoms, seed in zip(replicas, seeds, strict=True):
            rng = np.random.default_rng(seed)
            MaxwellBoltzmannDistribution(atoms, temperature_K=settings.temperature, rng=rng)
        self.model = TorchSimPotential(trained, device, replicas[0].pbc.tolist())
        self.generators = [torch.Generator(device).manual_seed(seed) for seed in seeds]
        self._begin(list(range(len(replicas))), np.zeros((2, len(replicas))))

    def _begin(self, running: list[int], thermostats: np.ndarray) -> None:
        """Put the structures with numbers ``running`` on the device.

        ``thermostats`` are the momenta of theirs, (2, len(running)).
        """
        self.running = running
        members = [self.replicas[number] for number in running]

        def join(arrays: list[np.ndarray]) -> Tensor:
            return torch.from_numpy(np.concatenate(arrays)).to(self.device)

        positions = join([atoms.positions for atoms in members])
        state = MDState(
            positions=positions,
            masses=join([atoms.get_masses() for atoms in members]),
            cell=join([atoms.cell.array[None] for atoms in members]).mT.contiguous(),
            pbc=False,  # the model knows; TorchSim is not to wrap
            atomic_numbers=join([atoms.numbers for atoms in members]),
            system_idx=join([np.full(len(atoms), k) for k, atoms in enumerate(members)]),
            momenta=join([atoms.get_momenta() for atoms in members]),
            energy=positions.new_zeros(len(members)),
            forces=torch.zeros_like(positions),
        )
        output = self.model(state)
        state.energy, state.forces = output["energy"], output["forces"]
        self.moving = state
        timestep, temperature = self.settings.timestep * units.fs, self.settings.temperature * units.kB
        if self.settings.thermostat == "langevin":
            friction = self.settings.friction / units.fs
            noise = [self.generators[number] for number in running]
            self.dynamics: Langevin | NoseHoover = Langevin(
                self.model, timestep, temperature, friction, noise
            )
        else:
            damping, momenta = self.settings.damping * timestep, join([thermostats])
            self.dynamics = NoseHoover(self.model, timestep, temperature, damping, state, momenta)

    def step(self) -> None:
        self.moving = self.dynamics.step(self.moving)

    def frames(self) -> dict[int, Atoms]:
        names = ("positions", "momenta", "forces")
        arrays = [self._split(getattr(self.moving, name).cpu().numpy(), self.running) for name in names]
        energies = self.moving.energy.tolist()
        for number, energy, positions, momenta, forces in zip(self.running, energies, *arrays, strict=True):
            atoms = self.replicas[number]
            atoms.positions = positions
            atoms.set_momenta(momenta)
            atoms.calc = SinglePointCalculator(atoms, energy=energy, free_energy=energy, forces=forces)
        return {number: self.replicas[number] for number in self.running}

    def _split(self, array: np.ndarray, running: list[int]) -> list[np.ndarray]:
        """(N, 3) of all atoms by replica."""
        return np.split(array, np.cumsum([len(self.replicas[number]) for number in running])[:-1])

    def stop_broken(self) -> dict[int, str]:
        state = self.moving
        squared = (state.momenta.square() / state.masses[:, None]).sum(1)
        sums = torch.zeros_like(state.energy).index_add(0, state.system_idx, squared)
        temperature = sums / (3 * units.kB * torch.bincount(state.system_idx))
        wrong = (~torch.isfinite(state.forces)).any(1).to(state.dtype)
        finite = torch.zeros_like(state.energy).index_add(0, state.system_idx, wrong) == 0
        low, high = TEMPERATURE_BOUNDS
        sound = finite & torch.isfinite(state.energy) & (temperature >= low) & (temperature <= high)
        if sound.all():  # one number from the device
            return {}
        reasons = {number: reason_to_stop(atoms) for number, atoms in self.frames().items()}
        kept = torch.tensor([not reason for reason in reasons.values()], device=state.device)
        self.running = [number for number, reason in reasons.items() if not reason]
        self.dynamics.keep(kept)
        if self.running:
            self.moving = state[torch.nonzero(kept).squeeze(1)]
        return {number: reason for number, reason in reasons.items() if reason}

    def state(self) -> dict[str, np.ndarray]:
        chain = getattr(self.dynamics, "chain", None)
        none = np.zeros((2, len(self.running)))
        return {
            "positions": self.moving.positions.cpu().numpy(),
            "momenta": self.moving.momenta.cpu().numpy(),
            "thermostats": none if chain is None else chain.momenta.cpu().numpy(),
            "noise": np.stack([self.generators[number].get_state().numpy() for number in self.running]),
        }

    def restore(self, saved: dict[str, np.ndarray]) -> None:
        running = saved["running"].tolist()
        places = self._split(saved["positions"], running), self._split(saved["momenta"], running)
        for number, noise, positions, momenta in zip(running, saved["noise"], *places, strict=True):
            self.replicas[number].positions = positions
            self.replicas[number].set_momenta(momenta)
            self.generators[number].set_state(torch.from_numpy(noise))
        self._begin(running, saved["thermostats"])


def _check(replicas: Sequence[Atoms], seeds: Sequence[int]) -> None:
    for atoms, seed in zip(replicas, seeds, strict=True):
        check_start(atoms, f"the start of seed {seed}")
        if atoms.constraints:
            raise InputError(f"seed {seed}: its first frame has fixed atoms, which only the ASE engine knows")
        if (atoms.pbc != replicas[0].pbc).any():
            raise InputError(
                f"seed {seed}: its first frame is periodic in {atoms.pbc}, not {replicas[0].pbc}"
            )
