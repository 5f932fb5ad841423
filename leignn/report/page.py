"""Render the results page: tables, learning curves and the provenance of every number, in one file."""

import argparse
import json
import re
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import jinja2
import pandas as pd
import yaml

from leignn.errors import InputError
from leignn.files import write_text
from leignn.report.layout import QUANTITIES, SPECIAL_ROWS, SPLITS
from leignn.report.render import RANKS_NOTE, cells, counts_note, failures, groups, note, ranks, rows
from leignn.report.results import Run, load_runs, load_table

TITLES = {
    "table1": "Table 1. Energies and forces",
    "table2": "Table 2. Ablation of LEIGNN",
}


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--tables", type=Path, nargs="+", required=True, help="results/table1.csv …")
    parser.add_argument("--figures", type=Path, nargs="*", default=[], help="SVG figures")
    parser.add_argument("--runs", type=Path, nargs="+", required=True, help="run folders")
    parser.add_argument("--output", type=Path, required=True, help="results/index.html")


def main(args: argparse.Namespace) -> None:
    write_text(args.output, render_page(args.tables, args.figures, load_runs(args.runs)))


def render_page(tables: list[Path], figures: list[Path], runs: list[Run]) -> str:
    """The page as one HTML document that loads nothing from elsewhere."""
    environment = jinja2.Environment(
        loader=jinja2.FileSystemLoader(Path(__file__).parent / "templates"),
        autoescape=True,
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    return environment.get_template("page.html.j2").render(
        splits=SPLITS,
        quantities=list(QUANTITIES.values()),
        ranks_note=RANKS_NOTE,
        tables=[table for path in tables for table in _tables(path, runs)],
        figures=[{"name": path.stem.replace("_", " "), "svg": _inline_svg(path)} for path in figures],
        runs=[_run(run) for run in runs],
        stand_in=any(run.metrics["stand_in"] for run in runs),
        datasets=list(dict.fromkeys(run.config["dataset_info"]["title"] for run in runs)),
        scales=list(dict.fromkeys(run.config["scale"] for run in runs)),
    )


def _tables(path: Path, runs: list[Run]) -> list[dict[str, Any]]:
    result = []
    for group in groups(load_table(path)):
        shown, ranked = rows(group), ranks(group)
        result.append(
            {
                "title": f"{TITLES.get(path.stem, path.stem)}: {group['dataset_title'].iloc[0]}",
                "id": f"{path.stem}-{group['dataset'].iloc[0]}",
                "rows": _rows(group, shown["model"], cells(shown), runs),
                "note": " ".join([note(group), counts_note(group), *failures(group)]),
                "ranks": _rows(group, ranked.index, ranked, runs),
            }
        )
    return result


def _rows(
    group: pd.DataFrame, models: Iterable[str], printed: pd.DataFrame, runs: list[Run]
) -> list[dict[str, Any]]:
    """What the template needs of each row; a model's name links to the run of its first seed."""
    key = group["dataset"].iloc[0], group["scale"].iloc[0]
    anchors = {
        run.metrics["title"]: run.anchor
        for run in reversed(runs)
        if (run.config["dataset"], run.config["scale"]) == key
    }
    by_model = group.set_index("model")
    return [
        {
            "model": model,
            "special": model in SPECIAL_ROWS,
            "failed": by_model.at[model, "status"].startswith("failed"),
            "parameters": f"{by_model.at[model, 'parameters']:,.0f}".replace("nan", ""),
            "anchor": anchors.get(model),
            "cells": line,
        }
        for model, line in zip(models, printed.itertuples(index=False), strict=True)
    ]


def _inline_svg(path: Path) -> str:
    """The SVG without its XML prolog, scaling with the page."""
    try:
        svg = path.read_text(encoding="utf-8")
    except OSError as error:
        raise InputError(f"{path} cannot be read: {error}") from error
    svg = svg[svg.index("<svg") :]
    svg = re.sub(r"<metadata>.*?</metadata>", "", svg, flags=re.DOTALL)
    return re.sub(r'^<svg([^>]*?) height="[^"]*"([^>]*?) width="[^"]*"', r"<svg\1\2", svg)


def _run(run: Run) -> dict[str, Any]:
    log = run.log().tail(8)
    provenance = run.provenance()
    return {
        "anchor": run.anchor,
        "title": run.metrics["title"],
        "dataset": run.config["dataset_info"]["title"],
        "seed": run.config["seed"],
        "status": run.metrics["status"],
        "message": run.metrics["message"],
        "config": yaml.safe_dump(run.config, sort_keys=False),
        "provenance": json.dumps(provenance, indent=1),
        "command": provenance["command"],
        "seconds": run.metrics["train_seconds"],
        "steps": run.metrics["steps"],
        "log_columns": [column.replace("_", " ") for column in log.columns],
        "log_rows": [[f"{value:.4g}" for value in row] for row in log.itertuples(index=False)],
    }
