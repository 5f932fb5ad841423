"""Build a table: measured errors beside the published ones, as CSV, Markdown and LaTeX.

Cells come from the runs' metrics and from ``config/published``; a cell that was not run is empty.
:mod:`leignn.report.layout` says which tables there are, and their columns.
"""

import argparse
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from leignn.errors import InputError
from leignn.files import replacing, write_text
from leignn.report.layout import (
    EXTRAS,
    IMPROVEMENT,
    LAYOUTS,
    NOT_RUN,
    RANK_CORRELATION,
    SPECIAL_ROWS,
    TRIVIAL,
    Layout,
)
from leignn.report.render import to_latex, to_markdown
from leignn.report.results import Run, load_runs

METRICS = {"energy_mev": "energy_mae_mev", "forces_mev_per_ang": "forces_mae_mev_per_ang"}


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--table", choices=LAYOUTS, required=True)
    parser.add_argument("--published", type=Path, required=True, help="config/published/<table>.csv")
    parser.add_argument("--metrics", type=Path, nargs="*", default=[], help="RUN/metrics.json …")
    parser.add_argument("--output", type=Path, required=True, help="results/<table>.csv")


def main(args: argparse.Namespace) -> None:
    runs = load_runs([path.parent for path in args.metrics])
    table = build_table(runs, load_published(args.published, args.table), args.table)
    with replacing(args.output) as temporary:
        table.to_csv(temporary, index=False)
    write_text(args.output.with_suffix(".md"), to_markdown(table))
    write_text(args.output.with_suffix(".tex"), to_latex(table))


def load_published(path: Path, name: str) -> pd.DataFrame:
    """Published errors: columns dataset, model, the cells of the table ``name``, source."""
    try:
        published = pd.read_csv(path)
    except (OSError, ValueError) as error:
        raise InputError(f"{path} cannot be read: {error}") from error
    if missing := [c for c in ["dataset", "model", *LAYOUTS[name].cells, "source"] if c not in published]:
        raise InputError(f"{path} has no column {missing[0]!r}")
    return published


def build_table(runs: list[Run], published: pd.DataFrame, name: str) -> pd.DataFrame:
    """One row a model and data set.

    Args:
        runs: all runs that the table shows; without any, it shows what is published.
        published: see :func:`load_published`.
        name: key of :data:`leignn.report.layout.LAYOUTS`.

    Returns:
        Columns dataset, dataset_title, stand_in, scale, model, status, n_seeds, parameters, source (of
        what is published), and for each cell its mean, ``_stderr``, ``_published``, ``_difference``,
        ``_rank`` (1 is best; ties share the better rank) and ``_published_rank`` (among the models that
        were measured), then counts and further metrics of each group of columns.

    Raises:
        InputError: a run's data set has other splits than the table, or is no member of a data set.
    """
    layout = LAYOUTS[name]
    blocks: dict[tuple[str, str], list[Run]] = {}
    for run in runs:
        blocks.setdefault((_dataset(run, layout), run.config["scale"]), []).append(run)
    if layout.members or not runs:
        present = {dataset for dataset, _ in blocks}
        missing = [dataset for dataset in dict.fromkeys(published["dataset"]) if dataset not in present]
        blocks |= {(dataset, NOT_RUN): [] for dataset in missing}
    tables = [
        _block(dataset, scale, members, published, layout) for (dataset, scale), members in blocks.items()
    ]
    return pd.concat(tables, ignore_index=True)


def _dataset(run: Run, layout: Layout) -> str:
    """Name of the data set in whose block of rows a run stands."""
    if not layout.members:
        return run.config["dataset"]
    info = run.config["dataset_info"]
    if info.get("member") not in layout.groups:
        raise InputError(
            f"{run.folder / 'config.yaml'}: {run.config['dataset']} is no member of a data set: "
            f"its YAML's `member` is none of {', '.join(layout.groups)}"
        )
    return info["published_as"]


def _block(
    dataset: str, scale: str, runs: list[Run], published: pd.DataFrame, layout: Layout
) -> pd.DataFrame:
    """All rows of one data set; ``runs`` may be empty."""
    info = runs[0].config["dataset_info"] if runs else {"stand_in": False, "published_as": dataset}
    title = dataset if layout.members or not runs else info["title"]
    head = {"dataset": dataset, "dataset_title": title, "stand_in": info["stand_in"], "scale": scale}
    paper = published[published["dataset"] == (info["published_as"] or layout.reference)]
    paper = paper.set_index("model")
    titles = list(dict.fromkeys(r.metrics["title"] for r in runs))
    ours = [model for model in titles if model not in paper.index and model != TRIVIAL]
    rows = []
    for model in [TRIVIAL, *paper.index, *ours]:
        measured = _measured([r for r in runs if r.metrics["title"] == model], layout)
        row = head | {"model": model, **measured, "source": paper["source"].get(model, "")}
        for cell in layout.cells:
            row[f"{cell}_published"] = paper[cell].get(model, np.nan)
            comparable = info["published_as"] is not None
            row[f"{cell}_difference"] = row[cell] - row[f"{cell}_published"] if comparable else np.nan
        rows.append(row)
    if layout.improvement:
        rows.append(head | _improvement({row["model"]: row for row in rows}, layout))
    table = pd.DataFrame(rows)
    models = table[~table["model"].isin(SPECIAL_ROWS)]
    for cell in layout.cells:
        both = models.dropna(subset=[cell, f"{cell}_published"])
        table[f"{cell}_rank"] = models[cell].rank(method="min")
        table[f"{cell}_published_rank"] = both[f"{cell}_published"].rank(method="min")
    if not layout.improvement:
        table.loc[len(table)] = head | _rank_correlation(models, layout)
    return table.reindex(columns=layout.columns).fillna({"source": ""})


def _measured(runs: list[Run], layout: Layout) -> dict[str, Any]:
    """Means and standard errors over the seeds of one model; NaN where there is no run."""
    good = [r for r in runs if r.metrics["status"] == "ok"]
    status = "ok" if good else NOT_RUN
    if failed := [r for r in runs if r.metrics["status"] == "failed"]:
        status = f"failed: {failed[0].metrics['message']}"
    row: dict[str, Any] = {
        "status": status,
        "parameters": good[0].metrics["parameters"] if good else np.nan,
    }
    counts = []
    for group in layout.groups:
        results = _results(good, group, layout)
        counts += [len(results)] if results else []
        for quantity, key in METRICS.items():
            values = np.array([r[key] for r in results if r[key] is not None], dtype=float)
            row[f"{group}_{quantity}"] = values.mean() if len(values) else np.nan
            if len(values) > 1:
                row[f"{group}_{quantity}_stderr"] = values.std(ddof=1) / np.sqrt(len(values))
        for extra in EXTRAS:
            values = [r[extra] for r in results if r[extra] is not None]
            row[f"{group}_{extra}"] = np.mean(values) if values else np.nan
    return row | {"n_seeds": min(counts, default=0)}


def _results(runs: list[Run], group: str, layout: Layout) -> list[dict[str, Any]]:
    """The metrics of each seed that belong to one group of columns."""
    split = group
    if layout.members:
        split, runs = "test", [r for r in runs if r.config["dataset_info"]["member"] == group]
        if len(names := sorted({r.config["dataset"] for r in runs})) > 1:
            raise InputError(f"{' and '.join(names)} are the same column {group!r}: name one of them")
    for run in runs:
        if split not in run.metrics["splits"]:
            raise InputError(f"{run.folder / 'metrics.json'} has no split {split!r}")
    return [r.metrics["splits"][split] for r in runs]


def _improvement(rows: dict[str, dict[str, Any]], layout: Layout) -> dict[str, Any]:
    """LEIGNN over Vanilla in percent of Vanilla's error, measured and published."""
    vanilla, leignn = rows["Vanilla"], rows["LEIGNN"]
    n_seeds = min(vanilla["n_seeds"], leignn["n_seeds"])
    row = {"model": IMPROVEMENT, "status": "percent", "n_seeds": n_seeds}
    for cell in layout.cells:
        for column in (cell, f"{cell}_published"):
            row[column] = 100 * (vanilla[column] - leignn[column]) / vanilla[column]
    return row


def _rank_correlation(models: pd.DataFrame, layout: Layout) -> dict[str, Any]:
    """Spearman's correlation of measured and published errors over the models that have both."""
    row = {"model": RANK_CORRELATION, "status": "Spearman"}
    for cell in layout.cells:
        both = models[[cell, f"{cell}_published"]].dropna()
        row[cell] = both.rank().corr().iloc[0, 1] if len(both) > 1 else np.nan
    return row
