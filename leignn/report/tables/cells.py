"""A table's numbers as people read them: rounded as declared, best and second best known."""

from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd

from leignn.config.result import Column, Table
from leignn.report.significant import significant
from leignn.report.tables.columns import Place
from leignn.report.tables.special import IMPROVEMENT, RANK_CORRELATION


@dataclass(frozen=True)
class Cell:
    """A number ready to print: text, whether best (1) or second (2) of its column, or neither (0).

    Best and second are marked only where they stand alone, see
    :func:`leignn.report.significance.separated_ranks`.
    """

    measured: str
    published: str
    rank: int


def blocks(table: pd.DataFrame) -> list[pd.DataFrame]:
    """One table for each data set and scale."""
    return [block.reset_index(drop=True) for _, block in table.groupby(["dataset", "scale"], sort=False)]


def models_of(block: pd.DataFrame) -> pd.DataFrame:
    """A block without the rank correlation, which stands below."""
    return block[block["model"] != RANK_CORRELATION]


def cells(block: pd.DataFrame, shown: list[Place]) -> pd.DataFrame:
    """A :class:`Cell` for every row of a block and every column ``shown``; its index are the models."""
    rows = models_of(block)
    result = pd.DataFrame(index=rows["model"], columns=[place.name for place in shown], dtype=object)
    for place in shown:
        ranks = rows.get(f"{place.name}_rank", pd.Series(np.nan, rows.index))
        marked = alone(ranks)
        for i, row in rows.iterrows():
            unit = " %" if row["model"] == IMPROVEMENT else ""
            column = Column(decimals=2) if unit else place.column
            measured, stderr, published = (
                printed_number(row.get(f"{place.name}{what}"), column)
                for what in ("", "_stderr", "_published")
            )
            rank = int(ranks[i]) if ranks[i] in marked else 0
            measured = f"{measured} ± {stderr}" if measured and stderr else measured
            cell = Cell(measured and measured + unit, published and published + unit, rank)
            result.at[row["model"], place.name] = cell
    return result


def alone(ranks: pd.Series) -> set[int]:
    """1 where one model alone has the first of several ranks; with it 2, where likewise."""
    counts = ranks.value_counts()
    if len(counts) < 2 or counts.get(1) != 1:
        return set()
    return {1, 2} if counts.get(2) == 1 else {1}


def rank_cells(block: pd.DataFrame, declared: Table, shown: list[Place]) -> pd.DataFrame:
    """A :class:`Cell` of ranks for every model that was measured; last their rank correlation.

    Empty unless the table has one and two models of the paper were measured.
    """
    names = [place.name for place in shown]
    correlation = block[block["model"] == RANK_CORRELATION]
    if not declared.rank_correlation or correlation[names].isna().all(axis=None):
        return pd.DataFrame()
    ranks = [f"{name}_{whose}" for name in names for whose in ("rank", "published_rank")]
    models = block[block[ranks].notna().any(axis=1)]
    result = pd.DataFrame(index=[*models["model"], RANK_CORRELATION], columns=names, dtype=object)
    for name in names:
        for _, row in models.iterrows():
            numbers = row[f"{name}_rank"], row[f"{name}_published_rank"]
            measured, published = ("" if pd.isna(number) else f"{number:.0f}" for number in numbers)
            result.at[row["model"], name] = Cell(measured, published, 0)
        value = correlation[name].iloc[0]
        result.at[RANK_CORRELATION, name] = Cell("" if pd.isna(value) else f"{value:.2f}", "", 0)
    return result


def printed_number(value: Any, column: Column) -> str:
    """A value of a CSV as its column is printed; "" where there is none."""
    if value is None or pd.isna(value):
        return ""
    if isinstance(value, bool | np.bool):
        return "yes" if value else "no"
    if not isinstance(value, int | float | np.integer):
        return str(value)
    number = float(value)
    if column.decimals is None:
        return significant(number, 4) if number % 1 else f"{number:,.0f}"
    if abs(number) < 10**-column.decimals:
        return f"{number:.1g}"
    whole = column.whole_from is not None and abs(number) >= column.whole_from
    return f"{number:.{0 if whole else column.decimals}f}"
