"""Plot what `profile` measured (Figure 4): times, parameters, operations, memory, and how they scale."""

import argparse
from functools import partial
from pathlib import Path

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.ticker import EngFormatter, MaxNLocator, NullFormatter

from leignn.report.drawing.style import line_of, save_figure
from leignn.report.significant import significant
from leignn.report.tables.read import add_table_arguments, declared_table, read_table

TRAINING = "training structures"
SHOWN = [f"{kind}_{what}" for kind in ("train", "inference") for what in (
    "ms", "ms_low", "ms_high", "ratio", "ratio_stderr")]  # fmt: skip
SHOWN += ["parameters", "inference_gflop", "opcounter_gmac", "train_memory_mb", "published_ratio"]


def add_arguments(parser: argparse.ArgumentParser) -> None:
    add_table_arguments(parser)


def main(args: argparse.Namespace) -> None:
    plot_complexity(read_table(args.table, declared_table(args.declaration)), args.output)


def plot_complexity(table: pd.DataFrame, output: Path) -> None:
    """Draw one row of panels of bars and one of curves for each size and device.

    Equal input gives an equal file.
    """
    plt.rcParams["font.size"] = 8
    measured = list(table.groupby(["scale", "device"], sort=False))
    figure = plt.figure(figsize=(10.5, 6.2 * len(measured)), layout="constrained")
    parts = figure.subfigures(len(measured), 1, squeeze=False)[:, 0]
    for part, ((scale, device), own) in zip(parts, measured, strict=True):
        bars, curves = part.subfigures(2, 1)
        _bars(bars.subplots(1, 5, sharey=True), own[own["point"] == TRAINING].set_index("title"))
        _curves(curves.subplots(1, 3), own)
        first = own.iloc[0]
        part.suptitle(
            f"{first['hardware']}, {device}"
            + (f", {first['threads']} threads" if device == "cpu" else "")
            + f"; models of {'published sizes' if scale == 'paper' else f'scale {scale}'}",
            fontweight="bold",
        )
    save_figure(figure, output)


def _bars(axes: list[Axes], rows: pd.DataFrame) -> None:
    """Time, parameters, operations and memory; a row without a bar has its reason in the first panel."""
    rows = rows.reindex(columns=[*dict.fromkeys([*rows.columns, *SHOWN])])
    places = range(len(rows))
    fill = [line_of(title)["color"] for title in rows.index]
    hatches = ["////" if form == "plain" else "" for form in rows["form"]]
    panels = {
        "train_ms": "training step (ms a structure)\n× LEIGNN's (paper's ×)",
        "inference_ms": "inference (ms a structure)\n× LEIGNN's (paper's ×)",
        "parameters": "parameters",
        "inference_gflop": "operations of an inference\n(GFLOP a structure)",
        "train_memory_mb": "peak memory of a training\nstep (MB a batch)",
    }
    for axis, (column, label) in zip(axes, panels.items(), strict=True):
        values = rows[column].astype(float)
        axis.barh(places, values, color=fill, height=0.7, hatch=hatches, edgecolor="white", linewidth=0)
        ends = values
        if column in ("train_ms", "inference_ms"):
            ends, low = rows[f"{column}_high"], rows[f"{column}_low"]
            error = [values - low, ends - values]
            axis.errorbar(values, places, xerr=error, fmt="none", ecolor="0.5", capsize=2, linewidth=1)
        if column == "inference_gflop":
            counted = 2 * rows["opcounter_gmac"]
            axis.plot(counted, places, "D", color="0.4", markersize=4, label="PyTorch-OpCounter × 2")
            axis.legend(frameon=False, fontsize=7, loc="lower right", bbox_to_anchor=(1, 1), borderpad=0)
            ends = np.fmax(values, counted)
        for place, end, text in zip(places, ends, _labels(rows, column, values), strict=True):
            axis.annotate(text, (end, place), (4, 0), textcoords="offset points", va="center", fontsize=7)
        if column == "train_ms":
            for place, status in enumerate(rows["status"]):
                reason = status.partition(":")[0] if np.isnan(values.iloc[place]) else ""
                axis.annotate(reason, (0, place), (4, 0), textcoords="offset points", va="center", fontsize=7)
        axis.set(xlabel=label, yticks=places, yticklabels=rows.index)
        axis.margins(x=0.45)
        axis.xaxis.set_major_locator(MaxNLocator(3))
        axis.xaxis.set_major_formatter(EngFormatter(sep="") if column == "parameters" else "{x:g}")
        axis.spines[["top", "right"]].set_visible(False)
    axes[0].invert_yaxis()


def _labels(rows: pd.DataFrame, column: str, values: pd.Series) -> list[str]:
    """What stands at the end of each bar."""
    known = EngFormatter(places=1, sep="") if column == "parameters" else partial(significant, digits=3)
    texts = ["" if np.isnan(value) else known(value) for value in values]
    if column.endswith("_ms"):
        ratios = (rows[column.replace("_ms", end)] for end in ("_ratio", "_ratio_stderr"))
        for number, (ratio, error, paper) in enumerate(zip(*ratios, rows["published_ratio"], strict=True)):
            texts[number] += "" if np.isnan(ratio) else f"  ×{significant(ratio, 2)}"
            texts[number] += f"±{significant(error, 1)}" if error > 0 else ""
            texts[number] += "" if np.isnan(ratio) or np.isnan(paper) else f" ({paper:g})"
    return texts


def _curves(axes: list[Axes], own: pd.DataFrame) -> None:
    """Time over atoms and over neighbours, memory over atoms; and the legend."""
    panels = [
        ("atoms", "inference_ms", "atoms (copper)", "inference (ms)"),
        ("atoms", "inference_memory_mb", "atoms (copper)", "peak memory, inference (MB)"),
        ("neighbors", "inference_ms", "neighbours of an atom (64 atoms)", "inference (ms)"),
    ]
    for axis, (point, column, xlabel, ylabel) in zip(axes, panels, strict=True):
        for title, rows in own[own["point"] == point].groupby("title", sort=False):
            axis.plot(rows[point], rows[column], marker="o", markersize=3, label=title, **line_of(str(title)))
        axis.set(xscale="log", yscale="log", xlabel=xlabel, ylabel=ylabel)
        axis.set_xticks(sorted(own.loc[own["point"] == point, point].round().astype(int).unique()))
        axis.xaxis.set_major_formatter("{x:.0f}")
        axis.xaxis.set_minor_formatter(NullFormatter())
        axis.yaxis.set_major_formatter("{x:g}")
        axis.grid(alpha=0.25)
        axis.spines[["top", "right"]].set_visible(False)
    handles, labels = axes[0].get_legend_handles_labels()
    axes[0].figure.legend(handles, labels, frameon=False, fontsize=8, loc="outside right center")
