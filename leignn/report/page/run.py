"""A run as the page shows it: how to repeat it, learning curve, configuration, log and provenance."""

import json
from typing import Any

import pandas as pd
import yaml

from leignn.report.drawing.palette import look
from leignn.report.runs import LEARNING_CURVES, Run
from leignn.report.significant import significant

LOG_ROWS = 50  # the last evaluations of a run


def _but_for_the_seed(run: Run) -> tuple[str, str, str]:
    return run.config.dataset, run.config.scale, run.config.model


def shown_run(run: Run, runs: list[Run]) -> dict[str, Any]:
    """What the page's template wants of a run; ``runs`` are all of the page."""
    log = run.log()
    provenance = run.provenance()
    seeds = [r for r in runs if _but_for_the_seed(r) == _but_for_the_seed(run) and r is not run]
    return {
        "anchor": run.anchor,
        "title": run.metrics["title"],
        "key": look(run.metrics["title"]),
        "dataset": run.config.dataset_info.title,
        "scale": run.config.scale,
        "seed": run.config.seed,
        "others": [{"seed": r.config.seed, "anchor": r.anchor} for r in seeds],
        "folder": run.folder.as_posix(),
        "status": run.metrics["status"],
        "message": run.metrics["message"],
        "config": yaml.safe_dump(run.config.plain(), sort_keys=False),
        "provenance": json.dumps(provenance, indent=1),
        "command": provenance["command"],
        "seconds": run.metrics["train_seconds"],
        "steps": run.metrics["steps"],
        "curves": [curve for column in LEARNING_CURVES if (curve := _curve(log, column)) is not None],
        "log_columns": [LEARNING_CURVES.get(column, column) for column in log.columns],
        "log_rows": [
            [significant(value, 4) for value in row] for row in log.tail(LOG_ROWS).itertuples(index=False)
        ],
    }


def _curve(log: pd.DataFrame, column: str) -> dict[str, Any] | None:
    """A run's learning curve in a box of 300 × 90, or None with fewer than two values."""
    found = log[["step", column]].dropna()
    if len(found) < 2:
        return None
    steps, values = found["step"].to_numpy(), found[column].to_numpy()
    low, high = values.min(), values.max()
    x = 300 * (steps - steps[0]) / (steps[-1] - steps[0])
    y = 90 - 90 * (values - low) / ((high - low) or 1)
    return {
        "title": LEARNING_CURVES[column],
        "points": " ".join(f"{a:.1f},{b:.1f}" for a, b in zip(x, y, strict=True)),
        "low": significant(low, 4),
        "high": significant(high, 4),
        "first": f"{steps[0]:.0f}",
        "last": f"{steps[-1]:.0f}",
    }
