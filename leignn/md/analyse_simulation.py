"""Compute the observables of a simulation, beside those of its reference.

Writes OUTPUT (observables.json: stability, errors, diffusivity, temperature, speed) and, beside it,
observables.npz with the curves that the figures show.
"""

import argparse
from pathlib import Path

import numpy as np
import pandas as pd

from leignn.arguments import output_file
from leignn.config.dataset import DATASET_HELP, load_dataset
from leignn.config.run import load_run_config
from leignn.config.simulation import Analysis
from leignn.errors import InputError
from leignn.files import read_json, read_own_arrays, verify_file, write_arrays, write_json
from leignn.md.analysis import curves_of, observables
from leignn.md.record import GROWING
from leignn.md.trajectory import TooShortError, simulated_trajectory
from leignn.provenance import sha256
from leignn.schemas import validate

SCHEMA = 1


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--simulation", type=Path, required=True, help="folder that `simulate` wrote")
    parser.add_argument("--run", type=Path, required=True, help="the trained run's folder")
    parser.add_argument("--dataset", required=True, help=DATASET_HELP)
    parser.add_argument("--reference", type=Path, required=True, help="what `analyse-reference` wrote")
    parser.add_argument("--output", type=output_file, required=True, help="SIMULATION/observables.json")


def main(args: argparse.Namespace) -> None:
    config = load_run_config(args.run)
    analysis = load_dataset(args.dataset).dynamics
    outcome = read_json(args.simulation / "outcome.json")
    content = {
        "schema": SCHEMA,
        **config.identity,
        "dataset_title": config.dataset_info.title,
        "stand_in": config.dataset_info.stand_in,
        "outcome": outcome,
        "analysis": analysis.model_dump(include=set(Analysis.model_fields)),
    }
    curves: dict[str, np.ndarray] = {}
    if outcome["status"] != "failed":
        reference = read_own_arrays(args.reference)
        for name in GROWING:
            verify_file(args.simulation / name, outcome)
        try:
            trajectory = simulated_trajectory(args.simulation / "trajectory.extxyz")
        except TooShortError:
            if outcome["status"] == "finished":
                raise
            content["stability_ps"] = outcome["time_ps"]  # all there is to say of it
        else:
            curves = curves_of(trajectory, analysis, reference)
            content |= _temperature(args.simulation / "thermo.csv")
            content |= observables(trajectory, analysis, reference, outcome["time_ps"])
    validate(content, "observables", args.output)
    arrays = args.output.with_suffix(".npz")
    write_arrays(arrays, curves)
    write_json(args.output, content | {"files": {arrays.name: sha256(arrays)}})


def _temperature(path: Path) -> dict[str, float]:
    try:
        temperature = pd.read_csv(path)["temperature_k"]
    except (OSError, ValueError, KeyError) as error:
        raise InputError(f"{path} cannot be read: {error}") from error
    return {"temperature_mean_k": float(temperature.mean()), "temperature_std_k": float(temperature.std())}
