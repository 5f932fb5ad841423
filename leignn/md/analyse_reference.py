"""Compute what simulations are compared with: the observables of a reference trajectory."""

import argparse
from functools import partial
from pathlib import Path

import numpy as np

from leignn.arguments import output_file
from leignn.config.dataset import DATASET_HELP, load_dataset
from leignn.config.simulation import Analysis
from leignn.errors import InputError
from leignn.files import write_arrays
from leignn.md.analysis import comparable, curves_of, diffusivity, tracked
from leignn.md.observables import bonds_of, pair_distances, pair_distances_mae, rdf, rdf_mae
from leignn.md.trajectory import Trajectory, reference_trajectory

BLOCKS = 8  # of whole replicas, or of time and then each longer than what it measures remembers


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--dataset", required=True, help=DATASET_HELP)
    parser.add_argument("--stores", type=Path, required=True, help="folder with a store for each part")
    parser.add_argument("--output", type=output_file, required=True, help="file (.npz)")


def main(args: argparse.Namespace) -> None:
    analysis = load_dataset(args.dataset).dynamics
    store = args.stores / analysis.reference.part
    trajectory = reference_trajectory(store, analysis.reference.frame_time)
    check_reference(trajectory, analysis, store)
    curves = curves_of(trajectory, analysis, {})
    curves |= statistical_errors(trajectory, analysis)
    if analysis.distribution == "bonds":
        bonds, lengths = bonds_of(trajectory.positions, trajectory.cell, trajectory.numbers)
        if not len(bonds):
            raise InputError(
                f"{store}: no two atoms stay bonded in every frame: md.distribution cannot be bonds"
            )
        curves |= {"bonds": bonds, "bond_lengths": lengths}
    curves["diffusivity"] = np.array(np.nan)
    if analysis.diffusion is not None and trajectory.frame_time is not None:
        curves["diffusivity"] = np.array(diffusivity(trajectory, analysis.diffusion, "corrected"))
    write_arrays(args.output, curves)


def statistical_errors(trajectory: Trajectory, analysis: Analysis) -> dict[str, np.ndarray]:
    """How well the reference knows its own curves, from its parts in time.

    Returns:
        ``pair_distances_stderr`` and, of a periodic one, ``rdf_stderr`` (500,): the standard error of the
        mean over :data:`BLOCKS` blocks; ``pair_distances_mae_of_halves`` and ``rdf_mae_of_halves``: how the
        two halves differ, by the measures that simulations are judged by.
    """
    positions, cell = comparable(trajectory, analysis), trajectory.cell
    of_rdf = partial(rdf, cell=cell, images=analysis.images)
    measures = {"pair_distances": (pair_distances, pair_distances_mae)}
    if trajectory.periodic:
        measures["rdf"] = (of_rdf, rdf_mae)
    found = {}
    for name, (curve, mae) in measures.items():
        first, second = (curve(half) for half in np.array_split(positions, 2))
        found[f"{name}_mae_of_halves"] = np.array(mae(first, second))
        blocks = [curve(block) for block in np.array_split(positions, min(BLOCKS, len(positions)))]
        found[f"{name}_stderr"] = np.std(blocks, axis=0, ddof=1) / np.sqrt(len(blocks))
    return found


def check_reference(trajectory: Trajectory, analysis: Analysis, where: Path) -> None:
    """Raise InputError unless ``analysis`` can be made on the reference ``trajectory``."""
    needed = "an RDF" if analysis.distribution == "rdf" else "a gas"
    if analysis.distribution != "pair_distances" and not trajectory.periodic:
        raise InputError(f"{where}: the cell {trajectory.cell.tolist()} has no volume, which {needed} needs")
    if trajectory.length < analysis.window:
        window = f"the window of {analysis.window:g} ps"
        raise InputError(f"{where}: the reference is {trajectory.length:g} ps long, shorter than {window}")
    if analysis.diffusion is not None:
        tracked(trajectory, analysis.diffusion)
