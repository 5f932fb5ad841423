"""Simulate at constant temperature with a trained potential; a stopped simulation goes on where it was.

Writes OUTPUT/trajectory.extxyz (positions, momenta, energy and forces, for ASE and OVITO),
OUTPUT/thermo.csv and OUTPUT/outcome.json. While it runs, OUTPUT/state.npz holds the state of atoms and
thermostat. A simulation that leaves its bounds stops there; that is an outcome, and no error.
"""

import argparse
import dataclasses
import json
import os
import sys
import time
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Literal, get_args

import ase.io
import numpy as np
from ase import Atoms, units
from ase.md.langevin import Langevin
from ase.md.md import MolecularDynamics
from ase.md.nose_hoover_chain import NoseHooverChainNVT
from ase.md.velocitydistribution import MaxwellBoltzmannDistribution
from tqdm import tqdm

from leignn.errors import InputError
from leignn.files import read_arrays, replacing, write_text
from leignn.md.bounds import reason_to_stop
from leignn.provenance import process
from leignn.training.failure import add_argument, recorded

FRAMES_A_STATE = 20  # frames between saved states
GROWING = ("trajectory.extxyz", "thermo.csv")
THERMO = ("time_ps", "potential_ev", "kinetic_ev", "temperature_k", "largest_force_ev_per_ang")

Thermostat = Literal["nose-hoover", "langevin"]


@dataclass(frozen=True)
class Settings:
    """One simulation's protocol; spec: MDSim (Fu et al. 2023)."""

    thermostat: Thermostat
    temperature: float  # K
    timestep: float  # fs
    steps: int
    every: int  # steps between frames
    seed: int
    damping: float = 20.0  # Nosé–Hoover: Q = 3 N kT (damping · timestep)²
    friction: float = 0.01  # Langevin, 1/fs

    def __post_init__(self) -> None:
        if self.thermostat not in get_args(Thermostat):
            raise InputError(f"unknown thermostat {self.thermostat!r}")
        for name in ("temperature", "timestep", "steps", "every", "damping", "friction"):
            if not getattr(self, name) > 0:
                raise InputError(f"{name.replace('_', '-')}: {getattr(self, name)} is not positive")
        if self.steps % self.every:
            raise InputError(f"steps: {self.steps} is no multiple of every: {self.every}")


def add_arguments(parser: argparse.ArgumentParser) -> None:
    add_protocol_arguments(parser)
    parser.add_argument("--seed", type=int, default=0, help="of velocities, noise and first frame")
    parser.add_argument(
        "--no-wrap",
        dest="wrap",
        action="store_false",
        help="atoms that left the cell lose neighbours, as in OCP",
    )
    add_argument(parser)


def add_protocol_arguments(parser: argparse.ArgumentParser) -> None:
    """What one simulation and many at once have in common."""
    parser.add_argument("--checkpoint", type=Path, required=True, help="RUN/checkpoint.pt")
    parser.add_argument("--start", type=Path, required=True, help="file with structures that ASE reads")
    parser.add_argument("--frame", type=int, help="index of the structure to start from (default: by seed)")
    parser.add_argument("--output", type=Path, required=True, help="folder for the results")
    parser.add_argument("--thermostat", choices=get_args(Thermostat), required=True)
    parser.add_argument("--temperature", type=float, required=True, help="K")
    parser.add_argument("--timestep", type=float, required=True, help="fs")
    parser.add_argument("--steps", type=int, required=True)
    parser.add_argument("--every", type=int, default=50, help="steps between frames (default 50)")
    parser.add_argument("--damping", type=float, default=20.0, help="Nosé–Hoover, time steps (default 20)")
    parser.add_argument("--friction", type=float, default=0.01, help="Langevin, 1/fs (default 0.01)")
    parser.add_argument("--threads", type=int, default=0, help="CPU threads (default: all)")
    parser.add_argument("--device", default="cpu", help="where the potential runs, e.g. cuda")


def main(args: argparse.Namespace) -> None:
    import torch

    from leignn.calculator import LEIGNNCalculator

    if args.threads:
        torch.set_num_threads(args.threads)
    settings = settings_of(args, args.seed)
    number, atoms = starting_frames(args.start, args.frame, [args.seed])[0]
    start = {"checkpoint": str(args.checkpoint), "start": str(args.start), "frame": number, "wrap": args.wrap}

    def record(message: str) -> None:
        outcome = {"settings": dataclasses.asdict(settings), "start": start}
        outcome |= {"status": "failed", "reason": message}
        write_text(args.output / "outcome.json", json.dumps(outcome, indent=1))

    with recorded(args.record_failure, record):
        atoms.calc = LEIGNNCalculator(args.checkpoint, args.device, wrap=args.wrap)
        outcome = simulate(atoms, settings, args.output, start)
        print(f"{outcome['status']}: {outcome['reason']}; {outcome['ns_per_day']:.3f} ns/day")


def settings_of(args: argparse.Namespace, seed: int) -> Settings:
    """The protocol that the command line asks for."""
    names = {field.name for field in dataclasses.fields(Settings)} - {"seed"}
    return Settings(seed=seed, **{name: getattr(args, name) for name in names})


def starting_frames(path: Path, number: int | None, seeds: Sequence[int]) -> list[tuple[int, Atoms]]:
    """For each seed the structure it starts from, and its index in the file.

    Args:
        path: any file that ASE reads.
        number: index of the structure; None: every seed draws its own.
        seeds: of the simulations.

    Raises:
        InputError: the file cannot be read, or has no such structure.
    """
    try:
        frames = ase.io.read(os.fspath(path), ":")
        numbers = [
            int(np.random.default_rng(seed).integers(len(frames))) if number is None else number
            for seed in seeds
        ]
        return [(number, frames[number].copy()) for number in numbers]
    except Exception as error:  # every format of ASE fails in its own way
        which = "a frame" if number is None else f"frame {number}"
        raise InputError(f"{path}: {which} cannot be read: {error}") from error


def simulate(
    atoms: Atoms, settings: Settings, output: Path, start: dict[str, Any] | None = None
) -> dict[str, Any]:
    """Run ``atoms``, with their calculator, to ``settings.steps``; or finish a run that was stopped.

    Args:
        atoms: starting structure; changed in place.
        settings: the protocol. Velocities are drawn at its temperature.
        output: folder for the results.
        start: what else the simulation depends on, kept in the outcome. A folder that belongs to
            other settings or another start is begun anew.

    Returns:
        the outcome: ``status`` finished or stopped, ``reason``, ``steps``, ``time_ps``,
        ``steps_per_second`` and ``ns_per_day`` of the last session, ``settings``, ``start``.
    """
    started = datetime.now(UTC)
    output.mkdir(parents=True, exist_ok=True)
    identity = {"settings": dataclasses.asdict(settings), "start": start or {}, "atoms": len(atoms)}
    rng = np.random.default_rng(settings.seed)
    MaxwellBoltzmannDistribution(atoms, temperature_K=settings.temperature, rng=rng)
    dynamics = _dynamics(atoms, settings, rng)
    step = _resume(output, dynamics, rng, identity)
    first, began, reason = step, time.perf_counter(), reason_to_stop(atoms)
    if step == 0:
        write_frame(output, atoms, settings, step)
    progress = tqdm(
        total=settings.steps, initial=step, unit="step", desc="simulate", disable=not sys.stderr.isatty()
    )
    while step < settings.steps and not reason:
        dynamics.step()
        step += 1
        progress.update()
        reason = reason_to_stop(atoms)
        if step % settings.every == 0 and not reason:
            write_frame(output, atoms, settings, step)
            rate = ns_per_day((step - first) / (time.perf_counter() - began), settings.timestep)
            picoseconds = step * settings.timestep / 1000
            state = f"{picoseconds:g} ps, {atoms.get_temperature():.0f} K, {rate:.3g} ns/day"
            progress.set_postfix_str(state)
            if step % (settings.every * FRAMES_A_STATE) == 0:
                _save_state(output, dynamics, rng, identity, step)
                if progress.disable:  # a log file
                    print(f"step {step} of {settings.steps}: {state}", flush=True)
    progress.close()
    speed = (step - first) / (time.perf_counter() - began)
    outcome = write_outcome(output, identity, step, reason, speed, started)
    (output / "state.npz").unlink(missing_ok=True)
    return outcome


def _dynamics(atoms: Atoms, settings: Settings, rng: np.random.Generator) -> MolecularDynamics:
    timestep = settings.timestep * units.fs
    if settings.thermostat == "langevin":
        friction = settings.friction / units.fs
        return Langevin(
            atoms, timestep, temperature_K=settings.temperature, friction=friction, fixcm=False, rng=rng
        )
    return NoseHooverChainNVT(
        atoms, timestep, settings.temperature, tdamp=settings.damping * timestep, tchain=1
    )


def write_frame(output: Path, atoms: Atoms, settings: Settings, step: int) -> None:
    """Append a frame to trajectory.extxyz and its numbers to thermo.csv; step 0 begins both."""
    first = step == 0
    atoms.info = {"time_fs": step * settings.timestep}
    ase.io.write(output / "trajectory.extxyz", atoms, format="extxyz", append=not first)
    numbers = (
        step * settings.timestep / 1000,
        atoms.get_potential_energy(),
        atoms.get_kinetic_energy(),
        atoms.get_temperature(),
        np.linalg.norm(atoms.get_forces(), axis=1).max(),
    )
    with open(output / "thermo.csv", "w" if first else "a", encoding="utf-8") as file:
        if first:
            file.write(",".join(THERMO) + "\n")
        file.write(",".join(repr(float(number)) for number in numbers) + "\n")


def write_outcome(
    output: Path, identity: dict[str, Any], step: int, reason: str, speed: float, started: datetime
) -> dict[str, Any]:
    """Write outcome.json of a simulation that has come to ``step``; ``speed`` in steps a second."""
    timestep = identity["settings"]["timestep"]
    outcome = identity | {
        "status": "stopped" if reason else "finished",
        "reason": reason or f"{step} steps",
        "steps": step,
        "time_ps": step * timestep / 1000,
        "steps_per_second": speed,
        "ns_per_day": ns_per_day(speed, timestep),
        "provenance": process(started),
    }
    write_text(output / "outcome.json", json.dumps(outcome, indent=1))
    return outcome


def ns_per_day(speed: float, timestep: float) -> float:
    """From steps a second and the time step in fs."""
    return speed * timestep * 1e-6 * 86400


def _save_state(
    output: Path, dynamics: MolecularDynamics, rng: np.random.Generator, identity: dict[str, Any], step: int
) -> None:
    thermostat = getattr(dynamics, "_thermostat", None)  # ASE offers no way to read or set it
    with replacing(output / "state.npz") as temporary:
        np.savez(
            temporary,
            identity=json.dumps(identity),
            step=step,
            positions=dynamics.atoms.positions,
            momenta=dynamics.atoms.get_momenta(),
            eta=thermostat._eta if thermostat else np.zeros(0),
            p_eta=thermostat._p_eta if thermostat else np.zeros(0),
            rng=json.dumps(rng.bit_generator.state),
            sizes=written(output),
        )


def written(output: Path) -> list[int]:
    """Bytes of the files that grow."""
    return [(output / name).stat().st_size for name in GROWING]


def cut_back(output: Path, sizes: Sequence[int]) -> None:
    """Cut off what was written after a state was saved, so that no frame is repeated."""
    for name, size in zip(GROWING, sizes, strict=True):
        os.truncate(output / name, int(size))


def saved_state(output: Path, identity: Any) -> dict[str, np.ndarray] | None:
    """``state.npz``, if it is there and belongs to this very simulation."""
    path = output / "state.npz"
    if not path.exists():
        return None
    try:
        state = read_arrays(path)
    except InputError as error:
        raise InputError(f"{error}; remove it to begin anew") from error
    return state if json.loads(str(state["identity"])) == identity else None


def _resume(
    output: Path, dynamics: MolecularDynamics, rng: np.random.Generator, identity: dict[str, Any]
) -> int:
    """Put the saved state of this very simulation in place; return its step, 0 without one."""
    state = saved_state(output, identity)
    if state is None:
        return 0
    cut_back(output, state["sizes"])
    atoms = dynamics.atoms
    atoms.set_positions(state["positions"])
    atoms.set_momenta(state["momenta"])
    rng.bit_generator.state = json.loads(str(state["rng"]))
    if isinstance(dynamics, NoseHooverChainNVT):
        dynamics._q, dynamics._p = atoms.get_positions(), atoms.get_momenta()
        dynamics._thermostat._eta, dynamics._thermostat._p_eta = state["eta"], state["p_eta"]
    print(f"resuming from step {int(state['step'])}", flush=True)
    return int(state["step"])
