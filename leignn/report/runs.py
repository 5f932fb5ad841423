"""Trained runs as tables, figures and page want them: what the files in their folders say."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pandas as pd

from leignn.config.run import RunConfig, load_run_config
from leignn.errors import InputError
from leignn.files import read_csv, read_json, verify_file
from leignn.schemas import validate

TRIVIAL = "Mean energy, zero forces"  # title of config/models/trivial.yaml, no model
# Of the log's columns, those that are drawn.
LEARNING_CURVES = {
    "val_forces_mae_mev_per_ang": "validation force MAE (meV/Å)",
    "val_energy_mae_mev": "validation energy MAE (meV)",
}


@dataclass(frozen=True)
class Run:
    """One run's folder and what its files say."""

    folder: Path
    config: RunConfig
    metrics: dict[str, Any]

    @property
    def anchor(self) -> str:
        """The run's identifier on the page."""
        c = self.config
        return f"run-{c.dataset}-{c.scale}-{c.model}-seed{c.seed}"

    def log(self) -> pd.DataFrame:
        """``log.csv``: one row an evaluation."""
        verify_file(self.folder / "log.csv", self.provenance())
        return read_csv(self.folder / "log.csv")

    def provenance(self) -> dict[str, Any]:
        """``provenance.json``."""
        record = read_json(self.folder / "provenance.json")
        validate(record, "provenance", self.folder / "provenance.json")
        return record


def load_run(folder: Path) -> Run:
    """Read a run's configuration and metrics.

    Raises:
        InputError: a file is missing, damaged or of another schema.
    """
    folder = Path(folder)
    metrics = read_json(folder / "metrics.json")
    validate(metrics, "metrics", folder / "metrics.json")
    return Run(folder, load_run_config(folder), metrics)


def load_runs(folders: list[Path]) -> list[Run]:
    """:func:`load_run` of every folder; the same run twice is an :class:`InputError`."""
    runs: dict[str, Run] = {}
    for folder in folders:
        run = load_run(folder)
        if run.anchor in runs:
            raise InputError(f"{run.folder} and {runs[run.anchor].folder} are the same run")
        runs[run.anchor] = run
    return list(runs.values())
