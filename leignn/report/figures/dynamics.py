"""Plot what simulations did: forces per element, temperature and energy in time, diffusion."""

import argparse
from pathlib import Path
from typing import Any

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
from matplotlib.axes import Axes

from leignn.report.drawing.style import line_of, save_figure, save_gap
from leignn.report.significant import significant
from leignn.report.simulations import (
    REFERENCE,
    Simulation,
    add_arguments,
    load_references,
    load_simulations,
)

__all__ = ["add_arguments", "main"]

APART = 1.2  # of two elements' distributions, in units of the reference's largest density
WINDOWS = 40  # of time: each is one point of a curve, with the range within as its band
FAINT: dict[str, Any] = {"color": REFERENCE, "alpha": 0.35}


def main(args: argparse.Namespace) -> None:
    simulations = load_simulations(args.simulations)
    plot(simulations, load_references(args.references, simulations), args.output)


def plot(simulations: list[Simulation], references: dict[str, dict[str, Any]], output: Path) -> None:
    """Four panels a data set, of every model's first simulation that ran.

    Temperatures are distributions, energies are windows of time with their range: each model has a lane.
    """
    first = {(s.dataset, s.observables["title"]): s for s in reversed(simulations) if s.analysed}
    if not first:
        return save_gap("no simulation went far enough", output)
    datasets = list(dict.fromkeys(s.dataset for s in simulations if s.analysed))
    rows = [[s for s in first.values() if s.dataset == dataset][::-1] for dataset in datasets]
    heights = [1.6 + 0.32 * max(len(members), 5) for members in rows]
    figure, axes = plt.subplots(
        len(datasets), 4, figsize=(13, sum(heights)), squeeze=False, layout="constrained",
        gridspec_kw={"height_ratios": heights},
    )  # fmt: skip
    for row, dataset, members in zip(axes, datasets, rows, strict=True):
        _draw_forces(row[0], references[dataset], members)
        _draw_temperatures(row[1], members)
        _draw_energies(row[2], members)
        _draw_diffusion(row[3], references[dataset], members)
        row[0].legend(frameon=False, fontsize=7.5, loc="upper left", bbox_to_anchor=(0, -0.16), ncols=3)
        row[0].set_title(members[0].observables["dataset_title"], loc="left")
    save_figure(figure, output)


def _title(simulation: Simulation) -> str:
    return simulation.observables["title"]


def _draw_forces(axis: Axes, reference: dict[str, Any], members: list[Simulation]) -> None:
    """The elements' distributions one above the other, each with its own zero line."""
    for number, (element, edges, density) in enumerate(_forces(reference)):
        shift, height = APART * number, density.max()
        centres = (edges[1:] + edges[:-1]) / 2
        label = "reference" if number == 0 else None
        axis.fill_between(centres, shift, density / height + shift, **FAINT, lw=0, label=label)
        for simulation in members:
            title = _title(simulation)
            own = _in_pairs(simulation.curves()[f"force_density/{element}"]) / height
            label = title if number == 0 else None
            own = np.minimum(own, APART)  # of a model that hardly learnt, the height would hide all others
            axis.plot(_in_pairs(centres), own + shift, linewidth=1.1, label=label, **line_of(title))
        axis.text(1.02, shift, element, transform=axis.get_yaxis_transform(), fontsize=9)
    axis.set(xlabel="|F| (eV/Å)", ylabel=f"density, of the\nreference's largest, up to {APART}", yticks=[])
    axis.spines[["top", "right"]].set_visible(False)


def _in_pairs(values: np.ndarray) -> np.ndarray:
    """Means of neighbouring bins: a short simulation's scatter would hide what differs."""
    return values.reshape(-1, 2).mean(axis=1)


def _forces(curves: dict[str, Any]) -> list[tuple[str, np.ndarray, np.ndarray]]:
    elements = [name.removeprefix("force_edges/") for name in curves if name.startswith("force_edges/")]
    return [(e, curves[f"force_edges/{e}"], curves[f"force_density/{e}"]) for e in elements]


def _lanes(axis: Axes, members: list[Simulation]) -> None:
    """A lane for each model, the first on top, named at its side."""
    axis.set(yticks=range(len(members)), ylim=(len(members) - 0.4, -0.6))
    axis.set_yticklabels([_title(s) for s in members], fontsize=8)
    axis.tick_params(axis="y", length=0)
    axis.spines[["top", "right", "left"]].set_visible(False)


def _draw_temperatures(axis: Axes, members: list[Simulation]) -> None:
    """Where each simulation's temperature was: half of the time (thick), 90 % of it (thin), mean (dot).

    Behind them the set temperature, and in how wide a band 90 % of a canonical ensemble's kinetic
    temperatures lie: its standard deviation is T √(2 / 3N).
    """
    outcome = members[0].observables["outcome"]
    target, atoms = outcome["settings"]["temperature"], len(members[0].curves()["numbers"])
    width = 1.645 * target * np.sqrt(2 / (3 * atoms))
    axis.axvspan(target - width, target + width, color="0.5", alpha=0.18, lw=0)
    axis.axvline(target, color="0.4", linestyle="--", linewidth=1)
    for lane, simulation in enumerate(members):
        temperature = simulation.thermo()["temperature_k"]
        low, first, third, high = temperature.quantile([0.05, 0.25, 0.75, 0.95])
        colour = line_of(_title(simulation))["color"]
        axis.plot([low, high], [lane, lane], color=colour, linewidth=1.2)
        axis.plot([first, third], [lane, lane], color=colour, linewidth=5, solid_capstyle="butt")
        axis.plot(temperature.mean(), lane, "o", color="white", markeredgecolor="0.2", markersize=4.5)
    _lanes(axis, members)
    axis.set(xlabel=f"temperature (K); set to {target:g} K\nband: 90 % of a canonical ensemble")


def _draw_energies(axis: Axes, members: list[Simulation]) -> None:
    """The total energy in windows of time, mean and range; every lane has the same scale."""
    found = {_title(s): _windows(s) for s in members}
    largest = max(float(np.abs(table.to_numpy()).max()) for table in found.values()) or 1.0
    for lane, (title, windows) in enumerate(found.items()):
        colour = line_of(title)["color"]
        low, mean, high = (lane - 0.45 * windows[name] / largest for name in ("min", "mean", "max"))
        axis.axhline(lane, color="0.85", linewidth=0.7)
        axis.fill_between(windows.index, low, high, color=colour, alpha=0.25, lw=0)
        axis.plot(windows.index, mean, color=colour, linewidth=1.1)
    _lanes(axis, members)
    axis.set(xlabel=f"time (ps)\ntotal energy − first; a lane is ±{significant(largest, 3)} meV/atom high")


def _windows(simulation: Simulation) -> pd.DataFrame:
    """Mean, least and largest total energy (meV/atom, from the first frame's) by time (ps)."""
    thermo = simulation.thermo()
    total = 1000 * (thermo["potential_ev"] + thermo["kinetic_ev"]) / len(simulation.curves()["numbers"])
    edges = np.linspace(0, thermo["time_ps"].max(), WINDOWS + 1)
    window = np.clip(np.searchsorted(edges, thermo["time_ps"], side="right") - 1, 0, WINDOWS - 1)
    found = (total - total.iloc[0]).groupby(window).agg(["min", "mean", "max"])
    return found.set_index((edges[1:] + edges[:-1])[found.index] / 2)


def _draw_diffusion(axis: Axes, reference: dict[str, Any], members: list[Simulation]) -> None:
    if "msd" not in reference:
        return axis.set_axis_off()
    how = members[0].observables["analysis"]["diffusion"]
    curves = {_title(s): s.curves() for s in members}
    curves = {title: found for title, found in curves.items() if "msd" in found}
    for title, found in curves.items():
        axis.plot(found["msd_lag"], found["msd"], linewidth=1.1, **line_of(title))
    axis.plot(reference["msd_lag"], reference["msd"], linewidth=2.5, **FAINT)
    axis.axvline(how["lag"], color="0.4", linestyle=":", linewidth=1)
    lags = np.array([0, reference["msd_lag"].max()])
    slope = 6 * float(reference["diffusivity"]) / 10  # Å²/ps
    axis.plot(lags, slope * lags, color="0.4", linestyle="--", linewidth=1, label="6 D t of the reference")
    longest = max((found["msd_lag"].max() for found in curves.values()), default=lags[1])
    axis.set(xlabel="lag (ps)", ylabel=f"MSD of {how['element']} (Å²)")
    axis.set(xlim=(0, longest), ylim=(0, slope * longest * 1.6))
    axis.legend(frameon=False, fontsize=7.5, loc="upper left")
    axis.spines[["top", "right"]].set_visible(False)
    return None
