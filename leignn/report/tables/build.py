"""Build a table: what was measured in runs and simulations beside the published, as CSV, Markdown and LaTeX.

Its declaration in ``config/results`` says what it shows; a cell that was not run is empty.
"""

import argparse
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from leignn.arguments import output_file
from leignn.config.result import Table
from leignn.errors import InputError
from leignn.files import replacing, write_text
from leignn.report.runs import TRIVIAL, Run, load_runs
from leignn.report.significance import separated_ranks
from leignn.report.simulations import Simulation, load_simulations
from leignn.report.tables.columns import csv_columns, printed
from leignn.report.tables.latex import to_latex
from leignn.report.tables.markdown import to_markdown
from leignn.report.tables.measured import measured
from leignn.report.tables.published import load_published
from leignn.report.tables.read import declared_table
from leignn.report.tables.special import NOT_RUN, SPECIAL_ROWS, improvement, rank_correlation


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--declaration", type=Path, required=True, help="config/results/<table>.yaml")
    parser.add_argument("--published", type=Path, required=True, help="config/published/<table>.csv")
    parser.add_argument("--metrics", type=Path, nargs="*", default=[], help="RUN/metrics.json …")
    parser.add_argument(
        "--observables", type=Path, nargs="*", default=[], help="RUN/md/start0/observables.json …"
    )
    parser.add_argument("--output", type=output_file, required=True, help="results/<table>.csv")


def main(args: argparse.Namespace) -> None:
    declared = declared_table(args.declaration)
    if not declared.built:
        raise InputError(f"{args.declaration}: no column of it reads a metric or an observable")
    runs = load_runs([path.parent for path in args.metrics])
    simulations = load_simulations(args.observables)
    table = build_table(declared, load_published(args.published, declared), runs, simulations)
    with replacing(args.output) as temporary:
        table.to_csv(temporary, index=False)
    write_text(args.output.with_suffix(".md"), to_markdown(table, declared))
    write_text(args.output.with_suffix(".tex"), to_latex(table, declared))


def build_table(
    declared: Table, published: pd.DataFrame, runs: list[Run], simulations: list[Simulation]
) -> pd.DataFrame:
    """One row a model and data set.

    Args:
        declared: what the table shows.
        published: see :func:`leignn.report.tables.published.load_published`.
        runs: all runs that the table shows; without any, it shows what is published.
        simulations: of these runs.

    Returns:
        The columns of :func:`leignn.report.tables.columns.csv_columns`: which data and model, what came of
        the runs, and for each printed number its mean, ``_stderr`` (over seeds, of observables over
        simulations), ``_count`` of simulations, ``_published``, ``_difference``, ``_rank`` (1 is best;
        those within two standard errors share it, without an error there is none) and
        ``_published_rank`` (among the models that were measured); then means of the other columns.

    Raises:
        InputError: a run lacks a split or metric of the table, or its data set is no member of a family.
    """
    blocks: dict[tuple[str, str], list[Run]] = {}
    for run in runs:
        blocks.setdefault((_dataset(run, declared), run.config.scale), []).append(run)
    if declared.members or not runs:
        present = {dataset for dataset, _ in blocks}
        missing = [dataset for dataset in dict.fromkeys(published["dataset"]) if dataset not in present]
        blocks |= {(dataset, NOT_RUN): [] for dataset in missing}
    tables = []
    for (dataset, scale), members in blocks.items():
        own = [s for s in simulations if (s.dataset, s.observables["scale"]) == (dataset, scale)]
        tables.append(_block(dataset, scale, members, own, published, declared))
    return pd.concat(tables, ignore_index=True)


def _dataset(run: Run, declared: Table) -> str:
    """Name of the data set in whose block of rows a run stands."""
    if not declared.members:
        return run.config.dataset
    info = run.config.dataset_info
    if info.member not in declared.groups:
        raise InputError(
            f"{run.folder / 'config.yaml'}: {run.config.dataset} is no member of a data set: "
            f"its YAML's `member` is none of {', '.join(declared.groups)}"
        )
    return info.published_as or run.config.dataset


def _block(
    dataset: str,
    scale: str,
    runs: list[Run],
    simulations: list[Simulation],
    published: pd.DataFrame,
    declared: Table,
) -> pd.DataFrame:
    """All rows of one data set; ``runs`` may be empty."""
    info = runs[0].config.dataset_info if runs else None
    title = dataset if declared.members or info is None else info.title
    published_as = info.published_as if info else dataset
    stand_in = info is not None and info.stand_in
    head: dict[str, Any] = {"dataset": dataset, "dataset_title": title, "stand_in": stand_in, "scale": scale}
    paper = published[published["dataset"] == (published_as or declared.published_for)]
    paper = paper.set_index("model")
    models = dict.fromkeys([*([TRIVIAL] if declared.trivial else []), *paper.index])
    models |= dict.fromkeys(run.metrics["title"] for run in runs)
    rows: list[dict[str, Any]] = []
    for model in models:
        of_runs = [run for run in runs if run.metrics["title"] == model]
        of_simulations = [s for s in simulations if s.observables["title"] == model]
        row = head | {"model": model, "source": paper["source"].get(model, "")}
        row |= measured(of_runs, of_simulations, declared)
        for place in printed(declared):
            row[f"{place.name}_published"] = paper[place.name].get(model, np.nan)
            comparable = published_as is not None
            difference = row[place.name] - row[f"{place.name}_published"] if comparable else np.nan
            row[f"{place.name}_difference"] = difference
        rows.append(row)
    if declared.improvement:
        rows.append(head | improvement({row["model"]: row for row in rows}, declared.improvement, declared))
    table = _ranked(pd.DataFrame(rows), declared)
    if declared.rank_correlation:
        table.loc[len(table)] = head | rank_correlation(table, declared)
    return table.reindex(columns=list(csv_columns(declared))).fillna({"source": ""})


def _ranked(table: pd.DataFrame, declared: Table) -> pd.DataFrame:
    """With the models' ranks in every column that has a best, measured and published."""
    models, ranks = table[~table["model"].isin(SPECIAL_ROWS)], {}
    for name, column in ((place.name, place.column) for place in printed(declared)):
        if column.best:
            sign = 1 if column.best == "lowest" else -1
            both = models.dropna(subset=[name, f"{name}_published"])
            own = separated_ranks(sign * models[name], models[f"{name}_stderr"])
            ranks[f"{name}_rank"] = pd.Series(own, models.index)
            ranks[f"{name}_published_rank"] = (sign * both[f"{name}_published"]).rank(method="min")
    return table.join(pd.DataFrame(ranks))
