"""Plot validation errors against optimiser steps: one panel row a data set, one curve a model."""

import argparse
from pathlib import Path
from typing import Any

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.ticker import LogFormatter

from leignn.arguments import output_file
from leignn.report.drawing.style import line_of, save_figure
from leignn.report.runs import LEARNING_CURVES, TRIVIAL, Run, load_runs

# What scoring leaves with every run, by curve: its metric and its name in the legend.
TRIVIAL_ERRORS = {
    "val_energy_mae_mev": ("mean_energy_mae_mev", "Mean energy"),
    "val_forces_mae_mev_per_ang": ("zero_forces_mae_mev_per_ang", "Zero forces"),
}
LEVEL: dict[str, Any] = {"color": "0.5", "linestyle": (0, (6, 3)), "linewidth": 1}


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--runs", type=Path, nargs="+", required=True, help="run folders")
    parser.add_argument("--output", type=output_file, required=True, help="figure (.svg)")


def main(args: argparse.Namespace) -> None:
    plot_learning_curves(load_runs(args.runs), args.output)


def plot_learning_curves(runs: list[Run], output: Path) -> None:
    """Draw each model's mean over its seeds, and the band from the best seed to the worst.

    The trivial predictor is a dashed line; where it was not run, its errors on the test split. Beside each
    panel stand its models.
    """
    datasets = list(dict.fromkeys(run.config.dataset for run in runs))
    figure, axes = plt.subplots(
        len(datasets), 2, figsize=(11.5, 3.6 * len(datasets)), squeeze=False, layout="constrained"
    )
    for row, dataset in zip(axes, datasets, strict=True):
        members = [run for run in runs if run.config.dataset == dataset]
        titles = dict.fromkeys(run.metrics["title"] for run in members)
        logs = {
            title: pd.concat([run.log() for run in members if run.metrics["title"] == title])
            for title in titles
        }
        for axis, (column, label) in zip(row, LEARNING_CURVES.items(), strict=True):
            for title, log in logs.items():
                _draw(axis, log.dropna(subset=column), column, title)
            metric, prediction = TRIVIAL_ERRORS[column]
            if TRIVIAL not in logs and (level := _on_test(members, metric)) is not None:
                axis.axhline(level, **LEVEL, label=f"{prediction}, test split")
            axis.set(xlabel="optimiser steps", ylabel=label, yscale="log")
            axis.locator_params(axis="x", nbins=5)  # more numbers of six digits would touch each other
            axis.yaxis.set_major_formatter("{x:g}")
            axis.yaxis.set_minor_formatter(LogFormatter(minor_thresholds=(2, 0.5)))  # decades: fewer, all
            axis.tick_params(which="minor", labelsize=7)
            axis.grid(alpha=0.25)
            axis.spines[["top", "right"]].set_visible(False)
        seeds = len({run.config.seed for run in members})
        words = f"scale {members[0].config.scale}" + (f", {seeds} seeds" if seeds > 1 else "")
        row[0].set_title(f"{members[0].config.dataset_info.title}, {words}", fontsize=9.5, loc="left")
        for axis in row:
            _legend(axis)
    save_figure(figure, output)


def _draw(axis: Axes, log: pd.DataFrame, column: str, title: str) -> None:
    """One model's curve, ``log`` of all its seeds."""
    if log.empty:
        return
    if title == TRIVIAL:
        level = log[column].iloc[-1]
        axis.axhline(level, **LEVEL, label=TRIVIAL)
        return
    by_step = log.groupby("step")[column]
    line = line_of(title)
    axis.plot(by_step.mean(), linewidth=1.4, label=title, **line)
    axis.fill_between(
        by_step.mean().index, by_step.min(), by_step.max(), color=line["color"], alpha=0.15, lw=0
    )


def _on_test(members: list[Run], metric: str) -> float | None:
    """A trivial predictor's error on the first test split, as scoring found it."""
    splits = [split for run in members for split in run.metrics["splits"].values()]
    return next((split[metric] for split in splits), None)


def _legend(axis: Axes) -> None:
    """The panel's models, in the order in which their curves end."""
    lines = sorted(axis.get_lines(), key=lambda line: -np.asarray(line.get_ydata())[-1])
    small = {"frameon": False, "fontsize": 7, "handlelength": 2.4, "borderpad": 0}
    axis.legend(handles=lines, loc="center left", bbox_to_anchor=(1, 0.5), **small)
