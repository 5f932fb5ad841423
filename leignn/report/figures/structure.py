"""Plot Figure 5: the systems that were simulated, their h(r) and their RDF beside the reference's."""

import argparse
from pathlib import Path
from typing import Any

import matplotlib.pyplot as plt
import numpy as np
from ase import Atoms
from ase.visualize.plot import plot_atoms
from matplotlib.axes import Axes

from leignn.md.observables import BINS, HR_RANGE, RDF_RANGE
from leignn.report.drawing.style import line_of, save_figure, save_gap
from leignn.report.simulations import (
    REFERENCE,
    Simulation,
    add_arguments,
    load_references,
    load_simulations,
)

DRAWN_TOGETHER = 4  # of the 500 bins: their scatter would hide what differs
BAND = 2  # standard errors of the reference
STEEP = 10  # a g(r) with a higher peak gets a logarithmic axis above LINEAR
LINEAR = 2.0
VIEW = "-80x,15y,0z"  # degrees, for ASE: nearly along an axis of the cell


__all__ = ["add_arguments", "main"]


def main(args: argparse.Namespace) -> None:
    simulations = load_simulations(args.simulations)
    plot(simulations, load_references(args.references, simulations), args.output)


def plot(simulations: list[Simulation], references: dict[str, dict[str, Any]], output: Path) -> None:
    """A row of three panels a data set: the last frame, h(r), g(r); a line for every simulation."""
    ran = [s for s in simulations if s.analysed]
    if not ran:
        return save_gap("no simulation went far enough", output)
    datasets = list(dict.fromkeys(s.dataset for s in ran))
    figure, axes = plt.subplots(
        len(datasets), 3, figsize=(9.5, 3.1 * len(datasets)), squeeze=False, layout="constrained"
    )
    for row, dataset in zip(axes, datasets, strict=True):
        members = [s for s in ran if s.dataset == dataset]
        _draw_system(row[0], members[0], references[dataset])
        _draw_curves(row[1], "pair_distances", HR_RANGE, members, references[dataset])
        row[1].set(xlabel="r (Å)", ylabel="h(r) (1/Å)", title="all distances, no periodic images")
        if "rdf" in references[dataset]:
            _draw_curves(row[2], "rdf", RDF_RANGE, members, references[dataset])
            row[2].set(xlabel="r (Å)", ylabel="g(r)", title="radial distribution function")
            if _together(references[dataset]["rdf"]).max() > STEEP:
                row[2].set_yscale("symlog", linthresh=LINEAR)
        else:
            row[2].set_axis_off()
        row[1].legend(frameon=False, fontsize=8)
    save_figure(figure, output)


def _draw_system(axis: Axes, simulation: Simulation, reference: dict[str, Any]) -> None:
    """The last frame of a simulation, wrapped into its cell; molecules stay whole."""
    curves, found = simulation.curves(), simulation.observables
    cell = curves["cell"]
    atoms = Atoms(curves["numbers"], curves["last_frame"], cell=cell, pbc=bool(cell.any()))
    if found["analysis"]["distribution"] != "pair_distances":
        atoms.wrap()
        for first, second in reference.get("bonds", []):
            atoms.positions[second] = atoms.positions[first] + atoms.get_distance(
                first, second, mic=True, vector=True
            )
    plot_atoms(atoms, axis, radii=0.5, rotation=VIEW)
    axis.set_axis_off()
    formula = atoms.symbols.formula.format("metal")
    time = f"after {found['outcome']['time_ps']:g} ps with {found['title']}"
    axis.set_title(f"{found['dataset_title']}: {formula}\n{time}", fontsize=9)


def _draw_curves(
    axis: Axes,
    name: str,
    limits: tuple[float, float],
    simulations: list[Simulation],
    reference: dict[str, Any],
) -> None:
    centres = _together(np.linspace(*limits, BINS, endpoint=False) + (limits[1] - limits[0]) / (2 * BINS))
    expected = _together(reference[name])
    axis.plot(centres, expected, color=REFERENCE, linewidth=2.2, alpha=0.45, label="reference")
    band = BAND * _together(reference[f"{name}_stderr"])
    axis.fill_between(centres, expected - band, expected + band, color=REFERENCE, alpha=0.2, linewidth=0)
    for number, simulation in enumerate(simulations):
        title = simulation.observables["title"]
        label = title if number == 0 else None
        drawn = _together(simulation.curves()[name])
        axis.plot(centres, drawn, linewidth=0.9, label=label, **line_of(title))
    axis.set_xlim(0, limits[1])
    axis.set_ylim(bottom=0)
    axis.spines[["top", "right"]].set_visible(False)


def _together(values: np.ndarray) -> np.ndarray:
    """Means of :data:`DRAWN_TOGETHER` neighbouring bins."""
    return values.reshape(-1, DRAWN_TOGETHER).mean(axis=1)
