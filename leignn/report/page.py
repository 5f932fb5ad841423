"""Render the results page: scorecard, tables, figures and the provenance of every number, in one file.

A results file that was not made leaves a gap that says so.
"""

import argparse
import json
import re
from pathlib import Path
from typing import Any

import jinja2
import pandas as pd
import yaml

from leignn.errors import InputError
from leignn.files import write_text
from leignn.report.grid import load_grids
from leignn.report.names import column_title
from leignn.report.results import Run, load_runs
from leignn.resources import CAPTIONS
from leignn.schemas import validate

TITLES = {
    "table1.csv": "Table 1. Energies and forces",
    "table2.csv": "Table 2. Ablation of LEIGNN",
    "table3.csv": "Table 3. Molecular dynamics",
    "oc20_50k.csv": "OC20-50K",
    "md17.csv": "MD17",
    "iso17.csv": "ISO17",
    "figure1.svg": "Figure 1. Graphs, geometry and symmetry",
    "figure2.svg": "Figure 2. Architecture",
    "figure3.svg": "Figure 3. Messages and forces",
    "complexity.svg": "Figure 4. Complexity",
    "figure5.svg": "Figure 5. Structure in simulations",
    "dynamics.svg": "Forces, temperature and diffusion in simulations",
}  # of others, the file's name
LOG_ROWS = 50  # the last evaluations of a run
VERDICTS = {"true": "✓ true", "false": "✗ false", "not run": "– not run"}


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--claims", type=Path, help="results/claims.csv, for the scorecard")
    parser.add_argument("--tables", type=Path, nargs="*", default=[], help="results/table1.csv …")
    parser.add_argument("--figures", type=Path, nargs="*", default=[], help="SVG figures")
    parser.add_argument("--runs", type=Path, nargs="+", required=True, help="run folders")
    parser.add_argument("--output", type=Path, required=True, help="results/index.html")


def main(args: argparse.Namespace) -> None:
    page = render_page(args.tables, args.figures, load_runs(args.runs), args.claims)
    write_text(args.output, page)


def render_page(tables: list[Path], figures: list[Path], runs: list[Run], claims: Path | None = None) -> str:
    """The page as one HTML document that loads nothing from elsewhere."""
    environment = jinja2.Environment(
        loader=jinja2.FileSystemLoader(Path(__file__).parent / "templates"),
        autoescape=True,
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    return environment.get_template("page.html.j2").render(
        claims=_claims(claims, [path.stem for path in tables]) if claims else [],
        verdicts=VERDICTS,
        tables=[_section(path, "table") | {"grids": _grids(path, runs)} for path in tables],
        figures=[_section(path, "figure") | {"svg": _inline_svg(path)} for path in figures],
        runs=[_run(run, runs) for run in runs],
        stand_in=any(run.metrics["stand_in"] for run in runs),
        datasets=list(dict.fromkeys(run.config["dataset_info"]["title"] for run in runs)),
        scales=list(dict.fromkeys(run.config["scale"] for run in runs)),
    )


def _section(path: Path, kind: str) -> dict[str, Any]:
    """Title, anchor and caption of a table or figure; the caption is the workflow report's."""
    caption = CAPTIONS / f"{path.stem}.rst"
    return {
        "id": f"{kind}-{path.stem}",
        "title": _title(path.name),
        "caption": caption.read_text(encoding="utf-8").replace("``", "") if caption.exists() else "",
        "gap": "" if path.exists() else f"Not run: {path.name} was not made.",
    }


def _title(name: str) -> str:
    return TITLES.get(name, name.split(".")[0].replace("_", " ").capitalize())


def _grids(path: Path, runs: list[Run]) -> list[Any]:
    return load_grids(path, runs) if path.exists() else []


def _claims(path: Path, tables: list[str]) -> list[dict[str, Any]]:
    """The scorecard's rows; each leads to its table where the page has it."""
    try:
        found = pd.read_csv(path, keep_default_na=False, dtype=str).to_dict("records")
    except (OSError, ValueError) as error:
        raise InputError(f"{path} cannot be read: {error}") from error
    validate(found, "claims", path)
    for claim in found:
        claim["anchor"] = f"table-{claim['table']}" if claim["table"] in tables else None
        claim["title"] = _title(f"{claim['table']}.csv").split(".")[0]
        claim["data"] = ", ".join(filter(None, [claim["dataset"], claim["scale"], claim["device"]]))
    return found


def _inline_svg(path: Path) -> str:
    """The SVG without its XML prolog, scaling with the page; its identifiers begin with its name."""
    if not path.exists():
        return ""
    try:
        svg = path.read_text(encoding="utf-8")
        svg = svg[svg.index("<svg") :]
    except (OSError, ValueError) as error:
        raise InputError(f"{path} cannot be read as SVG: {error}") from error
    svg = re.sub(r"<metadata>.*?</metadata>", "", svg, flags=re.DOTALL)
    svg = re.sub(r'(\bid="|href="#|url\(#)', rf"\g<1>{path.stem}-", svg)
    return re.sub(r'^<svg([^>]*?) height="[^"]*"([^>]*?) width="[^"]*"', r"<svg\1\2", svg)


def _run(run: Run, runs: list[Run]) -> dict[str, Any]:
    log = run.log()
    provenance = run.provenance()
    alike = ("dataset", "scale", "model")
    seeds = [r for r in runs if all(r.config[key] == run.config[key] for key in alike) and r is not run]
    return {
        "anchor": run.anchor,
        "title": run.metrics["title"],
        "dataset": run.config["dataset_info"]["title"],
        "scale": run.config["scale"],
        "seed": run.config["seed"],
        "others": [{"seed": r.config["seed"], "anchor": r.anchor} for r in seeds],
        "folder": "/".join(run.folder.parts[-4:]),
        "status": run.metrics["status"],
        "message": run.metrics["message"],
        "config": yaml.safe_dump(run.config, sort_keys=False),
        "provenance": json.dumps(provenance, indent=1),
        "command": provenance["command"],
        "seconds": run.metrics["train_seconds"],
        "steps": run.metrics["steps"],
        "curves": [
            curve
            for column in ("val_forces_mae_mev_per_ang", "val_energy_mae_mev")
            if (curve := _curve(log, column)) is not None
        ],
        "log_columns": [column_title(column) for column in log.columns],
        "log_rows": [[f"{value:.4g}" for value in row] for row in log.tail(LOG_ROWS).itertuples(index=False)],
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
        "title": column_title(column),
        "points": " ".join(f"{a:.1f},{b:.1f}" for a, b in zip(x, y, strict=True)),
        "low": f"{low:.4g}",
        "high": f"{high:.4g}",
        "first": f"{steps[0]:.0f}",
        "last": f"{steps[-1]:.0f}",
    }
