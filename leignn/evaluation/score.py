"""Compute a run's metrics from its kept predictions and the labels in the stores."""

import argparse
import json
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np

from leignn.arguments import output_file
from leignn.config.run import RunConfig, load_run_config
from leignn.data.selection import Selection
from leignn.errors import InputError, RunFailedError
from leignn.evaluation.kept import FAILURE, made_from
from leignn.evaluation.metrics import MetricSums, Predicted
from leignn.files import read_json, read_own_arrays, write_json
from leignn.finite import non_finite
from leignn.identity import differences, digest
from leignn.provenance import sha256, verifies

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
    failure = _failure(args.predictions / FAILURE)
    splits = {}
    if not failure:
        _check_run(args.run, config, record)
        try:
            mean_energy = Selection(args.stores, args.splits / "train.csv").mean_energy()
            files = sorted(args.predictions.glob("*.npz"))
            splits = {path.stem: _scored(args, path, mean_energy) for path in files}
        except RunFailedError as error:
            failure = str(error)
    metrics = {
        "schema": SCHEMA,
        **config.identity,
        "stand_in": config.dataset_info.stand_in,
        "status": "failed" if failure else "ok",
        "message": failure,
        "parameters": record.get("parameters"),
        "train_structures": record.get("train_structures"),
        "train_seconds": record.get("seconds"),
        "steps": record.get("steps"),
        "best_step": record.get("best_step"),
        "splits": splits,
        **({} if verifies() else {"stores_verified": False}),
    }
    write_json(args.output, metrics)


def _failure(path: Path) -> str:
    return path.read_text(encoding="utf-8") if path.exists() else ""


def _check_run(run: Path, config: RunConfig, record: dict[str, Any]) -> None:
    """Raise InputError unless checkpoint and configuration are those of the training on record."""
    found = {"checkpoint": sha256(run / "checkpoint.pt"), "configuration": digest(config.plain())}
    for key, file in (("checkpoint", "checkpoint.pt"), ("configuration", "config.yaml")):
        if record.get(key) != found[key]:
            raise InputError(f"{run / file} is not that of the training in provenance.json: train it anew")


def _scored(args: argparse.Namespace, path: Path, mean_energy: float) -> dict[str, float | int | None]:
    """Metrics of a file of predictions, which must be of this checkpoint, manifest and stores."""
    manifest = args.splits / f"{path.stem}.csv"
    frames = Selection(args.stores, manifest)
    try:
        origin = json.loads(str(read_own_arrays(path)["made_from"]))
    except (KeyError, ValueError) as error:
        raise InputError(f"{path} does not say what it was made from: predict anew") from error
    if changed := differences(origin, made_from(args.run, args.stores, manifest, frames)):
        raise InputError(f"{path} was made from another {', '.join(changed)}: predict anew")
    return score_split(path, frames, mean_energy)


def _name(frames: Selection, start: int, index: int) -> str:
    return frames.names([start + index])


def score_split(predictions: Path, frames: Selection, mean_energy: float) -> dict[str, float | int | None]:
    """Metrics of one split (see :mod:`leignn.evaluation.metrics`), ``mean_energy`` (eV) that of training.

    Raises:
        InputError: the predictions cannot be read or are not of this split.
        RunFailedError: one is not finite.
    """
    arrays = read_own_arrays(predictions)
    try:
        energy, forces = arrays["energy"], arrays["forces"]
    except KeyError as error:
        raise InputError(f"{predictions} holds no predictions: no array {error}") from error
    if len(energy) != len(frames):
        raise InputError(f"{predictions} has {len(energy)} structures, its manifest {len(frames)}")
    sums, first_atom = MetricSums(), 0
    for start in range(0, len(frames), CHUNK):
        rows = range(start, min(start + CHUNK, len(frames)))
        labels = [frames.structure(row) for row in rows]
        natoms = np.array([len(structure.pos) for structure in labels])
        atoms = slice(first_atom, first_atom + int(natoms.sum()))
        if atoms.stop > len(forces):
            raise InputError(f"{predictions} has forces of {len(forces)} atoms, too few for its manifest")
        chunk = slice(rows.start, rows.stop)
        if found := non_finite(energy[chunk], forces[atoms], natoms, partial(_name, frames, start)):
            raise RunFailedError(f"{predictions}: {found}")
        predicted = Predicted(
            energy[chunk],
            np.array([structure.energy for structure in labels]),
            forces[atoms],
            np.concatenate([structure.forces for structure in labels]),
            np.concatenate([structure.fixed for structure in labels]),
            natoms,
            mean_energy,
        )
        sums.add(predicted)
        first_atom = atoms.stop
    return sums.metrics()
