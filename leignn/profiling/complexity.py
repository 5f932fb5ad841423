"""Profile models as the paper's Figure 4 does: time, parameters, operations and memory, on this machine.

Every model with random weights, at the sizes of one or more scales. On structures of the training split: a
training step (forward, loss, backward, clipping, AdamW) and an inference, graphs already built. On rattled
copper: an inference over the number of atoms and over that of neighbours. Writes one row a scale, model,
form, device and point; times are medians, with quartiles and standard errors, of repeats in which the models
take turns. A model with compiled parts has a second row for its plain form, the equations as they are
written: what is between the two is implementation, the rest architecture. One whose size is another in a
second set of baselines has a row for that, too.
"""

import argparse
from pathlib import Path
from typing import Any, get_args

import numpy as np
import pandas as pd
import torch

from leignn.arguments import add_threads, output_file, positive, usable_device
from leignn.config.base import Scale
from leignn.config.dataset import DATASET_HELP
from leignn.config.model import MODEL_HELP, Baselines
from leignn.config.run import RunConfig, resolve_run, settings_of
from leignn.errors import InputError
from leignn.files import read_csv, replacing
from leignn.profiling.costs import costs, load_models
from leignn.profiling.crystals import profile_crystals
from leignn.profiling.profiled import Profiled
from leignn.profiling.rows import TRAINING, row_of, shape_of, title_of

LEFT_OUT = "not tried: left out of the selection (profile.left_out)"
REFERENCE = "leignn"  # ratios are to this model's times


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--dataset", required=True, help=DATASET_HELP)
    parser.add_argument("--models", nargs="+", required=True, help=f"each {MODEL_HELP}")
    parser.add_argument("--scales", nargs="+", choices=get_args(Scale), required=True, help="sizes")
    parser.add_argument("--left-out", nargs="*", default=[], help="those of the models that are not profiled")
    parser.add_argument(
        "--baselines",
        nargs="*",
        choices=get_args(Baselines),
        default=[],
        help="sets of baselines that are profiled beside that of the settings",
    )
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
    published = read_csv(args.published, dtype={"model": str}).set_index("model")["times_leignn"].to_dict()
    rows = []
    for scale in args.scales:
        runs = []
        for model in args.models:
            sizes = sizes_of(args.dataset, model, scale, settings, args.baselines)
            runs += sizes
            if (usual := sizes[0].title) in published:
                published |= {run.title: published[usual] for run in sizes}
        left_out = [run for run in runs if run.model in args.left_out]
        runs = [run for run in runs if run not in left_out]
        for device in devices:
            rows += [row_of(run, "only", device, TRAINING, LEFT_OUT) for run in left_out]
            rows += profile_scale(runs, args, device) if runs or not left_out else []
    add_ratios(rows, published)
    with replacing(args.output) as temporary:
        pd.DataFrame(rows).to_csv(temporary, index=False, float_format="%.6g")


def sizes_of(
    dataset: str, model: str, scale: Scale, settings: dict[str, Any], baselines: list[Baselines]
) -> list[RunConfig]:
    """The run of a model, and those of other sets of baselines whose model is another: with their name."""
    runs = [resolve_run(dataset, model, scale, 0, settings)]
    for name in baselines:
        run = resolve_run(dataset, model, scale, 0, settings | {"baselines": name})
        if (run.hyperparameters, run.graph) not in [(other.hyperparameters, other.graph) for other in runs]:
            runs.append(run.model_copy(update={"title": f"{run.title} ({name})"}))
    return runs


def profile_scale(runs: list[RunConfig], args: argparse.Namespace, device: str) -> list[dict[str, Any]]:
    """All rows of models on a device.

    Raises:
        InputError: none of them can be profiled.
    """
    failed, loaded = load_models(runs, args.stores, args.splits, device)
    forms = (form for model in loaded.values() for form in (model, model.plain_form()) if form is not None)
    models = {title_of(form.run, form.form): form for form in forms}
    if not models:
        names = ", ".join(run.model for run in runs)
        reasons = [row["status"].removeprefix("failed: ") for row in failed] or ["nothing to train"]
        raise InputError(f"no model of {names} can be profiled: {'; '.join(reasons)}")
    rows = failed + profile_training(models, args.batch_size, args.seconds)
    return rows + profile_crystals(models, args.longest)


def profile_training(models: dict[str, Profiled], batch_size: int, seconds: float) -> list[dict[str, Any]]:
    """One row a model: all about structures of the training split.

    Args:
        models: by title.
        batch_size: structures in a batch.
        seconds: for the repeats of training, and again of inference.
    """
    rows, operations = [], {}
    for name, found in costs(models, batch_size, seconds).items():
        model, batch = models[name], models[name].batch(batch_size)
        row = row_of(model.run, model.form, model.device, TRAINING) | shape_of(batch) | found
        row["train_epoch_s"] = row["train_ms"] / 1e3 * model.train_structures
        if model.run.title not in operations:  # of the equations, whatever the form
            operations[model.run.title] = model.operations(batch)
            model.release()
        rows.append(row | operations[model.run.title])
    return rows


def add_ratios(rows: list[dict[str, Any]], published: dict[str, float]) -> None:
    """Put times at the training structures in units of LEIGNN's, of its scale, device and accelerated form,
    beside the paper's; standard errors of both in quadrature.
    """
    rows = [row for row in rows if row["point"] == TRAINING and "train_ms" in row]
    own = {
        (row["scale"], row["device"]): row
        for row in rows
        if row["model"] == REFERENCE and row["form"] != "plain"
    }
    for row in rows:
        if row["title"] in published:
            row["published_ratio"] = published[row["title"]]
        if (unit := own.get((row["scale"], row["device"]))) is None:
            continue
        for key in ("train", "inference"):
            time, error = f"{key}_ms", f"{key}_ms_stderr"
            row[f"{key}_ratio"] = ratio = row[time] / unit[time]
            spread = 0.0 if row is unit else float(np.hypot(row[error] / row[time], unit[error] / unit[time]))
            row[f"{key}_ratio_stderr"] = ratio * spread
