"""Render the results page: scorecard, tables, figures and the provenance of every number, in one file.

A results file that was not made leaves a gap that says so.
"""

import argparse
import re
from pathlib import Path
from typing import Any

import jinja2

from leignn.arguments import output_file
from leignn.config.result import Result, Table, load_results
from leignn.errors import InputError
from leignn.files import write_text
from leignn.report.page.grid import Grid, grids_of
from leignn.report.page.run import shown_run
from leignn.report.runs import Run, load_runs
from leignn.report.tables.read import read_table

SCORECARD = "claims"  # the result that stands at the top, its rows as verdicts
VERDICTS = {"true": "✓ true", "false": "✗ false", "not run": "– not run"}


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
    return environment.get_template("page.html.j2").render(
        claims=_claims(folder / f"{SCORECARD}.csv", results),
        verdicts=VERDICTS,
        sections=[_section(name, result, folder, runs) for name, result in shown.items()],
        runs=[shown_run(run, runs) for run in runs],
        stand_in=any(run.metrics["stand_in"] for run in runs),
        datasets=list(dict.fromkeys(run.config.dataset_info.title for run in runs)),
        scales=list(dict.fromkeys(run.config.scale for run in runs)),
    )


def _anchor(name: str) -> str:
    return f"result-{name}"


def _section(name: str, result: Result, folder: Path, runs: list[Run]) -> dict[str, Any]:
    """Title, caption, figure and tables of one result; a gap for each file that was not made."""
    table, figure = folder / f"{name}.csv", folder / f"{name}.svg"
    wanted = [path for path, has in ((figure, result.figure), (table, result.table)) if has]
    gaps = [f"Not run: {path.name} was not made." for path in wanted if not path.exists()]
    return {
        "id": _anchor(name),
        "title": result.title,
        "short_title": result.short_title,
        "caption": result.caption,
        "gaps": gaps,
        "svg": _inline_svg(figure) if result.figure and figure.exists() else "",
        "grids": _grids(table, result.table, runs),
    }


def _grids(path: Path, declared: Table | None, runs: list[Run]) -> list[Grid]:
    return grids_of(read_table(path, declared), declared, runs) if declared and path.exists() else []


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
        claim["data"] = ", ".join(filter(None, [claim["dataset"], claim["scale"], claim["device"]]))
    return found


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
