"""Read a results CSV and hold it against its declaration."""

import argparse
from pathlib import Path
from typing import Any

import pandas as pd

from leignn.arguments import output_file
from leignn.config.result import Column, Result, Table
from leignn.errors import InputError
from leignn.files import read_csv
from leignn.report.tables.columns import csv_columns


def add_table_arguments(parser: argparse.ArgumentParser) -> None:
    """Of a figure that shows one table."""
    parser.add_argument("--declaration", type=Path, required=True, help="config/results/<table>.yaml")
    parser.add_argument("--table", type=Path, required=True, help="results/<table>.csv")
    parser.add_argument("--output", type=output_file, required=True, help="figure (.svg)")


def declared_table(declaration: Path) -> Table:
    """What a file in ``config/results`` says of its table.

    Raises:
        InputError: the file cannot be read, or declares none.
    """
    declared = Result.load(declaration).table
    if declared is None:
        raise InputError(f"{declaration} declares no table")
    return declared


def read_table(path: Path, declared: Table) -> pd.DataFrame:
    """The rows of a results CSV; an empty cell is NaN.

    Raises:
        InputError: the file cannot be read, lacks a column, has one that is not declared, or a value of
            another type.
    """
    columns = csv_columns(declared)
    texts = {name: str for name, column in columns.items() if column.type == "text"}
    table = read_csv(path, dtype=texts)
    if missing := [name for name, column in columns.items() if name not in table and not column.optional]:
        raise InputError(f"{path} has no column {missing[0]!r}: another version wrote it, build it anew")
    for name in table:
        if name not in columns:
            raise InputError(f"{path} has a column {name!r}, which its declaration does not name")
        _check(table[name], columns[name], path)
    return table


def _check(values: pd.Series, column: Column, path: Path) -> None:
    for row, value in values.dropna().items():
        if not _fits(value, column):
            wanted = f"one of {', '.join(column.values)}" if column.values else f"a {column.type}"
            raise InputError(f"{path}: row {row + 1}, {values.name}: {value!r} is not {wanted}")


def _fits(value: Any, column: Column) -> bool:
    if column.type == "text":
        return not column.values or value in column.values
    truth = isinstance(value, bool) or str(value) in ("True", "False")
    if column.type == "boolean":
        return truth
    try:
        number = float(value)
    except (TypeError, ValueError):
        return False
    return not truth and (column.type == "number" or number.is_integer())
