"""Build Table 1 or Table 2: measured errors beside the published ones, as CSV, Markdown and LaTeX.

Cells come from the runs' metrics and from ``config/published``; a cell that was not run is empty.
"""

import argparse
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from leignn.data.dataset_config import OC20_TESTS
from leignn.errors import InputError
from leignn.files import replacing, write_text
from leignn.report.render import to_latex, to_markdown
from leignn.report.results import Run, load_runs

QUANTITIES = {"energy_mev": "energy_mae_mev", "forces_mev_per_ang": "forces_mae_mev_per_ang"}
CELLS = [f"{split}_{quantity}" for split in OC20_TESTS for quantity in QUANTITIES]
TRIVIAL = "Mean energy, zero forces"
IMPROVEMENT = "Improvement"
REFERENCE_DATASET = "OC20-200K"  # whose published rows stand beside data that compare with none
EXTRAS = ("energy_count", "forces_cosine", "efwt_percent")


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--table", choices=("table1", "table2"), required=True)
    parser.add_argument("--published", type=Path, required=True, help="config/published/<table>.csv")
    parser.add_argument("--metrics", type=Path, nargs="+", required=True, help="RUN/metrics.json …")
    parser.add_argument("--output", type=Path, required=True, help="results/<table>.csv")


def main(args: argparse.Namespace) -> None:
    runs = load_runs([path.parent for path in args.metrics])
    table = build_table(runs, load_published(args.published), improvement=args.table == "table2")
    with replacing(args.output) as temporary:
        table.to_csv(temporary, index=False)
    write_text(args.output.with_suffix(".md"), to_markdown(table))
    write_text(args.output.with_suffix(".tex"), to_latex(table))


def load_published(path: Path) -> pd.DataFrame:
    """Published errors: columns dataset, model, the eight :data:`CELLS`, source."""
    try:
        published = pd.read_csv(path)
    except (OSError, ValueError) as error:
        raise InputError(f"{path} cannot be read: {error}") from error
    # The files keep the paper's column names, id_energy_mev, …
    if missing := [c for c in ["dataset", "model", *CELLS, "source"] if c not in published]:
        raise InputError(f"{path} has no column {missing[0]!r}")
    return published


def build_table(runs: list[Run], published: pd.DataFrame, improvement: bool) -> pd.DataFrame:
    """One row a model and data set.

    Args:
        runs: all runs that the table shows.
        published: see :func:`load_published`.
        improvement: append the improvement of LEIGNN over Vanilla in percent (Table 2).

    Returns:
        Columns dataset, dataset_title, stand_in, scale, model, status, n_seeds, parameters, and for
        each cell its mean, ``_stderr``, ``_published`` and ``_difference``, then counts and further
        metrics of each split.

    Raises:
        InputError: a run's data set lacks one of the four splits.
    """
    rows = []
    for key in dict.fromkeys((r.config["dataset"], r.config["scale"]) for r in runs):
        members = [r for r in runs if (r.config["dataset"], r.config["scale"]) == key]
        rows += _rows_of_dataset(members, published, improvement)
    return pd.DataFrame(rows)


def _rows_of_dataset(runs: list[Run], published: pd.DataFrame, improvement: bool) -> list[dict]:
    info = runs[0].config["dataset_info"]
    paper = published[published["dataset"] == (info["published_as"] or REFERENCE_DATASET)]
    paper = paper.set_index("model")
    titles = list(dict.fromkeys(r.metrics["title"] for r in runs))
    ours = [title for title in titles if title not in paper.index and title != TRIVIAL]
    rows = []
    for title in [TRIVIAL, *paper.index, *ours]:
        members = [r for r in runs if r.metrics["title"] == title]
        row = {
            "dataset": runs[0].config["dataset"],
            "dataset_title": info["title"],
            "stand_in": info["stand_in"],
            "scale": runs[0].config["scale"],
            "model": title,
            **_measured(members),
        }
        for cell in CELLS:
            row[f"{cell}_published"] = paper[cell].get(title, np.nan)
            comparable = info["published_as"] is not None
            row[f"{cell}_difference"] = row[cell] - row[f"{cell}_published"] if comparable else np.nan
        rows.append(row)
    if improvement:
        rows.append(_improvement(rows))
    return [{column: row.get(column, np.nan) for column in _columns()} for row in rows]


def _columns() -> list[str]:
    columns = ["dataset", "dataset_title", "stand_in", "scale", "model", "status", "n_seeds", "parameters"]
    for cell in CELLS:
        columns += [cell, f"{cell}_stderr", f"{cell}_published", f"{cell}_difference"]
    return columns + [f"{split}_{extra}" for split in OC20_TESTS for extra in EXTRAS]


def _measured(runs: list[Run]) -> dict[str, Any]:
    """Means and standard errors over the seeds of one model; NaN where there is no run."""
    good = [r for r in runs if r.metrics["status"] == "ok"]
    status = "ok" if good else "not run"
    if failed := [r for r in runs if r.metrics["status"] == "failed"]:
        status = f"failed: {failed[0].metrics['message']}"
    row: dict[str, Any] = {
        "status": status,
        "n_seeds": len(good),
        "parameters": good[0].metrics["parameters"] if good else np.nan,
    }
    for split in OC20_TESTS:
        for run in good:
            if split not in run.metrics["splits"]:
                raise InputError(f"{run.folder / 'metrics.json'} has no split {split!r}")
        results = [r.metrics["splits"][split] for r in good]
        for quantity, key in QUANTITIES.items():
            values = np.array([r[key] for r in results if r[key] is not None], dtype=float)
            row[f"{split}_{quantity}"] = values.mean() if len(values) else np.nan
            if len(values) > 1:
                row[f"{split}_{quantity}_stderr"] = values.std(ddof=1) / np.sqrt(len(values))
        for extra in EXTRAS:
            values = [r[extra] for r in results if r[extra] is not None]
            row[f"{split}_{extra}"] = np.mean(values) if values else np.nan
    return row


def _improvement(rows: list[dict[str, Any]]) -> dict[str, Any]:
    """LEIGNN over Vanilla in percent of Vanilla's error, measured and published."""
    by_model = {row["model"]: row for row in rows}
    vanilla, leignn = by_model["Vanilla"], by_model["LEIGNN"]
    row = {key: vanilla[key] for key in ("dataset", "dataset_title", "stand_in", "scale")}
    row |= {"model": IMPROVEMENT, "status": "percent", "n_seeds": min(vanilla["n_seeds"], leignn["n_seeds"])}
    for cell in CELLS:
        for column in (cell, f"{cell}_published"):
            row[column] = 100 * (vanilla[column] - leignn[column]) / vanilla[column]
    return row
