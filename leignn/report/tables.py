"""Build Table 1 or Table 2: measured errors beside the published ones, as CSV, Markdown and LaTeX.

Cells come from the runs' metrics and from ``config/published``; a cell that was not run is empty.
"""

import argparse
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from leignn.errors import InputError
from leignn.files import replacing, write_text
from leignn.report.layout import CELLS, IMPROVEMENT, RANK_CORRELATION, SPECIAL_ROWS, SPLITS, TRIVIAL
from leignn.report.render import to_latex, to_markdown
from leignn.report.results import Run, load_runs

METRICS = {"energy_mev": "energy_mae_mev", "forces_mev_per_ang": "forces_mae_mev_per_ang"}
REFERENCE_DATASET = "OC20-200K"  # whose published rows stand beside data that compare with none
EXTRAS = ("energy_count", "forces_cosine", "efwt_percent")


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--table", choices=("table1", "table2"), required=True)
    parser.add_argument("--published", type=Path, required=True, help="config/published/<table>.csv")
    parser.add_argument("--metrics", type=Path, nargs="+", required=True, help="RUN/metrics.json …")
    parser.add_argument("--output", type=Path, required=True, help="results/<table>.csv")


def main(args: argparse.Namespace) -> None:
    runs = load_runs([path.parent for path in args.metrics])
    table = build_table(runs, load_published(args.published), args.table)
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


def build_table(runs: list[Run], published: pd.DataFrame, name: str) -> pd.DataFrame:
    """One row a model and data set.

    Args:
        runs: all runs that the table shows.
        published: see :func:`load_published`.
        name: ``table1``, which ends with the rank correlation with the paper, or ``table2``, which
            ends with the improvement of LEIGNN over Vanilla in percent.

    Returns:
        Columns dataset, dataset_title, stand_in, scale, model, status, n_seeds, parameters, and for
        each cell its mean, ``_stderr``, ``_published``, ``_difference``, ``_rank`` (1 is best; ties
        share the better rank) and ``_published_rank`` (the paper's, among the models that were
        measured), then counts and further metrics of each split.

    Raises:
        InputError: a run's data set lacks one of the four splits.
    """
    groups = []
    for key in dict.fromkeys((r.config["dataset"], r.config["scale"]) for r in runs):
        members = [r for r in runs if (r.config["dataset"], r.config["scale"]) == key]
        groups.append(_rows_of_dataset(members, published, name))
    return pd.concat(groups, ignore_index=True)


def _rows_of_dataset(runs: list[Run], published: pd.DataFrame, name: str) -> pd.DataFrame:
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
    if name == "table2":
        rows.append(_improvement(rows))
    table = pd.DataFrame(rows)
    models = table[~table["model"].isin(SPECIAL_ROWS)]
    for cell in CELLS:
        both = models.dropna(subset=[cell, f"{cell}_published"])
        table[f"{cell}_rank"] = models[cell].rank(method="min")
        table[f"{cell}_published_rank"] = both[f"{cell}_published"].rank(method="min")
    if name == "table1":
        table.loc[len(table)] = _rank_correlation(models)
    return table.reindex(columns=_columns())


def _columns() -> list[str]:
    columns = ["dataset", "dataset_title", "stand_in", "scale", "model", "status", "n_seeds", "parameters"]
    for cell in CELLS:
        columns += [cell, f"{cell}_stderr", f"{cell}_published", f"{cell}_difference"]
        columns += [f"{cell}_rank", f"{cell}_published_rank"]
    return columns + [f"{split}_{extra}" for split in SPLITS for extra in EXTRAS]


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
    for split in SPLITS:
        for run in good:
            if split not in run.metrics["splits"]:
                raise InputError(f"{run.folder / 'metrics.json'} has no split {split!r}")
        results = [r.metrics["splits"][split] for r in good]
        for quantity, key in METRICS.items():
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


def _rank_correlation(models: pd.DataFrame) -> dict[str, Any]:
    """Spearman's correlation of measured and published errors over the models that have both."""
    row = models.iloc[0][["dataset", "dataset_title", "stand_in", "scale"]].to_dict()
    row |= {"model": RANK_CORRELATION, "status": "Spearman"}
    for cell in CELLS:
        both = models[[cell, f"{cell}_published"]].dropna()
        row[cell] = both.rank().corr().iloc[0, 1] if len(both) > 1 else np.nan
    return row
