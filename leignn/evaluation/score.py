"""Compute a run's metrics from its kept predictions and the labels in the stores."""

import argparse
import json
from pathlib import Path

from leignn.arguments import output_file
from leignn.config.run import load_run_config
from leignn.data.frames import Frames, SequentialBatches
from leignn.errors import InputError
from leignn.evaluation.metrics import MetricSums, Predicted
from leignn.evaluation.predict import FAILURE
from leignn.files import read_arrays, read_json, write_text

SCHEMA = 1
CHUNK = 1024  # structures


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--run", type=Path, required=True, help="the run's folder")
    parser.add_argument("--stores", type=Path, required=True, help="folder with a store for each part")
    parser.add_argument("--splits", type=Path, required=True, help="folder with the split manifests")
    parser.add_argument("--predictions", type=Path, required=True, help="folder with <split>.npz")
    parser.add_argument("--output", type=output_file, required=True, help="RUN/metrics.json")


def main(args: argparse.Namespace) -> None:
    config = load_run_config(args.run)
    record = read_json(args.run / "provenance.json")
    failure = args.predictions / FAILURE
    metrics = {
        "schema": SCHEMA,
        **config.identity,
        "stand_in": config.dataset_info.stand_in,
        "status": "failed" if failure.exists() else "ok",
        "message": failure.read_text(encoding="utf-8") if failure.exists() else "",
        "parameters": record.get("parameters"),
        "train_structures": record.get("train_structures"),
        "train_seconds": record.get("seconds"),
        "steps": record.get("steps"),
        "best_step": record.get("best_step"),
        "splits": {},
    }
    if not failure.exists():
        metrics["splits"] = {
            path.stem: score_split(path, Frames(args.stores, args.splits / f"{path.stem}.csv", None))
            for path in sorted(args.predictions.glob("*.npz"))
        }
    write_text(args.output, json.dumps(metrics, indent=1))


def score_split(predictions: Path, frames: Frames) -> dict[str, float | int | None]:
    """Metrics of one split (see :mod:`leignn.evaluation.metrics`).

    Raises:
        InputError: the predictions cannot be read or are not of this split.
    """
    arrays = read_arrays(predictions)
    try:
        energy, forces = arrays["energy"], arrays["forces"]
    except KeyError as error:
        raise InputError(f"{predictions} holds no predictions: no array {error}") from error
    if len(energy) != len(frames):
        raise InputError(f"{predictions} has {len(energy)} structures, its manifest {len(frames)}")
    sums, first_atom = MetricSums(), 0
    for indices in SequentialBatches(len(frames), CHUNK):
        labels = frames[indices]
        atoms = slice(first_atom, first_atom + len(labels.pos))
        if atoms.stop > len(forces):
            raise InputError(f"{predictions} has forces of {len(forces)} atoms, too few for its manifest")
        predicted = Predicted(
            energy[indices],
            labels.energy.numpy(),
            forces[atoms],
            labels.forces.numpy(),
            labels.fixed.numpy(),
            labels.natoms.numpy(),
        )
        sums.add(predicted)
        first_atom = atoms.stop
    return sums.metrics()
