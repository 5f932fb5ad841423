"""Results tables as the page shows them: rows of cells that sort and that lead to their runs."""

from collections.abc import Iterable
from dataclasses import dataclass, field
from itertools import groupby

import pandas as pd

from leignn.config.result import Table
from leignn.report.runs import Run
from leignn.report.tables import notes
from leignn.report.tables.cells import Cell, blocks, cells, printed_number, rank_cells
from leignn.report.tables.columns import SIMULATED, Place, places, printed
from leignn.report.tables.special import SPECIAL_ROWS


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


def grids_of(table: pd.DataFrame, declared: Table, runs: list[Run]) -> list[Grid]:
    """What the page shows of a results CSV.

    Args:
        table: its rows.
        declared: what it shows.
        runs: all runs of the page.
    """
    if declared.built:
        return [grid for block in blocks(table) for grid in _built_grids(block, declared, runs)]
    if not declared.sections or table.empty:
        return [_written_grid(table, declared, runs)]
    return [
        _written_grid(section, declared, runs) for _, section in table.groupby(declared.sections, sort=False)
    ]


def _anchors(runs: list[Run], dataset: str, scale: str, member: str | None = None) -> dict[str, str]:
    """Title of a model → its run of the first seed.

    Args:
        runs: all runs of the page.
        dataset: name of the data set; of the family where ``member`` names one of its data sets.
        scale: of the run.
        member: see :class:`leignn.config.result.Table`.
    """

    def belongs(run: Run) -> bool:
        info = run.config.dataset_info
        if member is not None:
            return (info.published_as, info.member) == (dataset, member)
        return run.config.dataset == dataset

    found = [run for run in runs if belongs(run) and run.config.scale == scale]
    return {run.metrics["title"]: run.anchor for run in reversed(found)}


def _built_grids(block: pd.DataFrame, declared: Table, runs: list[Run]) -> list[Grid]:
    """Numbers of one data set by split, member or neither, and below them the ranks, where there are any."""
    where = block["dataset"].iloc[0], block["scale"].iloc[0]
    anchors = {
        group: _anchors(runs, *where, group if declared.members else None)
        for group in declared.groups or [""]
    }
    by_model = block.set_index("model")

    def row(model: str, line: Iterable[Cell], shown: list[Place], counts: dict[str, str]) -> GridRow:
        found = []
        for cell, place in zip(line, shown, strict=True):
            sort = cell.measured.split(" ")[0].replace(",", "")
            anchor = anchors[place.group].get(model) if cell.measured else None
            found.append(GridCell(cell.measured, cell.published, sort, cell.rank, anchor))
        for name in counts:
            value = by_model.at[model, name]
            found.append(GridCell("" if pd.isna(value) else f"{value:,g}", sort=_sort(value)))
        failed = str(by_model.at[model, "status"]).startswith("failed")
        first = next((own[model] for own in anchors.values() if model in own), None)
        return GridRow(model, found, first, model in SPECIAL_ROWS, failed)

    def grid(title: str, printed: pd.DataFrame, shown: list[Place], counts: dict[str, str]) -> Grid:
        heads = [Column(p.own_title if p.group else p.title, p.group_title) for p in shown]
        lines = zip(printed.index, printed.itertuples(index=False), strict=True)
        return Grid(
            title,
            "Model",
            [*heads, *(Column(name) for name in counts.values())],
            [row(model, line, shown, counts) for model, line in lines],
        )

    title = block["dataset_title"].iloc[0]
    shown = [p for p in places(declared, "everywhere", "page") if _holds(block, p.name)]
    counts = {name: Place(name, "", "", column).title for name, column in SIMULATED.items()}
    counts = (counts if declared.simulated else {}) | {"parameters": "Parameters"}
    best = "Of the measured models the best is bold, the second underlined."
    about = f"{notes.about(block, declared)} {notes.counts(block, declared)} {best}"
    found = [grid(title, cells(block, shown), shown, counts)]
    found[0].notes.extend([about, *notes.failures(block)])
    if len(ranked := rank_cells(block, declared, printed(declared))):
        found.append(grid(f"{title}: ranks", ranked, printed(declared), {}))
        found[1].notes.append(notes.RANKS)
    return found


def _holds(block: pd.DataFrame, name: str) -> bool:
    """Whether a column that only the page shows has a number; what is printed stands there without, too."""
    return f"{name}_published" in block or bool(block[name].notna().any())


def _written_grid(section: pd.DataFrame, declared: Table, runs: list[Run]) -> Grid:
    """Rows that a command of its own wrote: a column for each that holds something.

    Texts and whole numbers that are the same in every row stand below.
    """
    label, parts = declared.label, declared.sections
    columns: list[Place] = []
    same: list[Place] = []
    for name, column in declared.columns.items():
        holds = name in section and section[name].notna().any()
        if name == label or name in parts or column.shown == "csv" or not holds:
            continue
        constant = column.type != "number" and section[name].nunique(dropna=False) == 1
        (same if constant else columns).append(Place(name, "", "", column))
    columns.sort(key=lambda place: place.name == "status")  # reasons are long: last
    first = section.iloc[0] if len(section) else pd.Series(dtype=object)
    found = [_written_row(row, declared, columns, runs) for _, row in section.iterrows()]
    below = [f"{place.title}: {printed_number(first[place.name], place.column)}" for place in same]
    below = ["; ".join(below) + "."] if below else []
    if str(first.get("stand_in")) == "True":
        below.append(notes.STAND_IN)
    heading = Place(label, "", "", declared.columns[label]).title
    return Grid(
        _section_title(first, declared, runs),
        "Model" if label in ("model", "title") else heading,
        [Column(place.title) for place in columns],
        found,
        below,
    )


def _written_row(row: pd.Series, declared: Table, columns: list[Place], runs: list[Run]) -> GridRow:
    """One row; where it says of which seed it is, its numbers lead to that run."""
    label, anchor = str(row[declared.label]), None
    if "seed" in declared.columns:
        own = [run for run in runs if run.config.seed == row["seed"]]
        anchor = _anchors(own, row["dataset"], row["scale"]).get(label)
    found = []
    for place in columns:
        text = printed_number(row[place.name], place.column)
        found.append(GridCell(text, sort=_sort(row[place.name]), anchor=anchor if text else None))
    failed = str(row.get("status", "")).startswith("failed")
    return GridRow(label, found, anchor, False, failed)


def _section_title(first: pd.Series, declared: Table, runs: list[Run]) -> str:
    """Data set, scale and the other columns that part the table."""
    words = {part: str(first[part]).replace("_", " ") for part in declared.sections if part in first}
    if "dataset" in words:
        titles = {run.config.dataset: run.config.dataset_info.title for run in runs}
        name = first["dataset"]
        words["dataset"] = first.get("dataset_title", titles.get(name, name))
    return ", ".join(words.values())


def _sort(value: object) -> str:
    return "" if value is None or pd.isna(value) else str(value)
