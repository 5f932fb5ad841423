"""Results tables as the page shows them: rows of cells that sort and that lead to their runs."""

from collections.abc import Iterable
from dataclasses import dataclass, field
from itertools import groupby
from pathlib import Path

import numpy as np
import pandas as pd

from leignn.report.layout import LAYOUTS, QUANTITIES, SPECIAL_ROWS, Layout, groups_of
from leignn.report.names import column_title
from leignn.report.render import RANKS_NOTE, Cell, cells, counts_note, failures, groups, note, ranks, rows
from leignn.report.results import Run, load_table

LABELS = ("title", "model")  # the first of these that a table has names its rows
SECTIONS = ("dataset", "scale", "point", "experiment")  # columns that part a table into several
IDENTITY = ("dataset_title", "stand_in", "status", "hardware", "torch", "threads", "device", "unit", "seed")
# Columns that the page leaves to the CSV, or shows with the value they belong to.
ATTRIBUTES = ("_stderr", "_published", "_difference", "_rank", "_published_rank", "_count", "_low", "_high")
FROM_RUNS = {"n_seeds", "seed"}  # a table with such a column was measured on trained runs


@dataclass(frozen=True)
class Column:
    """A column that sorts; ``group`` is the heading it stands under, if any."""

    title: str
    group: str = ""


@dataclass(frozen=True)
class GridCell:
    """``measured`` with ``published`` small below; ``sort`` orders the column, "" comes last."""

    measured: str
    published: str = ""
    sort: str = ""
    rank: int = 0  # 1 best, 2 second, 0 neither
    anchor: str | None = None  # of the run it comes from


@dataclass(frozen=True)
class GridRow:
    label: str
    cells: list[GridCell]
    anchor: str | None = None
    special: bool = False  # no model: keeps its place at the end
    failed: bool = False


@dataclass(frozen=True)
class Grid:
    """One table of the page."""

    title: str
    label: str
    columns: list[Column]
    rows: list[GridRow]
    notes: list[str] = field(default_factory=list)

    @property
    def headings(self) -> list[tuple[str, list[tuple[int, str]]]]:
        """Groups of neighbouring columns: the group's name, and number and title of each column."""
        numbered = enumerate(self.columns, 1)
        return [
            (group, [(number, column.title) for number, column in members])
            for group, members in groupby(numbered, key=lambda item: item[1].group)
        ]


def load_grids(path: Path, runs: list[Run]) -> list[Grid]:
    """What the page shows of a results file.

    Raises:
        InputError: the file cannot be read or is of another schema.
    """
    table = load_table(path)
    if (layout := LAYOUTS.get(path.stem)) is not None:
        return [grid for group in groups(table) for grid in _error_grids(group, runs, layout)]
    parts = [column for column in SECTIONS if column in table]
    if not parts or table.empty:
        return [_plain_grid(table, [], runs)]
    return [_plain_grid(group, parts, runs) for _, group in table.groupby(parts, sort=False)]


def _anchors(runs: list[Run], dataset: str, scale: str, member: str | None = None) -> dict[str, str]:
    """Title of a model → its run of the first seed.

    Args:
        runs: all runs of the page.
        dataset: name of the data set; of the family where ``member`` names one of its data sets.
        scale: of the run.
        member: see :class:`leignn.report.layout.Layout`.
    """

    def belongs(run: Run) -> bool:
        info = run.config["dataset_info"]
        if member is not None:
            return (info.get("published_as"), info.get("member")) == (dataset, member)
        return run.config["dataset"] == dataset

    found = [run for run in runs if belongs(run) and run.config["scale"] == scale]
    return {run.metrics["title"]: run.anchor for run in reversed(found)}


def _error_grids(group: pd.DataFrame, runs: list[Run], layout: Layout) -> list[Grid]:
    """Errors by split or molecule, and below them the ranks, where there are any."""
    where = group["dataset"].iloc[0], group["scale"].iloc[0]
    names = groups_of(group)
    anchors = {name: _anchors(runs, *where, name if layout.members else None) for name in names}
    by_model, shown, ranked = group.set_index("model"), rows(group), ranks(group)
    columns = [Column(quantity, title) for title in names.values() for quantity in QUANTITIES.values()]

    def row(model: str, line: Iterable[Cell], with_parameters: bool) -> GridRow:
        of_cells = [anchors[name].get(model) for name in names for _ in QUANTITIES]
        found = [
            GridCell(
                c.measured, c.published, c.measured.split(" ")[0], c.rank, anchor if c.measured else None
            )
            for c, anchor in zip(line, of_cells, strict=True)
        ]
        if with_parameters:
            count = by_model.at[model, "parameters"]
            found.append(GridCell("" if pd.isna(count) else f"{count:,.0f}", sort=_sort(count)))
        failed = str(by_model.at[model, "status"]).startswith("failed")
        first = next((anchor for anchor in of_cells if anchor), None)
        return GridRow(model, found, first, model in SPECIAL_ROWS, failed)

    best = "Of the measured models the best is bold, the second underlined."
    printed = zip(shown["model"], cells(shown).itertuples(index=False), strict=True)
    title = group["dataset_title"].iloc[0]
    found = [
        Grid(
            title=title,
            label="Model",
            columns=[*columns, Column("Parameters")],
            rows=[row(model, line, True) for model, line in printed],
            notes=[f"{note(group)} {counts_note(group)} {best}", *failures(group)],
        )
    ]
    if len(ranked):
        lines = zip(ranked.index, ranked.itertuples(index=False), strict=True)
        rank_rows = [row(model, line, False) for model, line in lines]
        found.append(Grid(f"{title}: ranks", "Model", columns, rank_rows, [RANKS_NOTE]))
    return found


def _plain_grid(table: pd.DataFrame, parts: list[str], runs: list[Run]) -> Grid:
    """Any table: a row for each of its rows, a column for each column that holds something."""
    named = [name for name in LABELS if name in table]
    label = named[0] if named else table.columns[0]
    constant = [c for c in IDENTITY if c in table and table[c].nunique(dropna=False) == 1]
    hidden = {label, *parts, *constant, "model", "title"}
    columns = [c for c in table.columns if c not in hidden and _is_value(c, table) and _holds(c, table)]
    columns.sort(key=lambda column: column == "status")  # reasons are long: last
    first = table.iloc[0] if len(table) else pd.Series(dtype=object)
    measured_on_runs = FROM_RUNS & set(table) and {"dataset", "scale"} <= set(table)
    shown = []
    for _, row in table.iterrows():
        candidates = [run for run in runs if row.get("seed", run.config["seed"]) == run.config["seed"]]
        anchors = _anchors(candidates, row["dataset"], row["scale"]) if measured_on_runs else {}
        anchor = anchors.get(row[label])
        failed = str(row.get("status", "")).startswith("failed")
        values = [_cell(row, column, anchor) for column in columns]
        shown.append(GridRow(str(row[label]), values, anchor, False, failed))
    titles = {run.config["dataset"]: run.config["dataset_info"]["title"] for run in runs}
    words = [str(first[c]).replace("_", " ") for c in parts if c != "dataset"]
    if "dataset" in parts:
        words.insert(0, first.get("dataset_title", titles.get(first["dataset"], first["dataset"])))
    notes = [f"{column_title(c)}: {first[c]}" for c in constant if c not in ("dataset_title", "stand_in")]
    found = ["; ".join(notes) + "."] if notes else []
    if str(first.get("stand_in")) == "True":
        found.append("EMT stand-in: these numbers are not comparable to the paper's.")
    return Grid(
        ", ".join(words),
        "Model" if named else column_title(label),
        [Column(column_title(c)) for c in columns],
        shown,
        found,
    )


def _is_value(column: str, table: pd.DataFrame) -> bool:
    """Whether a column stands for itself, and is no attribute of another one."""
    return not any(column.endswith(a) and column.removesuffix(a) in table for a in ATTRIBUTES)


def _holds(column: str, table: pd.DataFrame) -> bool:
    published = f"{column}_published"
    return bool(table[column].notna().any() or (published in table and table[published].notna().any()))


def _cell(row: pd.Series, column: str, anchor: str | None) -> GridCell:
    measured = _text(row[column])
    if measured and pd.notna(row.get(f"{column}_stderr")):
        measured += f" ± {_text(row[f'{column}_stderr'])}"
    rank = row.get(f"{column}_rank")
    return GridCell(
        measured,
        _text(row.get(f"{column}_published")),
        _sort(row[column]),
        int(rank) if rank in (1, 2) else 0,
        anchor if measured else None,
    )


def _text(value: object) -> str:
    if value is None or pd.isna(value):
        return ""
    if isinstance(value, float):
        return f"{value:,.0f}" if value.is_integer() or abs(value) >= 1e4 else f"{value:.4g}"
    if isinstance(value, bool | np.bool):
        return "yes" if value else "no"
    return f"{value:,}" if isinstance(value, int) else str(value)


def _sort(value: object) -> str:
    return "" if value is None or pd.isna(value) else str(value)


def _first(cell: Cell) -> str:
    """What a cell of errors sorts by: what was measured, else what was published."""
    return (cell.measured or cell.published).split(" ")[0]
