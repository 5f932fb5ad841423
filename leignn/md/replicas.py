"""Simulate many replicas at once on TorchSim: one batch on the device, one seed and one folder each.

Writes OUTPUT/seed<k>/ as ``simulate`` writes its folder. While it runs, OUTPUT/state.npz holds the
state of them all. A replica that leaves its bounds stops; the others go on, and do not notice.
"""

import argparse
import dataclasses
import json
import sys
import time
from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np
import torch
from ase import Atoms, units
from ase.calculators.singlepoint import SinglePointCalculator
from ase.md.velocitydistribution import MaxwellBoltzmannDistribution
from torch import Tensor
from torch_sim.integrators.md import MDState
from tqdm import tqdm

from leignn.errors import InputError
from leignn.files import replacing
from leignn.md.bounds import TEMPERATURE_BOUNDS, reason_to_stop
from leignn.md.simulate import (
    FRAMES_A_STATE,
    Settings,
    add_protocol_arguments,
    cut_back,
    saved_state,
    settings_of,
    starting_frames,
    write_frame,
    write_outcome,
    written,
)
from leignn.md.torchsim import Langevin, NoseHoover, TorchSimPotential
from leignn.trained import TrainedPotential, load_trained


def add_arguments(parser: argparse.ArgumentParser) -> None:
    add_protocol_arguments(parser)
    parser.add_argument(
        "--seeds",
        type=int,
        nargs="+",
        required=True,
        help="one replica each: of velocities, noise, first frame",
    )


def main(args: argparse.Namespace) -> None:
    if args.threads:
        torch.set_num_threads(args.threads)
    frames = starting_frames(args.start, args.frame, args.seeds)
    settings = [settings_of(args, seed) for seed in args.seeds]
    starts = [
        {"checkpoint": str(args.checkpoint), "start": str(args.start), "frame": number}
        for number, _ in frames
    ]
    trained = load_trained(args.checkpoint, args.device)
    outcomes = simulate_replicas(
        [atoms for _, atoms in frames], settings, trained, args.device, args.output, starts
    )
    for outcome in outcomes:
        print(f"seed {outcome['settings']['seed']}: {outcome['status']}: {outcome['reason']}")
    print(f"{sum(outcome['ns_per_day'] for outcome in outcomes):.3f} ns/day in all")


def simulate_replicas(
    replicas: Sequence[Atoms],
    settings: Sequence[Settings],
    trained: TrainedPotential,
    device: str,
    output: Path,
    starts: Sequence[dict[str, Any]],
) -> list[dict[str, Any]]:
    """Run ``replicas`` to the end of their settings; or finish a run that was stopped.

    Args:
        replicas: starting structures, periodic in the same directions.
        settings: their protocols, which differ in nothing but the seed.
        trained: the potential, on ``device``.
        device: where states lie.
        output: folder for the folders seed<k>.
        starts: what else each depends on, kept in its outcome.

    Returns:
        the outcomes, as of :func:`leignn.md.simulate.simulate`; the speed is that of a replica.

    Raises:
        InputError: seeds that repeat, fixed atoms, or structures periodic in different directions.
    """
    _check(replicas, settings)
    folders = [output / f"seed{s.seed}" for s in settings]
    identities = [
        {"settings": dataclasses.asdict(s), "start": start | {"engine": "torchsim"}, "atoms": len(atoms)}
        for s, start, atoms in zip(settings, starts, replicas, strict=True)
    ]
    for atoms, s, folder in zip(replicas, settings, folders, strict=True):
        folder.mkdir(parents=True, exist_ok=True)
        rng = np.random.default_rng(s.seed)
        MaxwellBoltzmannDistribution(atoms, temperature_K=s.temperature, rng=rng)
    run = _Run(replicas, settings[0], [s.seed for s in settings], trained, device)
    step = _resume(output, run, folders, identities)
    if step == 0:
        for folder in folders:  # of another simulation
            (folder / "outcome.json").unlink(missing_ok=True)
    first, began, started = step, time.perf_counter(), datetime.now(UTC)
    total, every = settings[0].steps, settings[0].every
    progress = tqdm(total=total, initial=step, unit="step", disable=not sys.stderr.isatty())

    def finish(number: int, reason: str) -> None:
        speed = (step - first) / (time.perf_counter() - began)
        write_outcome(folders[number], identities[number], step, reason, speed, started)

    while True:
        for number, reason in run.stop_broken().items():
            finish(number, reason)
        if step % every == 0 and (step > first or step == 0):
            for number, atoms in run.frames().items():
                write_frame(folders[number], atoms, settings[number], step)
            if step and step % (every * FRAMES_A_STATE) == 0:
                _save_state(output, run, folders, identities, step)
        if step == total or not run.alive:
            break
        run.step()
        step += 1
        progress.update()
    progress.close()
    for number in run.alive:
        finish(number, "")
    (output / "state.npz").unlink(missing_ok=True)
    return [json.loads((folder / "outcome.json").read_text(encoding="utf-8")) for folder in folders]


def _check(replicas: Sequence[Atoms], settings: Sequence[Settings]) -> None:
    seeds = [s.seed for s in settings]
    for atoms, seed in zip(replicas, seeds, strict=True):
        if seeds.count(seed) > 1:
            raise InputError(f"seeds: {seed} is given more than once")
        if atoms.constraints:
            raise InputError(f"seed {seed}: its first frame has fixed atoms, which only `simulate` knows")
        if (atoms.pbc != replicas[0].pbc).any():
            raise InputError(
                f"seed {seed}: its first frame is periodic in {atoms.pbc}, not {replicas[0].pbc}"
            )


class _Run:
    """The replicas that still run, as one state of TorchSim; ``alive`` holds their numbers."""

    def __init__(
        self,
        replicas: Sequence[Atoms],
        settings: Settings,
        seeds: Sequence[int],
        trained: TrainedPotential,
        device: str,
    ) -> None:
        self.replicas, self.settings, self.device = replicas, settings, device
        self.model = TorchSimPotential(trained, device, replicas[0].pbc.tolist())
        self.generators = [torch.Generator(device).manual_seed(seed) for seed in seeds]
        self.begin(list(range(len(replicas))), np.zeros((2, len(replicas))))

    def begin(self, alive: list[int], thermostats: np.ndarray) -> None:
        """Put the structures with numbers ``alive`` on the device; (2, len(alive)) momenta of thermostats."""
        self.alive = alive
        members = [self.replicas[number] for number in alive]

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
        self.state = state
        timestep, temperature = self.settings.timestep * units.fs, self.settings.temperature * units.kB
        if self.settings.thermostat == "langevin":
            friction = self.settings.friction / units.fs
            noise = [self.generators[number] for number in alive]
            self.dynamics = Langevin(self.model, timestep, temperature, friction, noise)
        else:
            damping, momenta = self.settings.damping * timestep, join([thermostats])
            self.dynamics = NoseHoover(self.model, timestep, temperature, damping, state, momenta)

    def step(self) -> None:
        self.state = self.dynamics.step(self.state)

    def frames(self) -> dict[int, Atoms]:
        """The structures as they are now, by number, with energies and forces."""
        sizes = np.cumsum([len(self.replicas[number]) for number in self.alive])[:-1]
        names = ("positions", "momenta", "forces")
        arrays = [np.split(getattr(self.state, name).cpu().numpy(), sizes) for name in names]
        energies = self.state.energy.tolist()
        for number, energy, positions, momenta, forces in zip(self.alive, energies, *arrays, strict=True):
            atoms = self.replicas[number]
            atoms.positions = positions
            atoms.set_momenta(momenta)
            atoms.calc = SinglePointCalculator(atoms, energy=energy, free_energy=energy, forces=forces)
        return {number: self.replicas[number] for number in self.alive}

    def stop_broken(self) -> dict[int, str]:
        """Take replicas out that have left their bounds; the reason for each, by number."""
        state = self.state
        squared = (state.momenta.square() / state.masses[:, None]).sum(1)
        sums = torch.zeros_like(state.energy).index_add(0, state.system_idx, squared)
        temperature = sums / (3 * units.kB * torch.bincount(state.system_idx))
        wrong = (~torch.isfinite(state.forces)).any(1).to(state.dtype)
        finite = torch.zeros_like(state.energy).index_add(0, state.system_idx, wrong) == 0
        low, high = TEMPERATURE_BOUNDS
        sound = finite & torch.isfinite(state.energy) & (temperature >= low) & (temperature <= high)
        if sound.all():  # one number from the device
            return {}
        sound = sound.cpu()
        frames, alive = self.frames(), self.alive
        stopped = [number for number, kept in zip(alive, sound.tolist(), strict=True) if not kept]
        self.alive = [number for number in alive if number not in stopped]
        self.dynamics.keep(sound.to(state.device))
        if self.alive:
            self.state = state[torch.nonzero(sound).squeeze(1).to(state.device)]
        return {number: reason_to_stop(frames[number]) for number in stopped}


def _save_state(
    output: Path, run: _Run, folders: Sequence[Path], identities: list[dict[str, Any]], step: int
) -> None:
    chain = getattr(run.dynamics, "chain", None)
    with replacing(output / "state.npz") as temporary:
        np.savez(
            temporary,
            identity=json.dumps(identities),
            step=step,
            alive=run.alive,
            positions=run.state.positions.cpu().numpy(),
            momenta=run.state.momenta.cpu().numpy(),
            thermostats=np.zeros((2, len(run.alive))) if chain is None else chain.momenta.cpu().numpy(),
            noise=np.stack([run.generators[number].get_state().numpy() for number in run.alive]),
            sizes=[written(folders[number]) for number in run.alive],
        )


def _resume(output: Path, run: _Run, folders: Sequence[Path], identities: list[dict[str, Any]]) -> int:
    """Put the saved state of these very replicas in place; return its step, 0 without one."""
    saved = saved_state(output, identities)
    if saved is None:
        return 0
    alive = saved["alive"].tolist()
    sizes = np.cumsum([len(run.replicas[number]) for number in alive])[:-1]
    for k, (number, positions, momenta) in enumerate(
        zip(alive, np.split(saved["positions"], sizes), np.split(saved["momenta"], sizes), strict=True)
    ):
        run.replicas[number].positions = positions
        run.replicas[number].set_momenta(momenta)
        run.generators[number].set_state(torch.from_numpy(saved["noise"][k]))
        cut_back(folders[number], saved["sizes"][k])
    run.begin(alive, saved["thermostats"])
    print(f"resuming from step {int(saved['step'])}", flush=True)
    return int(saved["step"])
