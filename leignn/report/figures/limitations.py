"""Plot the measured limitations: energy drift by time step, and what two molecules apart do to each other."""

import argparse
from pathlib import Path
from typing import Any

import matplotlib.pyplot as plt
import pandas as pd
from matplotlib.axes import Axes

from leignn.report.drawing.style import line_of, save_figure, save_gap
from leignn.report.tables.read import add_table_arguments, declared_table, read_table

PANELS = {
    "nve_drift": ("timestep_fs", "time step (fs)", "drift of the total energy (meV/atom/ps)"),
    "pair_energy": ("separation_ang", "distance of two molecules (Å)", "|E(pair) − sum of both alone| (meV)"),
    "pair_forces": ("separation_ang", "distance of two molecules (Å)", "largest change of a force (meV/Å)"),
}
TITLES = {
    "nve_drift": "Direct forces (—) and gradients (- -): energy in NVE",
    "pair_energy": "Global phases: energy",
    "pair_forces": "Global phases: forces",
}
ROUNDING = 1e-3  # meV and meV/Å: below, the differences are those of float32


def add_arguments(parser: argparse.ArgumentParser) -> None:
    add_table_arguments(parser)


def main(args: argparse.Namespace) -> None:
    plot_limitations(read_table(args.table, declared_table(args.declaration)), args.output)


def plot_limitations(table: pd.DataFrame, output: Path) -> None:
    """Draw a panel for each experiment, one line a model; of the drift dashed where forces are gradients.

    Seeds are averaged. Simulations that stopped are left out; the table has them.
    """
    measured = table[table["value"].notna()]
    if measured.empty:
        return save_gap("no limitation was measured", output)
    figure, axes = plt.subplots(1, len(PANELS), figsize=(11.5, 3.9), layout="constrained")
    for axis, (experiment, (column, label, quantity)) in zip(axes, PANELS.items(), strict=True):
        rows = measured[measured["experiment"] == experiment]
        for model in dict.fromkeys(rows["model"]):
            _draw(axis, rows[rows["model"] == model], column)
        if experiment == "nve_drift":
            axis.axhline(0, color="0.5", linewidth=0.8)
            axis.set_yscale("symlog", linthresh=10)
            axis.set_xticks(sorted(set(rows[column])))
            axis.xaxis.set_major_formatter("{x:g}")
        else:
            axis.set_xscale("log")
            axis.set_xticks(sorted(set(rows[column])), minor=False)
            axis.xaxis.set_major_formatter("{x:g}")
            axis.minorticks_off()
            axis.set_yscale("log")
            axis.axhspan(ROUNDING / 10, ROUNDING, color="0.9", zorder=0)
            axis.text(0.02, ROUNDING / 2, "rounding", transform=axis.get_yaxis_transform(), va="top")
            axis.set_ylim(bottom=ROUNDING / 10)
        axis.yaxis.set_major_formatter("{x:g}")
        axis.set(xlabel=label, ylabel=quantity)
        axis.set_title(TITLES[experiment], fontsize=9)
        axis.grid(alpha=0.25)
        axis.spines[["top", "right"]].set_visible(False)
        if len(rows):
            axis.legend(frameon=False, fontsize=8, loc="lower center", bbox_to_anchor=(0.5, 1.08), ncols=3)
    first = measured.iloc[0]
    stand_in = " (stand-in)" if first["stand_in"] else ""
    figure.suptitle(f"{first['dataset']}{stand_in}, scale {first['scale']}", fontsize=9)
    save_figure(figure, output)
    return None


def _draw(axis: Axes, rows: pd.DataFrame, column: str) -> None:
    """One model's line; differences of pairs are drawn as sizes, at least a tenth of the rounding."""
    groups = rows.groupby(column)
    values, errors = groups["value"].mean(), groups["stderr"].mean()
    if column == "separation_ang":
        values = values.abs().clip(lower=ROUNDING / 5)
    style: dict[str, Any] = {**line_of(rows["model"].iloc[0]), "linewidth": 1.4}
    if column != "separation_ang":
        style["linestyle"] = "-" if rows["direct_forces"].iloc[0] else "--"
    axis.errorbar(
        values.index, values, errors.fillna(0), label=rows["model"].iloc[0], marker="o", markersize=4, **style
    )
