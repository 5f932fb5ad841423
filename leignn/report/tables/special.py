"""Rows that are no models: the trivial predictor, an improvement in percent, a correlation of ranks."""

from typing import Any

import numpy as np
import pandas as pd

from leignn.config.result import Improvement, Table
from leignn.report.runs import TRIVIAL
from leignn.report.tables.columns import printed

IMPROVEMENT = "Improvement"
RANK_CORRELATION = "Rank correlation"
NOT_RUN = "not run"  # a model's status; the scale of a data set without any run
SPECIAL_ROWS = (TRIVIAL, IMPROVEMENT, RANK_CORRELATION)  # neither ranked nor compared


def improvement(rows: dict[str, dict[str, Any]], between: Improvement, declared: Table) -> dict[str, Any]:
    """By how many percent of the other's number a model's is better, measured and published.

    Args:
        rows: by model.
        between: the two models.
        declared: what the table shows.
    """
    model, other = (rows.get(title, {}) for title in (between.model, between.over))
    n_seeds = min(model.get("n_seeds", 0), other.get("n_seeds", 0))
    row: dict[str, Any] = {"model": IMPROVEMENT, "status": "percent", "n_seeds": n_seeds}
    for place in printed(declared):
        sign = -1 if place.column.best == "highest" else 1
        for name in (place.name, f"{place.name}_published"):
            first, second = model.get(name, np.nan), other.get(name, np.nan)
            row[name] = sign * 100 * (second - first) / second
        a, b = (found.get(place.name, np.nan) for found in (model, other))
        e, f = (found.get(f"{place.name}_stderr", np.nan) for found in (model, other))
        row[f"{place.name}_stderr"] = 100 * np.hypot(e / b, a * f / b**2)  # to first order
    return row


def rank_correlation(table: pd.DataFrame, declared: Table) -> dict[str, Any]:
    """Spearman's correlation of measured and published numbers over the models that have both."""
    models = table[~table["model"].isin(SPECIAL_ROWS)]
    row: dict[str, Any] = {"model": RANK_CORRELATION, "status": "Spearman"}
    for name in (place.name for place in printed(declared)):
        both = models[[name, f"{name}_published"]].dropna()
        row[name] = both.rank().corr().iloc[0, 1] if len(both) > 1 else np.nan
    return row
