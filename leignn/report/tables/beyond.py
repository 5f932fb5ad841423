"""Build the comparison of models that goes past the paper: errors, energy drift, coupling, time and memory.

One row a model: means over its seeds, each with its standard error in a column ``…_stderr``.
"""

import argparse
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Literal

import numpy as np
import pandas as pd

from leignn.arguments import output_file
from leignn.errors import InputError
from leignn.files import read_csv, replacing
from leignn.md.limitations import COLUMNS, read_rows
from leignn.report.runs import Run, load_runs
from leignn.report.tables.measured import mean_and_error

ERRORS = {"energy_mev": "energy_mae_mev", "forces_mev_per_ang": "forces_mae_mev_per_ang"}
TIMES = ("train_ms", "train_ms_stderr", "inference_ms", "inference_ms_stderr")
COSTS = (*TIMES, "train_memory_mb", "inference_memory_mb", "device", "hardware", "threads")


def add_arguments(parser: argparse.ArgumentParser) -> None:
    for name, what in (("oc20", "structures with adsorbates"), ("md", "a trajectory")):
        parser.add_argument(
            f"--{name}",
            nargs=2,
            required=True,
            metavar=("NAME", "SPLIT"),
            help=f"data set of {what}, and its test split",
        )
    parser.add_argument("--metrics", type=Path, nargs="*", default=[], help="RUN/metrics.json …")
    parser.add_argument(
        "--limitations", type=Path, nargs="*", default=[], help="RUN/limitations/drift.csv, separation.csv …"
    )
    parser.add_argument(
        "--costs", type=Path, required=True, help="what `measure-costs` wrote of these models"
    )
    parser.add_argument("--output", type=output_file, required=True, help="results/beyond.csv")


def main(args: argparse.Namespace) -> None:
    runs = load_runs([path.parent for path in args.metrics])
    rows = [read_rows(path) for path in args.limitations]
    limitations = pd.concat([pd.DataFrame(columns=COLUMNS), *rows], ignore_index=True)
    costs = read_csv(args.costs)
    if missing := [name for name in ("title", *COSTS) if name not in costs]:
        raise InputError(
            f"{args.costs} has no column {missing[0]!r}: another version wrote it, build it anew"
        )
    table = compare(args.oc20, args.md, runs, limitations, costs)
    with replacing(args.output) as temporary:
        table.to_csv(temporary, index=False)


def compare(
    oc20: Sequence[str], md: Sequence[str], runs: list[Run], limitations: pd.DataFrame, costs: pd.DataFrame
) -> pd.DataFrame:
    """One row a model, in the order of its runs.

    The drift of the total energy is the size of its slope at the smallest time step, the coupling that of the
    energy by which two molecules feel each other at the largest distance (see :mod:`leignn.md.drift`,
    :mod:`leignn.md.separation`). Both, and what a structure costs, are of the first data set.

    Args:
        oc20, md: names of the data sets, each with that of the test split whose errors are compared.
        runs: of the models on both.
        limitations: rows that `measure-drift` and `measure-separation` wrote of these runs.
        costs: rows that `measure-costs` wrote of these models.

    Raises:
        InputError: a run is of another data set, or lacks the split.
    """
    if other := sorted({run.config.dataset for run in runs} - {oc20[0], md[0]}):
        raise InputError(f"runs are of {other[0]}, neither {oc20[0]} nor {md[0]}")
    rows = []
    for title in dict.fromkeys(run.metrics["title"] for run in runs):
        own = [run for run in runs if run.metrics["title"] == title]
        good = [run for run in own if run.metrics["status"] == "ok"]
        failed = [run.metrics["message"] for run in own if run.metrics["status"] == "failed"]
        row: dict[str, Any] = {
            "model": title,
            "dataset": oc20[0],
            "scale": own[0].config.scale,
            "stand_in": any(run.config.dataset_info.stand_in for run in own),
            "status": f"failed: {failed[0]}" if failed else "ok",
            "parameters": good[0].metrics["parameters"] if good else np.nan,
        }
        for name, (dataset, split) in (("oc20", oc20), ("md", md)):
            of_data = [run for run in good if run.config.dataset == dataset]
            row |= {f"{name}_split": split, f"{name}_seeds": len(of_data)}
            scored = [_scored(run, split) for run in of_data]
            for column, metric in ERRORS.items():
                row |= mean_and_error(f"{name}_{column}", [metrics[metric] for metrics in scored])
        row["md_dataset"] = md[0]
        of_model = limitations[(limitations["model"] == title) & (limitations["dataset"] == oc20[0])]
        row |= _limitation(of_model, "nve_drift", "timestep_fs", "min", "drift_mev_per_atom_ps")
        row |= _limitation(of_model, "pair_energy", "separation_ang", "max", "coupling_mev")
        if row["status"] == "ok" and (of_model["status"] != "ok").any():
            row["status"] = of_model.loc[of_model["status"] != "ok", "status"].iloc[0]
        rows.append(row | _costs(costs, title))
    return pd.DataFrame(rows)


def _scored(run: Run, split: str) -> dict[str, Any]:
    if split not in run.metrics["splits"]:
        raise InputError(f"{run.folder / 'metrics.json'} has no split {split!r}")
    return run.metrics["splits"][split]


def _limitation(
    rows: pd.DataFrame, experiment: str, at: str, end: Literal["min", "max"], name: str
) -> dict[str, Any]:
    """Mean size of a limitation over seeds, where the column ``at`` is smallest or largest.

    What a seed was measured with has an error, too, by which the size of a zero seems larger: it is added
    in quadrature. Where a seed has no value, as of a simulation that stopped, there is no mean of the others.
    """
    own = rows[rows["experiment"] == experiment]
    places, values, errors = (pd.to_numeric(own[column]) for column in (at, "value", "stderr"))
    where = places.agg(end)
    here = places == where
    found = mean_and_error(name, values[here].abs().tolist())
    measured = np.sqrt(np.square(errors[here].fillna(0)).sum()) / max(here.sum(), 1)
    found[f"{name}_stderr"] = np.hypot(found[f"{name}_stderr"], measured)
    return {at: where} | found


def _costs(costs: pd.DataFrame, title: str) -> dict[str, Any]:
    """Time a structure, and memory of the measured batch."""
    own = costs[costs["title"] == title]
    return dict.fromkeys(COSTS, np.nan) if own.empty else own.iloc[0][list(COSTS)].to_dict()
