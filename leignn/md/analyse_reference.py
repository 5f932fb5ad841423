"""Compute what simulations are compared with: the observables of a reference trajectory."""

import argparse
from pathlib import Path

import numpy as np

from leignn.arguments import output_file
from leignn.config.dataset import DATASET_HELP, load_dataset
from leignn.config.simulation import Analysis
from leignn.errors import InputError
from leignn.files import write_arrays
from leignn.md.analysis import comparable, curves_of, diffusivity, tracked
from leignn.md.observables import pair_distances, pair_distances_mae, rdf, rdf_mae
from leignn.md.trajectory import Trajectory, reference_trajectory


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
    positions = comparable(trajectory, analysis)
    halves = positions[::2], positions[1::2]
    first, second = (pair_distances(half) for half in halves)
    curves["pair_distances_mae_of_halves"] = np.array(pair_distances_mae(first, second))
    if trajectory.periodic:
        curves["rdf_mae_of_halves"] = np.array(
            rdf_mae(*(rdf(half, trajectory.cell, analysis.images) for half in halves))
        )
    curves["diffusivity"] = np.array(np.nan)
    if analysis.diffusion is not None and trajectory.frame_time is not None:
        curves["diffusivity"] = np.array(diffusivity(trajectory, analysis.diffusion, "corrected"))
    write_arrays(args.output, curves)


def check_reference(trajectory: Trajectory, analysis: Analysis, where: Path) -> None:
    """Raise InputError unless ``analysis`` can be made on the reference ``trajectory``."""
    if analysis.distribution == "rdf" and not trajectory.periodic:
        raise InputError(f"{where}: the cell {trajectory.cell.tolist()} has no volume, which an RDF needs")
    length = np.inf if trajectory.frame_time is None else len(trajectory) * trajectory.frame_time
    if length < analysis.window:
        window = f"the window of {analysis.window:g} ps"
        raise InputError(f"{where}: the reference is {length:g} ps long, shorter than {window}")
    if analysis.diffusion is not None:
        tracked(trajectory, analysis.diffusion)
