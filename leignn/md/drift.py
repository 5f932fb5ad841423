"""Measure how far direct forces are from conserving energy: the drift of NVE simulations by time step."""

import argparse
from collections.abc import Iterator
from functools import partial
from pathlib import Path
from typing import Any

import ase.io
import numpy as np
import torch
from ase import Atoms, units
from ase.md.velocitydistribution import MaxwellBoltzmannDistribution
from ase.md.verlet import VelocityVerlet

from leignn.arguments import add_device, add_threads, output_file
from leignn.calculator import LEIGNNCalculator
from leignn.errors import InputError
from leignn.md.bounds import reason_to_stop
from leignn.md.limitations import write_rows
from leignn.md.start import check_known, check_start
from leignn.potential import EnergyPotential

DURATION, TIMESTEPS = 200.0, (1.0, 2.0, 3.0)  # fs


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--checkpoint", type=Path, required=True, help="RUN/checkpoint.pt")
    parser.add_argument("--starts", type=Path, required=True, help="file with structures to simulate from")
    parser.add_argument("--temperature", type=float, default=300.0, help="K, at the start (default 300)")
    parser.add_argument("--duration", type=float, default=DURATION, help="fs simulated (default 200)")
    parser.add_argument("--timesteps", type=float, nargs="+", default=TIMESTEPS, help="fs (default 1 2 3)")
    add_threads(parser)
    add_device(parser)
    parser.add_argument("--output", type=output_file, required=True, help="table (.csv)")


def main(args: argparse.Namespace) -> None:
    if args.threads:
        torch.set_num_threads(args.threads)
    for name in ("temperature", "duration"):
        if not getattr(args, name) > 0:
            raise InputError(f"--{name}: {getattr(args, name)} is not positive")
    if wrong := [t for t in args.timesteps if not 0 < t <= args.duration / 2]:
        raise InputError(f"--timesteps: {wrong[0]} fs is not positive, or more than half the duration")
    try:
        starts = ase.io.read(args.starts, ":")
    except Exception as error:  # every format of ASE fails in its own way
        raise InputError(f"{args.starts} cannot be read: {error}") from error
    if not starts:
        raise InputError(f"{args.starts} has no structure")
    for index, atoms in enumerate(starts):
        check_start(atoms, f"{args.starts}: frame {index}")
    write_rows(args.checkpoint, "nve_drift", partial(_rows, args, starts), args.output)


def _rows(args: argparse.Namespace, starts: list[Atoms]) -> Iterator[dict[str, Any]]:
    """For each time step the mean over all starts, with its standard error."""
    calculator = LEIGNNCalculator(args.checkpoint, args.device)
    for index, start in enumerate(starts):
        check_known(start, calculator.trained, f"{args.starts}: frame {index}")
    direct = not isinstance(calculator.trained.potential, EnergyPotential)
    for timestep in args.timesteps:
        found, reasons = [], []
        for number, start in enumerate(starts):
            atoms = start.copy()
            atoms.calc = calculator
            rng = np.random.default_rng(number)
            MaxwellBoltzmannDistribution(atoms, temperature_K=args.temperature, rng=rng)
            drift, reason = energy_drift(atoms, timestep, round(args.duration / timestep))
            if reason:
                reasons.append(reason)
            else:
                found.append(drift)
        row = {"direct_forces": direct, "timestep_fs": timestep, "unit": "meV/atom/ps"}
        if reasons:
            yield row | {"status": f"{len(reasons)} of {len(starts)} stopped: {reasons[0]}"}
        else:
            error = np.std(found, ddof=1) / np.sqrt(len(found)) if len(found) > 1 else np.nan
            yield row | {"value": np.mean(found), "stderr": error}


def energy_drift(atoms: Atoms, timestep: float, steps: int) -> tuple[float, str]:
    """Simulate at constant energy by velocity Verlet.

    Args:
        atoms: structure with momenta and calculator; changed in place.
        timestep: fs.
        steps: how many.

    Returns:
        the slope of a straight line through the total energy, in meV/ps for each atom that can move;
        and why the simulation had to stop, empty if it had not.
    """
    dynamics, energies = VelocityVerlet(atoms, timestep * units.fs), []
    free = atoms.get_number_of_degrees_of_freedom() / 3
    for step in range(steps + 1):
        if step:
            dynamics.step()
        if reason := reason_to_stop(atoms):
            return np.nan, reason
        energies.append(atoms.get_total_energy())
    times = np.arange(steps + 1) * timestep / 1000
    return 1000 * np.polyfit(times, energies, 1)[0] / free, ""
