"""Profile models as the paper's Figure 4 does: time, parameters, operations and memory, on this machine.

Every model at one scale, with random weights. On structures of the training split: a training step
(forward, loss, backward, clipping, AdamW) and an inference, graphs already built. On rattled copper: an
inference over the number of atoms and over that of neighbours. Writes one row a model, device and point;
times are medians, with quartiles, of repeats in which the models take turns.
"""

import argparse
from functools import partial
from pathlib import Path
from typing import Any

import pandas as pd
import torch
from ase import Atoms
from ase.build import bulk
from torch_geometric.data import Batch

from leignn.arguments import add_threads, output_file, positive, usable_device
from leignn.config.dataset import DATASET_HELP
from leignn.config.model import MODEL_HELP
from leignn.config.run import RunConfig, resolve_run, settings_of
from leignn.data.frames import collate
from leignn.data.structure import Structure
from leignn.errors import InputError, RunFailedError
from leignn.files import read_csv, replacing
from leignn.graph import GraphSpec
from leignn.neighbors import nearest_edges_of
from leignn.profiling.measure import Timing, interleaved, peak_memory
from leignn.profiling.profiled import Profiled, too_large
from leignn.provenance import hardware

REFERENCE = "leignn"  # ratios are to this model's times
REPEATS = ((4, 2, 2), (4, 4, 4), (7, 6, 6), (10, 10, 10), (16, 13, 12))  # copper: 64 to 9984 atoms
NEIGHBORS, CUTOFF = (6, 12, 18, 42, 78), 6.0  # of the 78 within 6 Å in copper of 256 atoms


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--dataset", required=True, help=DATASET_HELP)
    parser.add_argument("--models", nargs="+", required=True, help=f"each {MODEL_HELP}")
    parser.add_argument("--scale", required=True, help="sizes: smoke, mini, hour or paper")
    parser.add_argument("--settings", default="{}", help="JSON, as for `configure`")
    parser.add_argument("--stores", type=Path, required=True, help="folder with a store for each part")
    parser.add_argument("--splits", type=Path, required=True, help="folder with the split manifests")
    parser.add_argument("--published", type=Path, required=True, help="config/published/complexity.csv")
    parser.add_argument("--output", type=output_file, required=True, help="results/complexity.csv")
    parser.add_argument(
        "--device",
        type=usable_device,
        choices=("cpu", "cuda"),
        nargs="+",
        help="default: the CPU, and CUDA if there",
    )
    add_threads(parser)
    parser.add_argument("--batch-size", type=positive, default=8, help="structures a step (default 8)")
    parser.add_argument(
        "--seconds", type=float, default=8.0, help="for repeats of training, and of inference (default 8)"
    )
    parser.add_argument(
        "--longest", type=float, default=1.5, help="inference of a crystal that is tried, s (default 1.5)"
    )


def main(args: argparse.Namespace) -> None:
    if args.threads:
        torch.set_num_threads(args.threads)
    devices = args.device or (["cpu", "cuda"] if torch.cuda.is_available() else ["cpu"])
    if "cuda" in devices and not torch.cuda.is_available():
        raise InputError("--device cuda: there is no CUDA device")
    settings = settings_of(args.settings)
    runs = [resolve_run(args.dataset, model, args.scale, 0, settings) for model in args.models]
    published = read_csv(args.published, dtype={"model": str}).set_index("model")["times_leignn"].to_dict()
    rows = []
    for device in devices:
        failed, models = load_models(runs, args.stores, args.splits, device)
        if not models:
            names = ", ".join(run.model for run in runs)
            reasons = [row["status"].removeprefix("failed: ") for row in failed] or ["nothing to train"]
            raise InputError(f"no model of {names} can be profiled: {'; '.join(reasons)}")
        batches = {name: m.frames[range(min(args.batch_size, len(m.frames)))] for name, m in models.items()}
        rows += failed + profile_training(models, batches, args.seconds)
        rows += profile_crystals(models, args.longest)
    identity = {run.model: {"dataset": run.dataset, "scale": run.scale, "title": run.title} for run in runs}
    for row in rows:
        row |= identity[row["model"]] | {"torch": torch.__version__}
    add_ratios(rows, published)
    with replacing(args.output) as temporary:
        pd.DataFrame(rows).to_csv(temporary, index=False, float_format="%.6g")


def load_models(
    runs: list[RunConfig], stores: Path, splits: Path, device: str
) -> tuple[list[dict[str, Any]], dict[str, Profiled]]:
    """Rows of the runs whose model cannot be built; the models that have something to train, by name."""
    failed, models = [], {}
    for run in runs:
        try:
            model = Profiled(run, stores, splits, device)
        except RunFailedError as error:
            failed.append(_row(run.model, device, "training structures") | {"status": f"failed: {error}"})
            continue
        if model.parameters:
            models[run.model] = model
    return failed, models


def profile_training(
    models: dict[str, Profiled], batches: dict[str, Batch], seconds: float
) -> list[dict[str, Any]]:
    """One row a model: all about ``batches`` of the training split, in at least 3 and at most 15 rounds.

    Args:
        models: by name.
        batches: one for each.
        seconds: for the repeats of training, and again of inference.
    """
    device = next(iter(models.values())).device
    batches = {name: batch.to(device) for name, batch in batches.items()}
    steps = {name: partial(model.training_step, batches[name]) for name, model in models.items()}
    inferences = {name: partial(model.infer, batches[name]) for name, model in models.items()}
    training = interleaved(steps, device, 3, 15, seconds)
    inference = interleaved(inferences, device, 3, 15, seconds)
    rows = []
    for name, model in models.items():
        batch, size = batches[name], len(batches[name].natoms)
        row = _row(name, device, "training structures") | _shape(batch)
        row |= _milliseconds("train", training[name], size)
        row |= _milliseconds("inference", inference[name], size)
        row["train_epoch_s"] = row["train_ms"] / 1e3 * model.train_structures
        row["parameters"] = sum(p.numel() for p in model.potential.parameters())
        row |= model.operations(batch)
        row["train_memory_mb"] = peak_memory(steps[name], device) / 1e6
        row["inference_memory_mb"] = peak_memory(inferences[name], device) / 1e6
        rows.append(row)
    return rows


def profile_crystals(models: dict[str, Profiled], longest: float) -> list[dict[str, Any]]:
    """One row a model and crystal of copper: over atoms in the model's own graph, and over neighbours.

    What would take more than ``longest`` seconds, or too much memory, is not tried, and its row says so:
    judged from the crystal before, by the number of atoms, or by the square of that of neighbours, as
    models of angles need.
    """
    crystals = [_copper(repeats) for repeats in REPEATS]
    atoms = [(crystal, None, len(crystal)) for crystal in crystals]
    neighbors = [(crystals[1], GraphSpec(CUTOFF, count), count**2) for count in NEIGHBORS]
    device = next(iter(models.values())).device
    rows = []
    for point, members in (("atoms", atoms), ("neighbors", neighbors)):
        last: dict[str, tuple[float, float, float]] = {}  # size, seconds, bytes
        for crystal, graph, size in members:
            tried, batches = {}, {}
            for name, model in models.items():
                row = _row(name, device, point) | {"atoms": len(crystal)}
                row |= {"neighbors": graph.max_neighbors} if graph else {}
                rows.append(row)
                if name in last:
                    before, time, memory = last[name]
                    row["status"] = too_large(size / before, time, memory, longest, device) or "ok"
                if row["status"] != "ok":
                    continue
                spec = graph or model.potential.graph
                if spec is None:
                    row["status"] = "not tried: the model makes its own graph"
                    continue
                if spec not in batches:
                    batches[spec] = _batch(crystal, spec).to(device)
                row |= _shape(batches[spec])
                infer = partial(model.infer, batches[spec])
                tried[name] = infer, peak_memory(infer, device), row
            timings = interleaved({n: f for n, (f, *_) in tried.items()}, device, 2, 5, longest)
            for name, (_, memory, row) in tried.items():
                row |= _milliseconds("inference", timings[name], 1) | {"inference_memory_mb": memory / 1e6}
                last[name] = size, timings[name].median, memory
    return rows


def add_ratios(rows: list[dict[str, Any]], published: dict[str, float]) -> None:
    """Put times at the training structures in units of LEIGNN's on the same device beside the paper's."""
    rows = [row for row in rows if row["point"] == "training structures" and "train_ms" in row]
    own = {row["device"]: row for row in rows if row["model"] == REFERENCE}
    for row in rows:
        for kind in ("train", "inference") if row["device"] in own else ():
            row[f"{kind}_ratio"] = row[f"{kind}_ms"] / own[row["device"]][f"{kind}_ms"]
        if row["title"] in published:
            row["published_ratio"] = published[row["title"]]


def _row(model: str, device: str, point: str) -> dict[str, Any]:
    names = hardware()
    return {
        "model": model,
        "device": device,
        "hardware": names["gpu"] if device == "cuda" else names["cpu"],
        "threads": names["threads"],
        "point": point,
        "status": "ok",
    }


def _shape(batch: Batch) -> dict[str, Any]:
    atoms, edges, structures = len(batch.pos), batch.edge_index.shape[1], len(batch.natoms)
    return {"structures": structures, "atoms": atoms / structures, "neighbors": edges / atoms}


def _milliseconds(kind: str, timing: Timing, structures: int) -> dict[str, Any]:
    """Milliseconds a structure."""
    factor = 1e3 / structures
    return {
        f"{kind}_ms": timing.median * factor,
        f"{kind}_ms_low": timing.low * factor,
        f"{kind}_ms_high": timing.high * factor,
        f"{kind}_repeats": timing.repeats,
    }


def _copper(repeats: tuple[int, int, int]) -> Atoms:
    crystal = bulk("Cu", cubic=True).repeat(repeats)
    crystal.rattle(0.05, seed=0)
    return crystal


def _batch(atoms: Atoms, graph: GraphSpec) -> Batch:
    found = Structure.from_atoms(atoms)
    return collate([found], [nearest_edges_of(found.pos, found.cell, found.pbc, graph)])
