"""Columns of a results CSV, as its declaration in ``config/results`` has them."""

from dataclasses import dataclass

from leignn.config.result import Column, Kind, Table

# Before the numbers of a table that is built from runs, and the types of these columns.
HEAD: dict[str, Kind] = {
    "dataset": "text",
    "dataset_title": "text",
    "stand_in": "boolean",
    "scale": "text",
    "model": "text",  # title of the model or name of a special row
    "status": "text",  # ok, not run, failed: …, percent or Spearman
    "n_seeds": "number",
    "steps": "number",  # of a training; the mean over seeds
    "batch_size": "number",
    "train_seconds": "number",  # likewise
    "graph": "text",  # cutoff and number of neighbours
    "parameters": "number",
    "source": "text",  # of the published values
}
SIMULATED = {  # after them, in a table of simulations
    "n_simulations": Column(title="Simulations"),
    "n_stopped": Column(title="left their bounds"),
    "simulated_ps": Column(title="Simulated", unit="ps"),
}


@dataclass(frozen=True)
class Place:
    """A column of numbers in a CSV: one of the declaration's, in one of its groups."""

    name: str
    group: str  # "" in a table without groups
    group_title: str
    column: Column

    @property
    def own_title(self) -> str:
        """Heading under that of its group."""
        return self.column.title or self.name.removeprefix(f"{self.group}_").replace("_", " ")

    @property
    def title(self) -> str:
        """Heading where it stands alone: with its group, else with its unit."""
        if self.group:
            return f"{self.group_title} {self.own_title}"
        return f"{self.own_title} ({self.column.unit})" if self.column.unit else self.own_title


def places(table: Table, *shown: str) -> list[Place]:
    """All columns of numbers that are ``shown`` so (without: all), group by group."""
    return [
        Place(f"{group}_{name}" if group else name, group, title, column)
        for group, title in (table.groups or {"": ""}).items()
        for name, column in table.columns.items()
        if not shown or column.shown in shown
    ]


def printed(table: Table) -> list[Place]:
    """The columns of numbers that stand everywhere, beside the published."""
    return places(table, "everywhere")


def attributes(table: Table) -> tuple[str, ...]:
    """What the CSV says of each printed number, as suffixes of its name.

    Simulations are counted for each number, since some of them end before it can be computed.
    """
    if table.simulated:
        return ("stderr", "count", "published", "difference", "rank")
    return ("stderr", "published", "difference", "rank", "published_rank")


def csv_columns(table: Table) -> dict[str, Column]:
    """Every column of a table's CSV, in order."""
    if not table.built:
        return table.columns
    found = {name: Column(type=kind) for name, kind in HEAD.items()}
    found |= SIMULATED if table.simulated else {}
    for place in printed(table):
        found[place.name] = place.column
        found |= {f"{place.name}_{what}": Column() for what in attributes(table)}
    return found | {place.name: place.column for place in places(table, "page", "csv")}


def column_titles(table: Table) -> dict[str, str]:
    """What each column with numbers or texts of its own is called where people read it."""
    alone = {name: Place(name, "", "", column).title for name, column in csv_columns(table).items()}
    return alone | {place.name: place.title for place in places(table) if table.built}
