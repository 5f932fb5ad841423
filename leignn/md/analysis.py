"""Compute the observables of a simulation, beside those of its reference.

Writes OUTPUT (observables.json: stability, errors, diffusivity, temperature, speed) and, beside it,
observables.npz with the curves that the figures show.
"""

import argparse
import dataclasses
import json
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from leignn.config.dataset import DATASET_HELP, load_dataset
from leignn.config.run import load_run_config
from leignn.errors import InputError
from leignn.files import read_arrays, read_json, replacing, write_text
from leignn.md.observables import pair_distances, pair_distances_mae, rdf, rdf_mae, stability
from leignn.md.protocol import Analysis, Diffusion, analysis_of
from leignn.md.reference_trajectory import comparable, curves_of, diffusivity
from leignn.md.trajectory import TooShortError, Trajectory, simulated_trajectory
from leignn.schemas import validate

SCHEMA = 1


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--simulation", type=Path, required=True, help="folder that `simulate` wrote")
    parser.add_argument("--run", type=Path, required=True, help="the trained run's folder")
    parser.add_argument("--dataset", required=True, help=DATASET_HELP)
    parser.add_argument("--reference", type=Path, required=True, help="what `analyse-reference` wrote")
    parser.add_argument("--output", type=Path, required=True, help="SIMULATION/observables.json")


def main(args: argparse.Namespace) -> None:
    config = load_run_config(args.run)
    analysis = analysis_of(load_dataset(args.dataset))
    outcome = read_json(args.simulation / "outcome.json")
    content = {
        "schema": SCHEMA,
        **config.identity,
        "stand_in": config.dataset_info.stand_in,
        "outcome": outcome,
        "analysis": dataclasses.asdict(analysis),
    }
    curves: dict[str, np.ndarray] = {}
    if outcome["status"] != "failed":
        reference = read_arrays(args.reference)
        try:
            trajectory = simulated_trajectory(args.simulation / "trajectory.extxyz")
        except TooShortError:
            if outcome["status"] != "stopped":
                raise
            content["stability_ps"] = outcome["time_ps"]  # all there is to say of it
        else:
            curves = curves_of(trajectory, analysis, reference)
            content |= _temperature(args.simulation / "thermo.csv")
            content |= observables(trajectory, analysis, reference, outcome["time_ps"])
    validate(content, "observables", args.output)
    with replacing(args.output.with_suffix(".npz")) as temporary:
        np.savez(temporary, **curves)
    write_text(args.output, json.dumps(content, indent=1))


def _temperature(path: Path) -> dict[str, float]:
    try:
        temperature = pd.read_csv(path)["temperature_k"]
    except (OSError, ValueError, KeyError) as error:
        raise InputError(f"{path} cannot be read: {error}") from error
    return {"temperature_mean_k": float(temperature.mean()), "temperature_std_k": float(temperature.std())}


def observables(
    trajectory: Trajectory, analysis: Analysis, reference: dict[str, np.ndarray], time: float
) -> dict[str, Any]:
    """The numbers of a simulation.

    Args:
        trajectory: of the simulation.
        analysis: what to compute.
        reference: arrays of ``analyse-reference``.
        time: ps that were simulated.

    Returns:
        ``stability_ps``, ``rdf_mae`` (Å; None without a cell), ``pair_distances_mae``, and of the
        diffusing element ``diffusivity`` and ``diffusivity_mdsim`` (MDSim's count of windows),
        ``diffusivity_reference`` and ``diffusivity_error`` in 1e-9 m²/s, or None and the reason in
        ``diffusivity_missing``.
    """
    cell = trajectory.cell

    def of_rdf(positions: np.ndarray) -> float:
        return rdf_mae(rdf(positions, cell), reference["rdf"])

    def of_pair_distances(positions: np.ndarray) -> float:
        return pair_distances_mae(pair_distances(positions), reference["pair_distances"])

    positions = comparable(trajectory, analysis)

    def deviation(window: np.ndarray) -> float:
        if analysis.distribution == "rdf":
            return of_rdf(window)
        try:
            return of_pair_distances(window)
        except InputError:  # no two atoms are within the range any more
            return np.inf

    window = max(1, round(analysis.window / trajectory.frame_time))
    # A simulation that stopped within its first window was stable for as long as it lasted.
    stable = time
    if len(trajectory) >= window:
        stable = min(time, stability(positions, deviation, window, trajectory.frame_time))
    found = {
        "stability_ps": stable,
        "rdf_mae": of_rdf(positions) if trajectory.periodic else None,
        "pair_distances_mae": of_pair_distances(positions),
    }
    if analysis.diffusion is not None:
        found |= _diffusivities(trajectory, analysis.diffusion, reference, stable)
    return found


def _diffusivities(
    trajectory: Trajectory, how: Diffusion, reference: dict[str, np.ndarray], stable: float
) -> dict[str, Any]:
    expected = float(reference["diffusivity"])
    found: dict[str, Any] = {"diffusivity_reference": expected if np.isfinite(expected) else None}
    if stable < how.stable:
        missing = f"stable for {stable:g} ps, not for the {how.stable:g} that its diffusivity needs"
        return found | {"diffusivity_missing": missing}
    try:
        found["diffusivity"] = diffusivity(trajectory, how, "corrected")
        found["diffusivity_mdsim"] = diffusivity(trajectory, how, "mdsim")
    except InputError as error:
        return found | {"diffusivity_missing": str(error)}
    if found["diffusivity_reference"] is not None:
        found["diffusivity_error"] = abs(found["diffusivity"] - expected)
    return found
