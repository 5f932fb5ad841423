"""Simulate at constant temperature with a trained potential; a stopped simulation goes on where it was.

Writes OUTPUT/trajectory.extxyz (positions, momenta, energy and forces, for ASE and OVITO),
OUTPUT/thermo.csv and OUTPUT/outcome.json. While it runs, the first two grow in OUTPUT/resume/, which also
holds the state of atoms and thermostat. A simulation that leaves its bounds stops there; that is an
outcome, and no error. With --engine torchsim several seeds are one batch on the device, each with a folder
OUTPUT/seed<k>.
"""

import argparse
import os
from collections.abc import Sequence
from pathlib import Path
from typing import get_args

import ase.io
import numpy as np
import torch
from ase import Atoms

from leignn.arguments import add_device, add_threads, non_negative, output_folder
from leignn.calculator import LEIGNNCalculator
from leignn.config.simulation import Simulation, Thermostat
from leignn.errors import InputError
from leignn.identity import fingerprint, versions
from leignn.md.ase_engine import AseEngine
from leignn.md.loop import Engine, simulate
from leignn.md.record import Record
from leignn.md.start import check_known, check_start
from leignn.provenance import sha256
from leignn.trained import TrainedPotential, load_trained
from leignn.training.failure import add_argument, recorded


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--checkpoint", type=Path, required=True, help="RUN/checkpoint.pt")
    parser.add_argument("--start", type=Path, required=True, help="file with structures that ASE reads")
    parser.add_argument("--frame", type=non_negative, help="index of the first structure (default: by seed)")
    parser.add_argument("--output", type=output_folder, required=True, help="folder for the results")
    parser.add_argument("--engine", choices=("ase", "torchsim"), default="ase", help="default ase")
    parser.add_argument(
        "--seeds",
        type=non_negative,
        nargs="+",
        default=[0],
        help="of velocities, noise, first frame (default 0)",
    )
    parser.add_argument("--thermostat", choices=get_args(Thermostat), required=True)
    parser.add_argument("--temperature", type=float, required=True, help="K")
    parser.add_argument("--timestep", type=float, required=True, help="fs")
    parser.add_argument("--steps", type=int, required=True)
    parser.add_argument("--every", type=int, default=50, help="steps between frames (default 50)")
    parser.add_argument("--damping", type=float, default=20.0, help="Nosé–Hoover, time steps (default 20)")
    parser.add_argument("--friction", type=float, default=0.01, help="Langevin, 1/fs (default 0.01)")
    parser.add_argument("--max-hours", type=float, help="it stops; with more it goes on (default: none)")
    parser.add_argument(
        "--no-wrap",
        dest="wrap",
        action="store_false",
        help="atoms that left the cell lose neighbours, as in OCP",
    )
    add_threads(parser)
    add_device(parser)
    add_argument(parser)


def main(args: argparse.Namespace) -> None:
    if args.threads:
        torch.set_num_threads(args.threads)
    if args.engine == "ase" and len(args.seeds) > 1:
        raise InputError("--seeds: the ASE engine takes one; several at once need --engine torchsim")
    if args.engine == "torchsim" and not args.wrap:
        raise InputError("--no-wrap: only the ASE engine can lose neighbours")
    settings = Simulation.checked({name: getattr(args, name) for name in Simulation.model_fields}, "simulate")
    frames = starting_frames(args.start, args.frame, args.seeds)
    given = {"checkpoint": str(args.checkpoint), "start": str(args.start), "wrap": args.wrap}
    starts = [given | {"frame": number} for number, _ in frames]
    replicas = [atoms for _, atoms in frames]
    record = Record(args.output, args.engine, settings, args.seeds, replicas, starts)
    with record.locked(), recorded(args.record_failure, record.fail):
        engine, trained = _engine(args, frames, settings)
        model = trained.config.potential.partition(":")[0]
        record.content = {
            "checkpoint": sha256(args.checkpoint),
            "code": fingerprint("leignn.md.simulate", model),
            "packages": versions(),
        }
        outcomes = simulate(engine, record)
        for outcome in outcomes:
            print(f"seed {outcome['seed']}: {outcome['status']}: {outcome['reason']}")
        print(f"{sum(outcome['ns_per_day'] for outcome in outcomes):.3f} ns/day in all")


def _engine(
    args: argparse.Namespace, frames: list[tuple[int, Atoms]], settings: Simulation
) -> tuple[Engine, TrainedPotential]:
    replicas = [atoms for _, atoms in frames]
    if args.engine == "ase":
        calculator = LEIGNNCalculator(args.checkpoint, args.device, wrap=args.wrap)
        _check_elements(frames, calculator.trained, args.start)
        replicas[0].calc = calculator
        return AseEngine(replicas[0], settings, args.seeds[0]), calculator.trained
    from leignn.md.torchsim_engine import TorchSimEngine  # a package that not every environment has

    trained = load_trained(args.checkpoint, args.device)
    _check_elements(frames, trained, args.start)
    return TorchSimEngine(replicas, settings, args.seeds, trained, args.device), trained


def _check_elements(frames: list[tuple[int, Atoms]], trained: TrainedPotential, path: Path) -> None:
    for index, atoms in frames:
        check_known(atoms, trained, f"{path}: frame {index}")


def starting_frames(path: Path, number: int | None, seeds: Sequence[int]) -> list[tuple[int, Atoms]]:
    """For each seed the structure it starts from, and its index in the file.

    Args:
        path: any file that ASE reads.
        number: index of the structure; None: every seed draws its own.
        seeds: of the simulations.

    Raises:
        InputError: the file cannot be read, has no such structure, or one that cannot be simulated.
    """
    try:
        frames = ase.io.read(os.fspath(path), ":")
        numbers = [
            int(np.random.default_rng(seed).integers(len(frames))) if number is None else number
            for seed in seeds
        ]
        found = [(number, frames[number].copy()) for number in numbers]
    except Exception as error:  # every format of ASE fails in its own way
        which = "a frame" if number is None else f"frame {number}"
        raise InputError(f"{path}: {which} cannot be read: {error}") from error
    for index, atoms in found:
        check_start(atoms, f"{path}: frame {index}")
    return found
