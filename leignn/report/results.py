"""Read the results files of runs."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pandas as pd

from leignn.config.base import load_yaml
from leignn.errors import InputError
from leignn.files import read_json
from leignn.report.layout import LAYOUTS
from leignn.resources import SCHEMAS
from leignn.schemas import validate


@dataclass(frozen=True)
class Run:
    """One run's folder and what its files say."""

    folder: Path
    config: dict[str, Any]
    metrics: dict[str, Any]

    @property
    def anchor(self) -> str:
        """The run's identifier on the page."""
        c = self.config
        return f"run-{c['dataset']}-{c['scale']}-{c['model']}-seed{c['seed']}"

    def log(self) -> pd.DataFrame:
        """``log.csv``: one row an evaluation."""
        try:
            return pd.read_csv(self.folder / "log.csv")
        except (OSError, ValueError) as error:
            raise InputError(f"{self.folder / 'log.csv'} cannot be read: {error}") from error

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
    return Run(folder, load_yaml(folder / "config.yaml"), metrics)


def load_runs(folders: list[Path]) -> list[Run]:
    """:func:`load_run` of every folder; the same run twice is an :class:`InputError`."""
    runs: dict[str, Run] = {}
    for folder in folders:
        run = load_run(folder)
        if run.anchor in runs:
            raise InputError(f"{run.folder} and {runs[run.anchor].folder} are the same run")
        runs[run.anchor] = run
    return list(runs.values())


def read_table(path: Path, schema: str | None) -> pd.DataFrame:
    """Read a results CSV and hold its rows against the schema ``<schema>.schema.yaml``; None: any.

    Raises:
        InputError: the file cannot be read or is of another schema.
    """
    try:
        table = pd.read_csv(path)
    except (OSError, ValueError) as error:
        raise InputError(f"{path} cannot be read: {error}") from error
    if schema is not None:
        validate(table.to_dict("records"), schema, path)
    return table


def load_table(path: Path) -> pd.DataFrame:
    """:func:`read_table` of any ``results/<table>.csv``, by the schema of its kind or name, if there is one.

    Raises:
        InputError: the file cannot be read, is of another schema or lacks a column.
    """
    schema = "table" if path.stem in LAYOUTS else path.stem
    known = (SCHEMAS / f"{schema}.schema.yaml").exists()
    table = read_table(path, schema if known else None)
    wanted = LAYOUTS[path.stem].columns if path.stem in LAYOUTS else []
    if missing := [column for column in wanted if column not in table]:
        raise InputError(f"{path} has no column {missing[0]!r}: another version wrote it, build it anew")
    return table
