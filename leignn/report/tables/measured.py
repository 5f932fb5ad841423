"""What was measured of one model: means and standard errors over its runs and simulations."""

from collections.abc import Sequence
from typing import Any

import numpy as np
import pandas as pd

from leignn.config.result import Table
from leignn.errors import InputError
from leignn.report.runs import Run
from leignn.report.simulations import Simulation
from leignn.report.tables.columns import places
from leignn.report.tables.special import NOT_RUN


def measured(runs: list[Run], simulations: list[Simulation], declared: Table) -> dict[str, Any]:
    """The row of one model on one data set; NaN where there is no run, or none that gave the number."""
    good = [run for run in runs if run.metrics["status"] == "ok"]
    status = "ok" if good else NOT_RUN
    if failed := [run for run in runs if run.metrics["status"] == "failed"]:
        status = f"failed: {failed[0].metrics['message']}"
    row: dict[str, Any] = {
        "status": status,
        "parameters": good[0].metrics["parameters"] if good else np.nan,
        **(_training(good) if good else {}),
    }
    splits = {group: _splits(good, group, declared) for group in declared.groups or [""]}
    row["n_seeds"] = min((len(found) for found in splits.values() if found), default=0)
    ran = [simulation for simulation in simulations if simulation.ran]
    if declared.simulated:
        row |= _outcomes(ran)
    for place in places(declared):
        if place.column.metric:
            values = [split[place.column.metric] for split in splits[place.group]]
        else:
            values = [_observable(simulation, place.column.observable) for simulation in ran]
        row |= mean_and_error(place.name, values)
        row[f"{place.name}_count"] = sum(value is not None for value in values)
    return row


def _training(good: list[Run]) -> dict[str, Any]:
    """How long the runs of one model were trained, and in which graph."""
    config = good[0].config
    graph = f"{config.graph.cutoff:g} Å, {config.graph.max_neighbors} neighbours"
    means = {
        key: pd.Series([run.metrics[key] for run in good], dtype=float).mean()
        for key in ("steps", "train_seconds")
    }
    return means | {"batch_size": config.training.batch_size, "graph": graph}


def _splits(runs: list[Run], group: str, declared: Table) -> list[dict[str, Any]]:
    """The metrics of each seed on the test split of one group of columns."""
    split = declared.split if declared.members or not group else group
    if declared.members:
        runs = [run for run in runs if run.config.dataset_info.member == group]
        if len(names := sorted({run.config.dataset for run in runs})) > 1:
            raise InputError(f"{' and '.join(names)} are the same column {group!r}: name one of them")
    return [_split(run, split, declared) for run in runs]


def _split(run: Run, name: str, declared: Table) -> dict[str, Any]:
    """The metrics of one split; without a name, of the only one."""
    path, splits = run.folder / "metrics.json", run.metrics["splits"]
    if not name and len(splits) != 1:
        listed = ", ".join(splits) or "none"
        raise InputError(f"{path} has not one test split ({listed}): the table's `split` must name one")
    name = name or next(iter(splits))
    if name not in splits:
        raise InputError(f"{path} has no split {name!r}")
    for column in declared.columns.values():
        if column.metric and column.metric not in splits[name]:
            raise InputError(
                f"{path} has no metric {column.metric!r} of split {name!r}; it has "
                f"{', '.join(splits[name])}: another version scored the run, or the name is wrong"
            )
    return splits[name]


def _outcomes(ran: list[Simulation]) -> dict[str, Any]:
    outcomes = [simulation.observables["outcome"] for simulation in ran]
    return {
        "n_simulations": len(ran),
        "n_stopped": sum(outcome["status"] == "stopped" for outcome in outcomes),
        "simulated_ps": max((outcome["time_ps"] for outcome in outcomes), default=np.nan),
    }


def _observable(simulation: Simulation, key: str) -> float | None:
    """One number of a simulation; None where it ended before it could be computed."""
    content = simulation.observables
    of_outcome = key.startswith("outcome.")
    return content["outcome"].get(key.removeprefix("outcome.")) if of_outcome else content.get(key)


def mean_and_error(name: str, values: Sequence[float | None]) -> dict[str, Any]:
    """Mean and standard error (``…_stderr``) of the values that there are, NaN where they are too few."""
    present = np.array([value for value in values if value is not None], dtype=float)
    return {
        name: present.mean() if len(present) else np.nan,
        f"{name}_stderr": present.std(ddof=1) / np.sqrt(len(present)) if len(present) > 1 else np.nan,
    }
