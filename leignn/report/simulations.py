"""Simulations as the figures want them: numbers, curves and temperatures of each, and its reference."""

import argparse
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pandas as pd

from leignn.arguments import output_file
from leignn.errors import InputError
from leignn.files import read_csv, read_json, read_own_arrays, verify_file
from leignn.schemas import validate

REFERENCE = "#000000"


@dataclass(frozen=True)
class Simulation:
    """One simulation's folder and what its files say."""

    folder: Path
    observables: dict[str, Any]

    @property
    def dataset(self) -> str:
        return self.observables["dataset"]

    @property
    def ran(self) -> bool:
        """Whether it was begun: its potential had been trained."""
        return self.observables["outcome"]["status"] != "failed"

    @property
    def analysed(self) -> bool:
        """Whether there is enough of a trajectory to draw: it did not stop within its first frames."""
        return "pair_distances_mae" in self.observables

    def curves(self) -> dict[str, Any]:
        """Arrays of ``observables.npz`` (see :func:`leignn.md.analysis.curves_of`)."""
        verify_file(self.folder / "observables.npz", self.observables)
        return read_own_arrays(self.folder / "observables.npz")

    def thermo(self) -> pd.DataFrame:
        """``thermo.csv``."""
        verify_file(self.folder / "thermo.csv", self.observables["outcome"])
        return read_csv(self.folder / "thermo.csv")


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """What the figures of simulations are drawn from."""
    parser.add_argument("--simulations", type=Path, nargs="+", required=True, help="…/observables.json")
    parser.add_argument("--references", type=Path, nargs="+", required=True, help="<dataset>.npz")
    parser.add_argument("--output", type=output_file, required=True, help="figure (.svg)")


def load_simulations(paths: list[Path]) -> list[Simulation]:
    """Read every ``observables.json``.

    Raises:
        InputError: a file is missing, damaged or of another schema.
    """
    found = []
    for path in paths:
        content = read_json(path)
        validate(content, "observables", path)
        found.append(Simulation(path.parent, content))
    return found


def load_references(paths: list[Path], simulations: list[Simulation]) -> dict[str, dict[str, Any]]:
    """Curves of the reference trajectories, by the data set their files are called after.

    Raises:
        InputError: a file cannot be read, or that of a simulation's data set is not among them, or
            has no errors.
    """
    found = {path.stem: read_own_arrays(path) for path in paths}
    for simulation in simulations:
        if simulation.dataset not in found:
            raise InputError(
                f"{simulation.folder} is a simulation of {simulation.dataset}, whose reference "
                f"{simulation.dataset}.npz is not among {', '.join(map(str, paths))}"
            )
        if "pair_distances_stderr" not in found[simulation.dataset]:
            raise InputError(
                f"the reference {simulation.dataset}.npz has no standard errors: another version wrote it, "
                "analyse it anew"
            )
    return found
