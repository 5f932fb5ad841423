"""Plot validation errors against optimiser steps: one panel row a data set, one curve a run."""

import argparse
from pathlib import Path

import matplotlib.pyplot as plt
from matplotlib.artist import Artist
from matplotlib.ticker import LogFormatter

from leignn.arguments import output_file
from leignn.report.drawing.style import COLOURS, save_figure
from leignn.report.runs import LEARNING_CURVES, TRIVIAL, Run, load_runs


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--runs", type=Path, nargs="+", required=True, help="run folders")
    parser.add_argument("--output", type=output_file, required=True, help="figure (.svg)")


def main(args: argparse.Namespace) -> None:
    plot_learning_curves(load_runs(args.runs), args.output)


def plot_learning_curves(runs: list[Run], output: Path) -> None:
    """Draw the curves, one colour a model in the order of the runs (a second round is dotted).

    The trivial predictor is a dashed line.
    """
    datasets = list(dict.fromkeys(run.config.dataset for run in runs))
    titles = list(dict.fromkeys(r.metrics["title"] for r in runs if r.metrics["title"] != TRIVIAL))
    figure, axes = plt.subplots(
        len(datasets), 2, figsize=(9.5, 3.4 * len(datasets)), squeeze=False, layout="constrained"
    )
    for row, dataset in zip(axes, datasets, strict=True):
        members = [run for run in runs if run.config.dataset == dataset]
        for axis, (column, label) in zip(row, LEARNING_CURVES.items(), strict=True):
            for run in members:
                log, title = run.log(), run.metrics["title"]
                if title == TRIVIAL:
                    level = log[column].iloc[-1]
                    axis.axhline(level, color="0.5", linestyle="--", linewidth=1, label=TRIVIAL)
                else:
                    again, number = divmod(titles.index(title), len(COLOURS))
                    style = {"color": COLOURS[number], "linestyle": "-:"[again % 2], "linewidth": 1.4}
                    axis.plot(log["step"], log[column], label=title, **style)
            axis.set(xlabel="optimiser steps", ylabel=label, yscale="log")
            axis.yaxis.set_major_formatter("{x:g}")
            axis.yaxis.set_minor_formatter(LogFormatter(minor_thresholds=(2, 0.5)))  # decades: fewer, all
            axis.tick_params(which="minor", labelsize=7)
            axis.grid(alpha=0.25)
            axis.spines[["top", "right"]].set_visible(False)
        row[0].set_title(f"{members[0].config.dataset_info.title}, scale {members[0].config.scale}")
    by_label: dict[str, Artist] = {}  # one entry for all seeds and data sets
    for axis in axes[:, 0]:
        handles, labels = axis.get_legend_handles_labels()
        by_label |= dict(zip(labels, handles, strict=True))
    figure.legend(
        list(by_label.values()), list(by_label), frameon=False, fontsize=8, loc="outside right upper"
    )
    save_figure(figure, output)
