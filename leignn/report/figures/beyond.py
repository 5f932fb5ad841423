"""Plot the comparison of models that goes past the paper: errors, drift, coupling, time and memory."""

import argparse
from pathlib import Path
from typing import Any

import matplotlib.pyplot as plt
import pandas as pd
from matplotlib.axes import Axes

from leignn.report.drawing.palette import look
from leignn.report.drawing.style import save_figure, save_gap
from leignn.report.tables.read import add_table_arguments, declared_table, read_table

PANELS = {  # column: title, unit
    "oc20_energy_mev": ("OC20: energy error", "meV"),
    "oc20_forces_mev_per_ang": ("OC20: force error", "meV/Å"),
    "md_energy_mev": ("MD: energy error", "meV"),
    "md_forces_mev_per_ang": ("MD: force error", "meV/Å"),
    "drift_mev_per_atom_ps": ("drift of the total energy", "meV/atom/ps"),
    "coupling_mev": ("energy between two molecules", "meV"),
    "train_ms": ("training step", "ms"),
    "inference_ms": ("inference", "ms"),
    "train_memory_mb": ("memory, training", "MB"),
    "inference_memory_mb": ("memory, inference", "MB"),
}
ROUNDING = 1e-3  # meV, meV/atom/ps: smaller values are drawn there
FALLING = ("drift_mev_per_atom_ps", "coupling_mev")  # of many orders of magnitude


def add_arguments(parser: argparse.ArgumentParser) -> None:
    add_table_arguments(parser)


def main(args: argparse.Namespace) -> None:
    plot_beyond(read_table(args.table, declared_table(args.declaration)), args.output)


def plot_beyond(table: pd.DataFrame, output: Path) -> None:
    """Draw a panel for each quantity, a model a row: mean over seeds, with two standard errors."""
    if table[list(PANELS)].isna().all(axis=None):
        return save_gap("nothing was measured", output)
    columns = (len(PANELS) + 1) // 2
    size = (2.3 * columns, 1.3 + 0.44 * len(table))
    figure, axes = plt.subplots(2, columns, figsize=size, sharey=True, layout="constrained")
    for axis, (column, (title, unit)) in zip(axes.flat, PANELS.items(), strict=False):
        _draw(axis, table, column)
        axis.set_title(title, fontsize=9)
        axis.set_xlabel(unit, fontsize=8)
        axis.tick_params(labelsize=8)
    axes[0, 0].set_yticks(range(len(table)), table["model"])
    axes[0, 0].set_ylim(len(table) - 0.5, -0.5)
    first = table.iloc[0]
    stand_in = " (stand-ins)" if first["stand_in"] else ""
    names = f"OC20: {first['dataset']}; MD: {first['md_dataset']}"
    figure.suptitle(
        f"{names}{stand_in}, scale {first['scale']}; bars: two standard errors over seeds", fontsize=9
    )
    save_figure(figure, output)
    return None


def _draw(axis: Axes, table: pd.DataFrame, column: str) -> None:
    falling = column in FALLING
    least = ROUNDING if falling else 0.0
    for place, (_, row) in enumerate(table.iterrows()):
        if pd.isna(row[column]):
            where = axis.get_yaxis_transform()
            axis.text(0.03, place, "not measured", transform=where, va="center", fontsize=7)
            continue
        value, error = max(row[column], least), 2 * row.get(f"{column}_stderr", float("nan"))
        bars = None if pd.isna(error) else [[min(error, value - least)], [error]]
        style: dict[str, Any] = {"color": look(row["model"]).colour, "markersize": 5, "capsize": 2}
        # Not clipped: the largest value's dot, at the edge, is whole.
        axis.errorbar(value, place, xerr=bars, marker="o", clip_on=False, **style)
    if falling:
        axis.set_xscale("log")
        axis.set_xlim(left=ROUNDING / 2)
    else:
        axis.set_xlim(left=0)
    axis.grid(axis="x", alpha=0.25)
    axis.spines[["top", "right"]].set_visible(False)
