"""Compare the observables with a golden file, computed with MDSim's definitions.

Prints the largest relative errors of RDF, RDF MAE, h(r), diffusion and unwrapping, and exits with 1
above 1e-10.
"""

import argparse
from pathlib import Path

import numpy as np

from leignn.errors import InputError
from leignn.files import read_arrays
from leignn.md.observables import diffusion_by_lag, pair_distances, rdf, rdf_mae, unwrap

TOLERANCE = 1e-10
LITHIUM = 3


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("file", type=Path, help="golden file (.npz)")


def main(args: argparse.Namespace) -> int:
    errors = compare_with_golden(args.file)
    for quantity, error in errors.items():
        print(f"{quantity:10s} {error:.2e}")
    worst = max(errors.values())
    print(f"largest relative error {worst:.2e}, tolerance {TOLERANCE:.0e}")
    return 0 if worst <= TOLERANCE else 1


def compare_with_golden(path: Path) -> dict[str, float]:
    """Largest error of each observable, relative to the golden array's largest finite value.

    Raises:
        InputError: the file is missing or is no golden file of observables.
    """
    golden = read_arrays(path)
    try:
        positions, cell = golden["positions"], golden["cell"]
        tracked = positions[:, golden["numbers"] == LITHIUM]
        all_frames, first_quarter = rdf(positions, cell), rdf(positions[: len(positions) // 4], cell)
        found: dict[str, tuple[np.ndarray | float, np.ndarray]] = {
            "rdf": (all_frames, golden["rdf"]),
            "rdf early": (first_quarter, golden["rdf_first_quarter"]),
            "rdf mae": (rdf_mae(all_frames, first_quarter), golden["rdf_mae"]),
            "h(r)": (pair_distances(positions), golden["hr"]),
            "diffusion": (diffusion_by_lag(tracked, "mdsim"), golden["li_diffusion_A2_per_frame_by_lag"]),
            "unwrapping": (unwrap(golden["positions_wrapped"], cell), golden["positions_unwrapped"]),
        }
    except KeyError as error:
        raise InputError(f"{path} has no array {error}: it is no golden file of observables") from error
    return {name: _relative_error(*pair) for name, pair in found.items()}


def _relative_error(found: np.ndarray | float, golden: np.ndarray) -> float:
    """Infinite where shapes differ, or one is finite and the other not."""
    found, finite = np.asarray(found), np.isfinite(golden)
    if found.shape != golden.shape or (np.isfinite(found) != finite).any():
        return np.inf
    return float(np.abs(found[finite] - golden[finite]).max() / np.abs(golden[finite]).max())
