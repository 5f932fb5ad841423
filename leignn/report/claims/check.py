"""Hold the paper's claims against the results tables: true, false, undecided, or not run.

The claims are in ``config/published/claims.yaml``; :mod:`leignn.report.claims.kinds` has the kinds of check.
The same check on the ``_published`` columns says whether the paper's own numbers bear a claim out.
"""

import argparse
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from leignn.arguments import output_file
from leignn.config.claims import Claim, Claims, Rows
from leignn.config.result import Table, load_results
from leignn.errors import InputError
from leignn.files import replacing
from leignn.report.claims.kinds import CHECKS, Finding, Get, Title, Value, criterion, number
from leignn.report.tables.columns import column_titles
from leignn.report.tables.read import read_table


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--claims", type=Path, required=True, help="config/published/claims.yaml")
    parser.add_argument(
        "--declarations", type=Path, nargs="+", required=True, help="config/results/<table>.yaml …"
    )
    parser.add_argument(
        "--tables",
        type=Path,
        nargs="*",
        default=[],
        help="results/table1.csv …; one that is missing was not run",
    )
    parser.add_argument("--output", type=output_file, required=True, help="results/claims.csv")


def main(args: argparse.Namespace) -> None:
    results = load_results(args.declarations)
    declared = {name: result.table for name, result in results.items() if result.table is not None}
    rows = check_claims(Claims.load(args.claims), declared, args.tables)
    with replacing(args.output) as temporary:
        pd.DataFrame(rows).to_csv(temporary, index=False)


def check_claims(paper: Claims, declared: dict[str, Table], tables: list[Path]) -> list[dict[str, str]]:
    """One row for every claim and every measurement (data set, scale, device) that its table holds.

    Args:
        paper: the claims.
        declared: what the tables show, by name.
        tables: results files; the claim's ``table`` is the name of one. A missing one is "not run".

    Raises:
        InputError: a table is not declared, or cannot be read.
    """
    paths = {path.stem: path for path in tables}
    read = {
        name: read_table(path, declared[name])
        for name, path in paths.items()
        if path.exists() and name in declared
    }
    rows = []
    for claim in paper.claims:
        how, name = paper.tables.get(claim.table, Rows()), claim.table
        if name not in declared:
            raise InputError(f"claim {claim.id!r}: no result called {name!r} is declared")
        holder = _Holder(claim, name, how, declared[name])
        rows += holder.rows(read.get(name), paths.get(name, Path(f"{name}.csv")))
    return rows


class _Holder:
    """Holds one claim against one table."""

    def __init__(self, claim: Claim, name: str, how: Rows, declared: Table) -> None:
        self.claim, self.name, self.how, self.label = claim, name, how, declared.label
        self.groups = how.groups or declared.sections
        titles = column_titles(declared)
        self.title: Title = lambda column: titles.get(column, column)

    def rows(self, table: pd.DataFrame | None, path: Path) -> list[dict[str, str]]:
        """A row for each measurement in ``table``; one that says why, if there is none."""
        if table is None:
            return [self._row(pd.DataFrame(), f"{path} was not made")]
        needed = [self.label, *self.groups, *self.how.only, *self.claim.columns, *self.claim.requires]
        if absent := [column for column in needed if column not in table]:
            return [self._row(pd.DataFrame(), f"{path} has no column {absent[0]}")]
        for column, value in self.how.only.items():
            table = table[table[column] == value]
        found = [self._row(group, "") for _, group in table.groupby(self.groups, sort=False)]
        return found or [self._row(table, f"{path} has no rows for it")]

    def _row(self, group: pd.DataFrame, reason: str) -> dict[str, str]:
        """The claim's row for one measurement; ``reason`` says why there is none."""
        claim, title = self.claim, self.title
        measured, published = Finding("not run", reason), Finding("not run", "")
        if not reason:
            check = CHECKS[claim.check]
            of_paper, of_ours = (self._getter(group, suffix) for suffix in ("_published", ""))
            published = check(claim, of_paper, title)
            others = of_paper if claim.against == "published" else of_ours
            short = self._too_short(of_ours)
            found = check(claim, lambda m, c: (of_ours if m == claim.model else others)(m, c), title)
            measured = Finding("not run", short) if short else found
        ran = measured.verdict != "not run"
        first = group.iloc[0].to_dict() if len(group) else {}
        return {
            "id": claim.id,
            "sentence": claim.sentence,
            "reading": claim.reading,
            "whose": "ours" if claim.ours else "paper",
            "where": claim.where,
            "table": self.name,
            "criterion": criterion(claim, title),
            "published": claim.published if published.verdict == "not run" else published.words,
            "published_verdict": "" if published.verdict == "not run" else published.verdict,
            "measured": measured.words if ran else "",
            "verdict": measured.verdict,
            "reason": "" if ran else measured.words,
            **{key: _word(first.get(key)) for key in ("dataset", "scale", "device")},
            "stand_in": _word(first.get("stand_in")).lower(),
        }

    def _too_short(self, get: Get) -> str:
        """Which of the claim's requirements the measurement does not meet; "" if none."""
        for column, least in self.claim.requires.items():
            if not (value := get(self.claim.model, column).value) >= least:
                return f"{self.title(column)} of {self.claim.model} is {number(value)}, not {least:g}"
        return ""

    def _getter(self, group: pd.DataFrame, suffix: str) -> Get:
        """Values of the columns with ``suffix``. What is published is exact, and a column without one of its
        standard errors beside it."""
        rows = group.drop_duplicates(self.label).set_index(self.label)

        def cell(model: str, column: str) -> float:
            return float(pd.to_numeric(rows.at[model, column], errors="coerce"))

        def get(model: str, column: str) -> Value:
            if model not in rows.index or column + suffix not in rows:
                return Value(np.nan, np.nan)
            value, errors = cell(model, column + suffix), f"{column}_stderr"
            error = cell(model, errors) if not suffix and errors in rows else 0.0
            return Value(value, error)

        return get


def _word(value: Any) -> str:
    return "" if value is None or pd.isna(value) else str(value)
