"""Results tables as the page shows them: rows of cells that sort and that lead to their runs."""

from dataclasses import dataclass, field, replace
from itertools import groupby

import pandas as pd

from leignn.config.result import Table
from leignn.report.drawing.palette import Look, look
from leignn.report.runs import Run
from leignn.report.tables import notes
from leignn.report.tables.cells import Cell, blocks, cells, printed_number, rank_cells
from leignn.report.tables.columns import SIMULATED, Place, places, printed
from leignn.report.tables.special import NOT_RUN, SPECIAL_ROWS


@dataclass(frozen=True)
class Column:
    """A column that sorts; ``group`` is the heading it stands under, if any.

    ``paper``: the paper's numbers of other data, shown when asked for.
    """

    title: str
    group: str = ""
    paper: bool = False


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
    paper: bool = False  # nothing but the paper's numbers of other data
    key: Look | None = None  # the model's, in the figures


@dataclass(frozen=True)
class Grid:
    """One table of the page."""

    title: str
    label: str
    columns: list[Column]
    rows: list[GridRow]
    notes: list[str] = field(default_factory=list)
    folded: str = ""  # what is said where it is folded away; "": it is not
    run: bool = True  # whether any of its numbers was measured

    @property
    def headings(self) -> list[tuple[str, bool, list[tuple[int, str]]]]:
        """Groups of neighbouring columns: name, whether the paper's, number and title of each column."""
        numbered = enumerate(self.columns, 1)
        groups = groupby(numbered, key=lambda item: (item[1].group, item[1].paper))
        return [
            (group, paper, [(number, column.title) for number, column in members])
            for (group, paper), members in groups
        ]

    @property
    def with_paper(self) -> bool:
        """Whether the paper's numbers of other data can be shown."""
        return any(column.paper for column in self.columns)


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


def measured_blocks(table: pd.DataFrame) -> list[pd.DataFrame]:
    """The blocks of a built table in which something was run."""
    return [block for block in blocks(table) if block["scale"].iloc[0] != NOT_RUN]


def _built_grids(block: pd.DataFrame, declared: Table, runs: list[Run]) -> list[Grid]:
    """Numbers of one data set by split, member or neither, and below them the ranks, where there are any."""
    title = block["dataset_title"].iloc[0]
    if block["scale"].iloc[0] == NOT_RUN:
        return [_published_grid(title, block, declared)]
    found = [_measured_grid(title, block, declared, runs)]
    if len(ranked := rank_cells(block, declared, printed(declared))):
        columns = [_heading(place) for place in printed(declared)]
        rows = [
            _row(model, [_cell(cell) for cell in line])
            for model, line in zip(ranked.index, ranked.itertuples(index=False), strict=True)
        ]
        found.append(
            Grid(f"{title}: ranks", "Model", columns, rows, [notes.RANKS], "Ranks beside the paper's")
        )
    return found


def _heading(place: Place, paper: bool = False) -> Column:
    """A column's heading under its group, or alone; that of the paper's numbers says whose they are."""
    whose = "Paper: " if paper else ""
    if place.group:
        return Column(place.own_title, whose + place.group_title, paper)
    return Column(whose + place.title, "", paper)


def _cell(cell: Cell, anchor: str | None = None) -> GridCell:
    return GridCell(cell.measured, cell.published, _sort_of(cell.measured), cell.rank, anchor)


def _sort_of(text: str) -> str:
    """The number that a printed one begins with."""
    return text.split(" ")[0].replace(",", "")


def _row(
    model: str, found: list[GridCell], anchor: str | None = None, failed: bool = False, paper: bool = False
) -> GridRow:
    special = model in SPECIAL_ROWS
    return GridRow(model, found, anchor, special, failed, paper, None if special else look(model))


def _published_grid(title: str, block: pd.DataFrame, declared: Table) -> Grid:
    """What is published of data that nothing was run on: columns and rows that hold something."""
    printable = cells(block, printed(declared))
    shown = [place for place in printed(declared) if any(cell.published for cell in printable[place.name])]
    rows = []
    for model, line in zip(
        printable.index, printable[[p.name for p in shown]].itertuples(index=False), strict=True
    ):
        if any(cell.published for cell in line):
            rows.append(_row(model, [GridCell(c.published, sort=_sort_of(c.published)) for c in line]))
    about = notes.about(block, declared)
    return Grid(
        title, "Model", [*map(_heading, shown)], rows, [about], f"{title}: what is published", run=False
    )


def _measured_grid(title: str, block: pd.DataFrame, declared: Table, runs: list[Run]) -> Grid:
    """Measured numbers, with the published ones small below, or in columns of their own.

    These are columns of the paper: they are of other data, and stand there when asked for.
    """
    where = block["dataset"].iloc[0], block["scale"].iloc[0]
    anchors = {
        group: _anchors(runs, *where, group if declared.members else None)
        for group in declared.groups or [""]
    }
    by_model = block.set_index("model")
    shown = [p for p in places(declared, "everywhere", "page") if _holds(block, p.name)]
    counts = {name: Place(name, "", "", column).title for name, column in SIMULATED.items()}
    counts = (counts if declared.simulated else {}) | {"parameters": "Parameters"}
    printable = cells(block, shown)
    apart = (
        []
        if _compares(block, declared)
        else [p for p in printed(declared) if any(c.published for c in printable[p.name])]
    )

    rows = []
    for model, line in zip(printable.index, printable.itertuples(index=False), strict=True):
        found = []
        for cell, place in zip(line, shown, strict=True):
            anchor = anchors[place.group].get(model) if cell.measured else None
            found.append(_cell(replace(cell, published="") if apart else cell, anchor))
        for name in counts:
            value = by_model.at[model, name]
            found.append(GridCell("" if pd.isna(value) else f"{value:,g}", sort=_sort(value)))
        measured = any(cell.measured for cell in found)
        of_paper = [printable.at[model, place.name].published for place in apart]
        found += [GridCell(text, sort=_sort_of(text)) for text in of_paper]
        failed = str(by_model.at[model, "status"]).startswith("failed")
        first = next((own[model] for own in anchors.values() if model in own), None)
        rows.append(_row(model, found, first, failed, bool(apart) and not measured and not failed))
    columns = [*map(_heading, shown), *map(Column, counts.values())]
    columns += [_heading(place, paper=True) for place in apart]
    best = (
        "The best of the measured is bold, the second underlined, where two standard errors tell them apart."
    )
    said = notes.about(block, declared, *([notes.APART] if apart else []))
    about = f"{said} {notes.counts(block, declared)} {best}"
    return Grid(title, "Model", columns, rows, [about, *notes.failures(block)])


def _compares(block: pd.DataFrame, declared: Table) -> bool:
    """Whether the paper's numbers are of the same data."""
    names = [f"{place.name}_difference" for place in printed(declared)]
    return bool(block[names].notna().any(axis=None))


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
        if error := printed_number(row.get(f"{place.name}_stderr"), place.column):
            text += f" ± {error}"
        found.append(GridCell(text, sort=_sort(row[place.name]), anchor=anchor if text else None))
    failed = str(row.get("status", "")).startswith("failed")
    key = look(label) if declared.label in ("model", "title") else None
    return GridRow(label, found, anchor, False, failed, False, key)


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
