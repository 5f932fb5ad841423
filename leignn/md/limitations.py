"""Join what `measure-drift` and `measure-separation` wrote of each run: the table of the two limitations
that the paper states for LEIGNN."""

import argparse
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

import pandas as pd

from leignn.arguments import output_file
from leignn.config.run import load_run_config
from leignn.errors import InputError, RunFailedError
from leignn.files import replacing

COLUMNS = (
    "experiment",
    "model",
    "direct_forces",
    "timestep_fs",
    "separation_ang",
    "value",
    "stderr",
    "unit",
    "dataset",
    "stand_in",
    "scale",
    "seed",
    "status",
)


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--rows", type=Path, nargs="*", default=[], help="tables of one run (.csv)")
    parser.add_argument("--output", type=output_file, required=True, help="table (.csv)")


def main(args: argparse.Namespace) -> None:
    tables = [pd.DataFrame(columns=COLUMNS), *(read_rows(path) for path in args.rows)]
    with replacing(args.output) as temporary:
        pd.concat(tables).to_csv(temporary, index=False)


def read_rows(path: Path) -> pd.DataFrame:
    """A run's table, every cell as it is written."""
    try:
        table = pd.read_csv(path, dtype=str, keep_default_na=False)
    except (OSError, ValueError) as error:
        raise InputError(f"{path} cannot be read: {error}") from error
    if tuple(table.columns) != COLUMNS:
        raise InputError(f"{path}: its columns are {list(table.columns)}, not {list(COLUMNS)}")
    return table


def write_rows(
    checkpoint: Path, experiment: str, measure: Callable[[], Iterable[dict[str, Any]]], output: Path
) -> None:
    """Write the rows that ``measure`` finds, each with what it is about.

    A run whose training had failed is one row that says so.

    Args:
        checkpoint: RUN/checkpoint.pt.
        experiment: name of the measurement, for rows that do not say their own.
        measure: rows with some of :data:`COLUMNS`.
        output: table (.csv).
    """
    config = load_run_config(checkpoint.parent)
    about = {
        "experiment": experiment,
        "model": config.title,
        "dataset": config.dataset,
        "stand_in": config.dataset_info.stand_in,
        "scale": config.scale,
        "seed": config.seed,
        "status": "ok",
    }
    try:
        rows = [about | row for row in measure()]
    except RunFailedError as failure:
        rows = [about | {"status": f"failed: {failure}"}]
    with replacing(output) as temporary:
        pd.DataFrame(rows, columns=COLUMNS).to_csv(temporary, index=False)
