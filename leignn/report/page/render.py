"""Render the results page: answer, scorecard, tables, figures, provenance of every number, in one file.

A results file that was not made leaves one line with the command that makes it.
"""

import argparse
import re
import shlex
from pathlib import Path
from typing import Any

import jinja2
import pandas as pd

from leignn.arguments import output_file
from leignn.config.result import DEFAULT, Result, load_results
from leignn.config.workflow import load_configuration
from leignn.errors import InputError
from leignn.files import write_text
from leignn.report.page.answer import VERDICTS, line_of, tally, what_was_run
from leignn.report.page.grid import grids_of
from leignn.report.page.run import shown_run
from leignn.report.runs import Run, load_runs
from leignn.report.tables.read import read_table

SCORECARD = "claims"  # the result that stands at the top, its rows as verdicts


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--declarations", type=Path, nargs="+", required=True, help="config/results/<name>.yaml …"
    )
    parser.add_argument("--folder", type=Path, required=True, help="results/, with <name>.csv, <name>.svg")
    parser.add_argument("--runs", type=Path, nargs="+", required=True, help="run folders")
    parser.add_argument("--output", type=output_file, required=True, help="results/index.html")


def main(args: argparse.Namespace) -> None:
    page = render_page(load_results(args.declarations), args.folder, load_runs(args.runs))
    write_text(args.output, page)


def render_page(results: dict[str, Result], folder: Path, runs: list[Run]) -> str:
    """The page as one HTML document that loads nothing from elsewhere.

    Args:
        results: by name; the page has them in this order.
        folder: where their tables and figures lie.
        runs: all runs behind them.

    Raises:
        InputError: a table is not as declared, a figure is no SVG.
    """
    environment = jinja2.Environment(
        loader=jinja2.FileSystemLoader(Path(__file__).parent),
        autoescape=True,
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    shown = {name: r for name, r in results.items() if (r.table or r.figure) and name != SCORECARD}
    claims = _claims(folder / f"{SCORECARD}.csv", results)
    sections = [_section(name, result, folder, runs) for name, result in shown.items()]
    for section in sections:
        section["tally"] = tally([claim for claim in claims if claim["anchor"] == section["id"]])
    return environment.get_template("page.html.j2").render(
        ran=what_was_run(runs),
        tally=tally([claim for claim in claims if claim["whose"] == "paper"]),
        topics=_topics(claims),
        verdicts=VERDICTS,
        sections=sections,
        runs=[shown_run(run, runs) for run in runs],
        stand_in=any(run.metrics["stand_in"] for run in runs),
    )


def _anchor(name: str) -> str:
    return f"result-{name}"


def _section(name: str, result: Result, folder: Path, runs: list[Run]) -> dict[str, Any]:
    """Title, caption, figure and tables of one result, and the command that makes what is missing."""
    path, figure = folder / f"{name}.csv", folder / f"{name}.svg"
    wanted = [file for file, has in ((figure, result.figure), (path, result.table)) if has]
    missing = [file for file in wanted if not file.exists()]
    declared = result.table if path.exists() else None
    table = read_table(path, declared) if declared else pd.DataFrame()
    grids = grids_of(table, declared, runs) if declared else []
    scales: list[str] = list(dict.fromkeys(run.config.scale for run in runs))
    if published_only := bool(grids) and not any(grid.run for grid in grids):
        missing.append(path)
        scales = [scale for scale in result.datasets | result.on_request if scale != DEFAULT]
    also = f"also=[{name}]" if published_only and result.on_request else ""
    return {
        "id": _anchor(name),
        "title": result.title,
        "short_title": result.short_title,
        "caption": result.caption,
        "command": _command(missing, folder, scales[:1], also) if missing else "",
        "svg": _inline_svg(figure) if result.figure and figure.exists() else "",
        "grids": grids,
        "table": result.table is not None,
        "line": line_of(table, declared) if declared and not published_only else "",
    }


def _command(files: list[Path], folder: Path, scales: list[str], also: str) -> str:
    """What makes ``files``, with the settings under which they are made in ``folder``, and ``also`` one."""
    defaults = load_configuration({})
    settings = [f"scale={scale}" for scale in scales if scale != defaults.scale]
    settings += [f"run={folder.name}"] if folder.parent.name == "results" else []
    settings += [also] if also else []
    words = ["snakemake", "--cores", "all", *(path.as_posix() for path in files)]
    return shlex.join([*words, *(["--config", *settings] if settings else [])])


def _claims(path: Path, results: dict[str, Result]) -> list[dict[str, Any]]:
    """The scorecard's rows; each leads to its table where the page has it."""
    declared = results[SCORECARD].table if SCORECARD in results else None
    if declared is None or not path.exists():
        return []
    found = read_table(path, declared).fillna("").to_dict("records")
    for claim in found:
        table = results.get(claim["table"])
        claim["anchor"] = _anchor(claim["table"]) if table else None
        claim["title"] = table.short_title if table else claim["table"]
        claim["topic"] = table.title if table else claim["table"]
        claim["data"] = ", ".join(filter(None, [claim["dataset"], claim["scale"], claim["device"]]))
    return found


def _topics(claims: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """The claims by the table that they are held against, in the claims' order."""
    return [
        {"title": title, "claims": own, "tally": tally(own)}
        for title in dict.fromkeys(claim["topic"] for claim in claims)
        if (own := [claim for claim in claims if claim["topic"] == title])
    ]


def _inline_svg(path: Path) -> str:
    """The SVG without its XML prolog, scaling with the page; its identifiers begin with its name."""
    try:
        svg = path.read_text(encoding="utf-8")
        svg = svg[svg.index("<svg") :]
    except (OSError, ValueError) as error:
        raise InputError(f"{path} cannot be read as SVG: {error}") from error
    svg = re.sub(r"<metadata>.*?</metadata>", "", svg, flags=re.DOTALL)
    svg = re.sub(r'(\bid="|href="#|url\(#)', rf"\g<1>{path.stem}-", svg)
    return re.sub(r'^<svg([^>]*?) height="[^"]*"([^>]*?) width="[^"]*"', r"<svg\1\2", svg)
