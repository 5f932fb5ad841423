"""Compute what simulations are compared with: the observables of a reference trajectory."""

import argparse
from pathlib import Path

import numpy as np
from ase.data import chemical_symbols

from leignn.config.dataset import DATASET_HELP, load_dataset
from leignn.errors import InputError
from leignn.files import replacing
from leignn.md.observables import (
    Convention,
    diffusion_by_lag,
    make_whole,
    pair_distances,
    pair_distances_mae,
    partial_rdfs,
    rdf,
    rdf_mae,
    unwrap,
    wrap,
)
from leignn.md.protocol import Analysis, Diffusion, analysis_of
from leignn.md.trajectory import Trajectory, reference_trajectory

A2_PER_PS = 10.0  # 1 Å²/ps in 1e-9 m²/s
FORCE_BINS = 80
FORCE_QUANTILE = 0.999  # of the reference's force magnitudes: where the bins end


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--dataset", required=True, help=DATASET_HELP)
    parser.add_argument("--stores", type=Path, required=True, help="folder with a store for each part")
    parser.add_argument("--output", type=Path, required=True, help="file (.npz)")


def main(args: argparse.Namespace) -> None:
    analysis = analysis_of(load_dataset(args.dataset))
    store = args.stores / analysis.part
    trajectory = reference_trajectory(store, analysis.frame_time)
    check_reference(trajectory, analysis, store)
    curves = curves_of(trajectory, analysis, {})
    positions = comparable(trajectory, analysis)
    halves = positions[::2], positions[1::2]
    first, second = (pair_distances(half) for half in halves)
    curves["pair_distances_mae_of_halves"] = np.array(pair_distances_mae(first, second))
    if trajectory.periodic:
        curves["rdf_mae_of_halves"] = np.array(rdf_mae(*(rdf(half, trajectory.cell) for half in halves)))
    curves["diffusivity"] = np.array(np.nan)
    if analysis.diffusion is not None and trajectory.frame_time is not None:
        curves["diffusivity"] = np.array(diffusivity(trajectory, analysis.diffusion, "corrected"))
    with replacing(args.output) as temporary:
        np.savez(temporary, **curves)


def check_reference(trajectory: Trajectory, analysis: Analysis, where: Path) -> None:
    """Raise InputError unless ``analysis`` can be made on the reference ``trajectory``."""
    if analysis.distribution == "rdf" and not trajectory.periodic:
        raise InputError(f"{where}: the cell {trajectory.cell.tolist()} has no volume, which an RDF needs")
    length = np.inf if trajectory.frame_time is None else len(trajectory) * trajectory.frame_time
    if length < analysis.window:
        window = f"the window of {analysis.window:g} ps"
        raise InputError(f"{where}: the reference is {length:g} ps long, shorter than {window}")
    if analysis.diffusion is not None:
        _tracked(trajectory, analysis.diffusion)


def comparable(trajectory: Trajectory, analysis: Analysis) -> np.ndarray:
    """(T, N, 3) Å, so that distances without periodic images mean the same in every trajectory.

    What fills its cell is wrapped into it; a molecule is made whole.
    """
    if analysis.distribution == "rdf":
        return wrap(trajectory.positions, trajectory.cell)
    if trajectory.periodic:
        return make_whole(trajectory.positions, trajectory.cell)
    return trajectory.positions


def curves_of(
    trajectory: Trajectory, analysis: Analysis, reference: dict[str, np.ndarray]
) -> dict[str, np.ndarray]:
    """What the figures draw.

    Args:
        trajectory: a simulation's, or the reference.
        analysis: what to compute.
        reference: the reference's curves, whose bins of forces are used; empty for itself.

    Returns:
        ``rdf``, ``partial_rdf/<pair>``, ``pair_distances`` (500,); ``force_edges/<element>`` in eV/Å
        and ``force_density/<element>`` of the force magnitudes; of an element that diffuses ``msd``
        in Å² and ``msd_lag`` in ps; ``numbers``, ``cell`` and the ``last_frame`` (N, 3) Å.
    """
    found = {
        "pair_distances": pair_distances(comparable(trajectory, analysis)),
        "numbers": trajectory.numbers,
        "cell": trajectory.cell,
        "last_frame": trajectory.positions[-1],
    }
    if trajectory.periodic:
        found["rdf"] = rdf(trajectory.positions, trajectory.cell)
        for pair, values in partial_rdfs(trajectory.positions, trajectory.cell, trajectory.numbers).items():
            found[f"partial_rdf/{pair}"] = values
    magnitudes = np.linalg.norm(trajectory.forces, axis=2)
    for number in np.unique(trajectory.numbers):
        element, values = chemical_symbols[number], magnitudes[:, trajectory.numbers == number]
        edges = reference.get(f"force_edges/{element}")
        if edges is None:
            edges = np.linspace(0, np.quantile(values, FORCE_QUANTILE), FORCE_BINS + 1)
        found[f"force_edges/{element}"] = edges
        # Of all forces, also those beyond the bins: the area under the curve may be less than one.
        found[f"force_density/{element}"] = np.histogram(values, edges)[0] / values.size / np.diff(edges)
    if analysis.diffusion is not None and trajectory.frame_time is not None:
        moved = _moved(trajectory, analysis.diffusion)
        if len(moved) > 2:
            lags = np.arange(1, len(moved))
            found["msd"] = 6 * lags * diffusion_by_lag(moved)
            found["msd_lag"] = lags * analysis.diffusion.spacing
    return found


def diffusivity(trajectory: Trajectory, how: Diffusion, convention: Convention) -> float:
    """Diffusivity in 1e-9 m²/s, read at one lag.

    Raises:
        InputError: the trajectory is too short for that lag, or its frames do not allow the spacing.
    """
    moved = _moved(trajectory, how)
    lag = round(how.lag / how.spacing)
    # One window more than the lag: the reference convention divides by one fewer than there are.
    if len(moved) < lag + 2:
        length = len(trajectory) * trajectory.frame_time
        raise InputError(f"{length:g} ps are too short for a diffusivity at a lag of {how.lag:g} ps")
    return float(diffusion_by_lag(moved, convention)[lag - 1] / how.spacing * A2_PER_PS)


def _moved(trajectory: Trajectory, how: Diffusion) -> np.ndarray:
    """Unwrapped positions of the tracked atoms in the frames that count."""
    stride = round(how.spacing / trajectory.frame_time)
    if stride < 1 or not np.isclose(stride * trajectory.frame_time, how.spacing, rtol=1e-3):
        raise InputError(f"frames {trajectory.frame_time:g} ps apart allow no spacing of {how.spacing:g} ps")
    positions = trajectory.positions[:, _tracked(trajectory, how)]
    if trajectory.periodic:
        positions = unwrap(positions, trajectory.cell)
    return positions[round(how.skip / trajectory.frame_time) :: stride]


def _tracked(trajectory: Trajectory, how: Diffusion) -> np.ndarray:
    tracked = trajectory.numbers == chemical_symbols.index(how.element)
    if not tracked.any():
        raise InputError(f"md.diffusion.element: the trajectory has no {how.element}")
    return tracked
