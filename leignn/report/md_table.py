"""Build Table 3: force errors, and what simulations make of them, beside the published values."""

import argparse
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from leignn.errors import InputError
from leignn.files import replacing, write_text
from leignn.report.render import cells, failures, groups, latex_tabular, markdown_rows
from leignn.report.results import Run, load_runs
from leignn.report.simulations import Simulation, load_simulations

PUBLISHED_FOR = "LiPS"  # whose published rows stand beside data that compare with none
# Column of the table → key of observables.json; whether less is better.
OBSERVABLES = {
    "stability_ps": "stability_ps",
    "rdf_mae": "rdf_mae",
    "diffusivity_mae_1e-9_m2_per_s": "diffusivity_error",
}
FORCES = "forces_mev_per_ang"
CELLS = {
    FORCES: "Forces (meV/Å)",
    "stability_ps": "Stability (ps)",
    "rdf_mae": "RDF MAE (Å)",
    "diffusivity_mae_1e-9_m2_per_s": "Diffusivity MAE (1e-9 m²/s)",
}
MORE_IS_BETTER = ("stability_ps",)
EXTRAS = {  # means over the simulations
    "temperature_k": "temperature_mean_k",
    "temperature_std_k": "temperature_std_k",
    "pair_distances_mae": "pair_distances_mae",
    "diffusivity_1e-9_m2_per_s": "diffusivity",
    "diffusivity_mdsim_1e-9_m2_per_s": "diffusivity_mdsim",
    "diffusivity_reference_1e-9_m2_per_s": "diffusivity_reference",
}


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--published", type=Path, required=True, help="config/published/table3.csv")
    parser.add_argument("--metrics", type=Path, nargs="+", required=True, help="RUN/metrics.json …")
    parser.add_argument(
        "--observables", type=Path, nargs="+", required=True, help="RUN/md/start0/observables.json …"
    )
    parser.add_argument("--output", type=Path, required=True, help="results/table3.csv")


def main(args: argparse.Namespace) -> None:
    runs = load_runs([path.parent for path in args.metrics])
    table = build_table(runs, load_simulations(args.observables), load_published(args.published))
    with replacing(args.output) as temporary:
        table.to_csv(temporary, index=False)
    write_text(args.output.with_suffix(".md"), to_markdown(table))
    write_text(args.output.with_suffix(".tex"), to_latex(table))


def load_published(path: Path) -> pd.DataFrame:
    """Published values: columns dataset, model, the four :data:`CELLS`, source."""
    try:
        published = pd.read_csv(path)
    except (OSError, ValueError) as error:
        raise InputError(f"{path} cannot be read: {error}") from error
    if missing := [c for c in ["dataset", "model", *CELLS, "source"] if c not in published]:
        raise InputError(f"{path} has no column {missing[0]!r}")
    return published


def build_table(runs: list[Run], simulations: list[Simulation], published: pd.DataFrame) -> pd.DataFrame:
    """One row a model and data set.

    Args:
        runs: the trained runs.
        simulations: of these runs.
        published: see :func:`load_published`.

    Returns:
        Columns dataset, dataset_title, stand_in, scale, model, status, n_seeds, n_simulations,
        n_stopped, simulated_ps (the longest), parameters, and for each of :data:`CELLS` its mean,
        ``_stderr`` (of forces over seeds, else over simulations), ``_count``, ``_published``,
        ``_difference`` and ``_rank``; then :data:`EXTRAS` and ns_per_day.
    """
    rows = []
    for key in dict.fromkeys((r.config["dataset"], r.config["scale"]) for r in runs):
        members = [r for r in runs if (r.config["dataset"], r.config["scale"]) == key]
        simulated = [s for s in simulations if (s.dataset, s.observables["scale"]) == key]
        rows.append(_rows_of_dataset(members, simulated, published))
    return pd.concat(rows, ignore_index=True)


def _rows_of_dataset(runs: list[Run], simulations: list[Simulation], published: pd.DataFrame) -> pd.DataFrame:
    info = runs[0].config["dataset_info"]
    paper = published[published["dataset"] == (info["published_as"] or PUBLISHED_FOR)].set_index("model")
    titles = list(dict.fromkeys(r.metrics["title"] for r in runs))
    rows = []
    for title in [*paper.index, *(title for title in titles if title not in paper.index)]:
        row = {
            "dataset": runs[0].config["dataset"],
            "dataset_title": info["title"],
            "stand_in": info["stand_in"],
            "scale": runs[0].config["scale"],
            "model": title,
        }
        row |= _trained([r for r in runs if r.metrics["title"] == title])
        row |= _simulated([s for s in simulations if s.observables["title"] == title])
        for cell in CELLS:
            row[f"{cell}_published"] = paper[cell].get(title, np.nan)
            comparable = info["published_as"] is not None
            row[f"{cell}_difference"] = row[cell] - row[f"{cell}_published"] if comparable else np.nan
        rows.append(row)
    table = pd.DataFrame(rows)
    for cell in CELLS:
        table[f"{cell}_rank"] = table[cell].rank(method="min", ascending=cell not in MORE_IS_BETTER)
    return table.reindex(columns=_columns())


def _columns() -> list[str]:
    columns = ["dataset", "dataset_title", "stand_in", "scale", "model", "status", "n_seeds", "parameters"]
    columns += ["n_simulations", "n_stopped", "simulated_ps"]
    for cell in CELLS:
        columns += [
            cell,
            *(f"{cell}_{what}" for what in ("stderr", "count", "published", "difference", "rank")),
        ]
    return [*columns, *EXTRAS, "ns_per_day"]


def _trained(runs: list[Run]) -> dict[str, Any]:
    good = [r for r in runs if r.metrics["status"] == "ok"]
    status = "ok" if good else "not run"
    if failed := [r for r in runs if r.metrics["status"] == "failed"]:
        status = f"failed: {failed[0].metrics['message']}"
    forces = [r.metrics["splits"]["test"]["forces_mae_mev_per_ang"] for r in good]
    parameters = good[0].metrics["parameters"] if good else np.nan
    return {"status": status, "n_seeds": len(good), "parameters": parameters} | _mean(FORCES, forces)


def _simulated(simulations: list[Simulation]) -> dict[str, Any]:
    ran = [s.observables for s in simulations if s.ran]
    row: dict[str, Any] = {
        "n_simulations": len(ran),
        "n_stopped": sum(s["outcome"]["status"] == "stopped" for s in ran),
        "simulated_ps": max((s["outcome"]["time_ps"] for s in ran), default=np.nan),
        "ns_per_day": np.mean([s["outcome"]["ns_per_day"] for s in ran]) if ran else np.nan,
    }
    for column, key in OBSERVABLES.items():
        row |= _mean(column, [s.get(key) for s in ran])
    for column, key in EXTRAS.items():
        row[column] = _mean(column, [s.get(key) for s in ran])[column]
    return row


def _mean(column: str, values: list[float | None]) -> dict[str, Any]:
    """Mean, standard error and count of the values that there are."""
    present = np.array([value for value in values if value is not None], dtype=float)
    return {
        column: present.mean() if len(present) else np.nan,
        f"{column}_stderr": present.std(ddof=1) / np.sqrt(len(present)) if len(present) > 1 else np.nan,
        f"{column}_count": len(present),
    }


def note(table: pd.DataFrame) -> str:
    """The sentences that go under the table of one data set."""
    row = table.iloc[0]
    counted = [
        f"{model} {simulations:.0f} of {time:g} ps"
        for model, simulations, time in zip(
            table["model"], table["n_simulations"], table["simulated_ps"], strict=True
        )
        if simulations
    ]
    text = f"{row['dataset_title']}, scale {row['scale']}: measured, and with it in brackets the published. "
    text += f"Simulations: {', '.join(counted) or 'none'}."
    if row["stand_in"]:
        text += " EMT stand-in: these numbers are not comparable to the paper's."
    return text


def to_markdown(table: pd.DataFrame) -> str:
    """Markdown: best measured value bold, second best in italics."""
    lines = []
    for group in groups(table):
        lines += markdown_rows(group["model"], cells(group, CELLS), list(CELLS.values()))
        lines += ["", note(group), "Best **bold**, second *italic* of the measured.", *failures(group), ""]
    return "\n".join(lines)


def to_latex(table: pd.DataFrame) -> str:
    """LaTeX (booktabs): best measured value bold, second best underlined."""
    lines = []
    for group in groups(table):
        heads = " & ".join(["Model", *CELLS.values()]).replace("Å", r"\AA{}").replace("²", "$^2$") + r" \\"
        lines += latex_tabular(group["model"], cells(group, CELLS), [heads])
        lines += [f"% {note(group)}", *(f"% {text}" for text in failures(group)), ""]
    return "\n".join(lines)
