"""Measure the two limitations that the paper states for LEIGNN.

Direct forces do not conserve energy: the drift of the total energy of NVE simulations, by time step, of
the checkpoints given as --drift. Global phases couple what is far apart: what two molecules do to each
other's energy and forces in growing boxes, for the checkpoints given as --separation.
"""

import argparse
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import ase.io
import numpy as np
import pandas as pd
from ase import Atoms, units
from ase.build import molecule
from ase.md.velocitydistribution import MaxwellBoltzmannDistribution
from ase.md.verlet import VelocityVerlet

from leignn.calculator import LEIGNNCalculator
from leignn.config import load_yaml
from leignn.errors import InputError, RunFailedError
from leignn.files import replacing
from leignn.md.simulate import reason_to_stop
from leignn.potential import EnergyPotential

MOLECULES = ("CO", "NH3")  # of elements that the stand-in's adsorbates have
COLUMNS = (
    "experiment",
    "model",
    "direct_forces",
    "timestep_fs",
    "separation_ang",
    "value",
    "stderr",
    "unit",
    "dataset",
    "stand_in",
    "scale",
    "seed",
    "status",
)


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--drift", type=Path, nargs="*", default=[], help="RUN/checkpoint.pt to simulate")
    parser.add_argument("--separation", type=Path, nargs="*", default=[], help="RUN/checkpoint.pt to probe")
    parser.add_argument("--starts", type=Path, required=True, help="file with structures to simulate from")
    parser.add_argument("--temperature", type=float, default=300.0, help="K, at the start (default 300)")
    parser.add_argument("--duration", type=float, default=200.0, help="fs simulated (default 200)")
    parser.add_argument(
        "--timesteps", type=float, nargs="+", default=[1.0, 2.0, 3.0], help="fs (default 1 2 3)"
    )
    parser.add_argument(
        "--separations",
        type=float,
        nargs="+",
        default=[4, 5, 6, 8, 10, 14, 20, 30, 50],
        help="Å between the molecules' centres (default 4 … 50)",
    )
    parser.add_argument("--threads", type=int, default=0, help="CPU threads (default: all)")
    parser.add_argument("--device", default="cpu", help="where the potentials run, e.g. cuda")
    parser.add_argument("--output", type=Path, required=True, help="table (.csv)")


def main(args: argparse.Namespace) -> None:
    import torch

    if args.threads:
        torch.set_num_threads(args.threads)
    for name in ("temperature", "duration"):
        if not getattr(args, name) > 0:
            raise InputError(f"--{name}: {getattr(args, name)} is not positive")
    if wrong := [t for t in args.timesteps if not 0 < t <= args.duration / 2]:
        raise InputError(f"--timesteps: {wrong[0]} fs is not positive, or more than half the duration")
    if wrong := [s for s in args.separations if not s > 0]:
        raise InputError(f"--separations: {wrong[0]} Å is not positive")
    try:
        starts = ase.io.read(args.starts, ":")
    except Exception as error:  # every format of ASE fails in its own way
        raise InputError(f"{args.starts} cannot be read: {error}") from error
    rows = []
    for path in args.drift:
        about, calculator = _load(path, args.device, "nve_drift")
        found = [{}]
        if calculator is not None:
            found = _drifts(calculator, starts, args.temperature, args.duration, args.timesteps)
        rows += [about | row for row in found]
    for path in args.separation:
        about, calculator = _load(path, args.device, "pair_energy")
        rows += [
            about | row for row in ([{}] if calculator is None else _couplings(calculator, args.separations))
        ]
    with replacing(args.output) as temporary:
        pd.DataFrame(rows, columns=COLUMNS).to_csv(temporary, index=False)


def _load(path: Path, device: str, experiment: str) -> tuple[dict[str, Any], LEIGNNCalculator | None]:
    """What all rows of a checkpoint say, and its calculator; None if its training had failed."""
    config = load_yaml(path.with_name("config.yaml"))
    about = {
        "experiment": experiment,
        "model": config["title"],
        "dataset": config["dataset"],
        "stand_in": config["dataset_info"]["stand_in"],
        "scale": config["scale"],
        "seed": config["seed"],
        "status": "ok",
    }
    try:
        calculator = LEIGNNCalculator(path, device)
    except RunFailedError as failure:
        return about | {"status": f"failed: {failure}"}, None
    return about | {
        "direct_forces": not isinstance(calculator.trained.potential, EnergyPotential)
    }, calculator


def _drifts(
    calculator: LEIGNNCalculator,
    starts: list[Atoms],
    temperature: float,
    duration: float,
    timesteps: list[float],
) -> Iterator[dict[str, Any]]:
    """For each time step the mean over all starts, with its standard error."""
    for timestep in timesteps:
        found, reasons = [], []
        for number, start in enumerate(starts):
            atoms = start.copy()
            atoms.calc = calculator
            rng = np.random.default_rng(number)
            MaxwellBoltzmannDistribution(atoms, temperature_K=temperature, rng=rng)
            drift, reason = energy_drift(atoms, timestep, round(duration / timestep))
            if reason:
                reasons.append(reason)
            else:
                found.append(drift)
        row = {"timestep_fs": timestep, "unit": "meV/atom/ps"}
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
        reason = reason_to_stop(atoms.get_potential_energy(), atoms.get_forces(), atoms.get_temperature())
        if reason:
            return np.nan, reason
        energies.append(atoms.get_total_energy())
    times = np.arange(steps + 1) * timestep / 1000
    return 1000 * np.polyfit(times, energies, 1)[0] / free, ""


def _couplings(calculator: LEIGNNCalculator, separations: list[float]) -> Iterator[dict[str, Any]]:
    one, other = (molecule(name) for name in MOLECULES)
    for separation in separations:
        energy, forces = coupling(calculator, one, other, separation)
        row = {"separation_ang": separation}
        yield row | {"value": 1000 * energy, "unit": "meV"}
        yield row | {"experiment": "pair_forces", "value": 1000 * forces, "unit": "meV/Å"}


def coupling(
    calculator: LEIGNNCalculator, one: Atoms, other: Atoms, separation: float
) -> tuple[float, float]:
    """What two molecules do to each other in a periodic cube of twice their separation.

    Args:
        calculator: of the potential.
        one, other: the molecules.
        separation: Å between their centres of mass.

    Returns:
        E(both) − E(one) − E(other) in eV, without the energy shift of the data set; and the largest
        change of an atom's force by the other molecule's presence, eV/Å.
    """
    fragments = []
    for atoms, place in ((one, 0.5), (other, 1.5)):
        fragment = atoms.copy()
        fragment.set_cell(np.eye(3) * 2 * separation)
        fragment.pbc = True
        fragment.positions += [place * separation, separation, separation] - fragment.get_center_of_mass()
        fragments.append(fragment)
    energies, forces = [], []
    for atoms in (*fragments, fragments[0] + fragments[1]):
        atoms.calc = calculator
        forces.append(atoms.get_forces())
        energies.append(atoms.get_potential_energy() - calculator.trained.energy_shift)
    change = forces[2] - np.concatenate(forces[:2])
    return energies[2] - energies[0] - energies[1], np.linalg.norm(change, axis=1).max()
