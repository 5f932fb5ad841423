"""Plot what simulations did: forces per element, temperature and energy in time, diffusion."""

import argparse
from pathlib import Path
from typing import Any

import matplotlib.pyplot as plt
import numpy as np
from matplotlib.artist import Artist
from matplotlib.axes import Axes

from leignn.report.drawing.style import COLOURS, save_figure, save_gap
from leignn.report.simulations import (
    REFERENCE,
    Simulation,
    add_arguments,
    load_references,
    load_simulations,
)

__all__ = ["add_arguments", "main"]


def main(args: argparse.Namespace) -> None:
    plot(load_simulations(args.simulations), load_references(args.references), args.output)


def plot(simulations: list[Simulation], references: dict[str, dict[str, Any]], output: Path) -> None:
    """Four panels a data set; a line for every model's first simulation that ran."""
    first = {(s.dataset, s.observables["title"]): s for s in reversed(simulations) if s.analysed}
    if not first:
        return save_gap("no simulation went far enough", output)
    datasets = list(dict.fromkeys(s.dataset for s in simulations if s.analysed))
    figure, axes = plt.subplots(
        len(datasets), 4, figsize=(13, 3.3 * len(datasets)), squeeze=False, layout="constrained"
    )
    labels: dict[str, Artist] = {}
    for row, dataset in zip(axes, datasets, strict=True):
        members = [s for s in first.values() if s.dataset == dataset][::-1]
        for number, simulation in enumerate(members):
            # Counted from the last: LEIGNN has its colour of the other figures.
            again, colour = divmod(len(members) - 1 - number, len(COLOURS))
            style = {"color": COLOURS[colour], "linestyle": "-:"[again % 2], "linewidth": 1.1}
            _draw(row, simulation, {**style, "label": simulation.observables["title"]})
        _draw_reference(row, references[dataset], members)
        for axis in row:
            axis.spines[["top", "right"]].set_visible(False)
            labels |= dict(zip(*axis.get_legend_handles_labels()[::-1], strict=True))
        row[0].set_title(dataset, loc="left")
    figure.legend(list(labels.values()), list(labels), frameon=False, fontsize=8, loc="outside right upper")
    save_figure(figure, output)


def _draw(row: np.ndarray, simulation: Simulation, style: dict[str, Any]) -> None:
    curves, thermo = simulation.curves(), simulation.thermo()
    _draw_forces(row[0], curves, style)
    faint = {**style, "alpha": 0.6, "linewidth": 0.7}
    row[1].plot(thermo["time_ps"], thermo["temperature_k"], **faint)
    atoms = len(curves["numbers"])
    total = (thermo["potential_ev"] + thermo["kinetic_ev"]) / atoms
    row[2].plot(thermo["time_ps"], 1000 * (total - total.iloc[0]), **faint)
    if "msd" in curves:
        row[3].plot(curves["msd_lag"], curves["msd"], **style)


def _draw_forces(axis: Axes, curves: dict[str, Any], style: dict[str, Any]) -> None:
    """The elements' distributions one above the other, each with its own zero line."""
    for shift, (element, edges, density) in enumerate(_forces(curves)):
        axis.plot((edges[1:] + edges[:-1]) / 2, density / density.max() + shift, **style)
        axis.text(edges[-1], shift + 0.06, element, ha="right", fontsize=9)
        style = {**style, "label": None}


def _forces(curves: dict[str, Any]) -> list[tuple[str, np.ndarray, np.ndarray]]:
    elements = [name.removeprefix("force_edges/") for name in curves if name.startswith("force_edges/")]
    return [(e, curves[f"force_edges/{e}"], curves[f"force_density/{e}"]) for e in elements]


def _draw_reference(row: np.ndarray, reference: dict[str, Any], members: list[Simulation]) -> None:
    style = {"color": REFERENCE, "linewidth": 2.5, "alpha": 0.35, "label": "reference"}
    _draw_forces(row[0], reference, style)
    row[0].set(xlabel="|F| (eV/Å)", ylabel="density (scaled to its maximum)", yticks=[])
    target = members[0].observables["outcome"]["settings"]["temperature"]
    row[1].axhline(target, color="0.4", linestyle="--", linewidth=1)
    row[1].set(xlabel="time (ps)", ylabel=f"temperature (K); set to {target:g} K")
    row[2].set(xlabel="time (ps)", ylabel="total energy − first (meV/atom)")
    if "msd" not in reference:
        return row[3].set_axis_off()
    row[3].plot(reference["msd_lag"], reference["msd"], **style)
    how = members[0].observables["analysis"]["diffusion"]
    row[3].axvline(how["lag"], color="0.4", linestyle=":", linewidth=1)
    lags = np.array([0, reference["msd_lag"].max()])
    slope = 6 * float(reference["diffusivity"]) / 10  # Å²/ps
    row[3].plot(lags, slope * lags, color="0.4", linestyle="--", linewidth=1, label="6 D t of the reference")
    longest = max((s.curves()["msd_lag"].max() for s in members if "msd" in s.curves()), default=lags[1])
    top = slope * longest * 1.6
    row[3].set(xlabel="lag (ps)", ylabel=f"MSD of {how['element']} (Å²)", xlim=(0, longest), ylim=(0, top))
