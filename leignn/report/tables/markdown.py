"""Tables as Markdown: best measured value bold, second best in italics."""

import re
from collections.abc import Callable

import pandas as pd

from leignn.config.result import Table
from leignn.report.tables import notes
from leignn.report.tables.cells import Cell, blocks, cells, rank_cells
from leignn.report.tables.columns import printed
from leignn.report.tables.special import NOT_RUN

MARKS: dict[int, Callable[[str], str]] = {0: str, 1: lambda t: f"**{t}**", 2: lambda t: f"*{t}*"}
# An underscore within a word, a # or a + that begins no line mean nothing.
MARKUP = re.compile(r"[\\`*\[\]|$~]|(?<![^\W_])_|_(?![^\W_])")
ENTITIES = {"&": "&amp;", "<": "&lt;", ">": "&gt;"}


def to_markdown(table: pd.DataFrame, declared: Table) -> str:
    """All data sets one below the other, each with what the table shows, counts, failures and ranks."""
    shown, lines = printed(declared), []
    heads = [place.title for place in shown]
    for block in blocks(table):
        best = (
            ""
            if block["scale"].iloc[0] == NOT_RUN
            else "Best **bold**, second *italic* of the measured, where two standard errors tell them apart."
        )
        lines += _rows(cells(block, shown), heads)
        lines += ["", escape(notes.about(block, declared)), escape(notes.counts(block, declared)), best]
        lines += ["", *map(escape, notes.failures(block)), ""]
        if len(ranked := rank_cells(block, declared, shown)):
            lines += [*_rows(ranked, heads), "", escape(notes.RANKS), ""]
    return "\n".join(lines)


def escape(text: str) -> str:
    """``text`` so that Markdown shows it as it is, within a line or a cell of a table."""
    text = "".join(ENTITIES.get(letter, letter) for letter in " ".join(text.split()))
    return MARKUP.sub(lambda found: f"\\{found[0]}", text)


def _rows(shown: pd.DataFrame, heads: list[str]) -> list[str]:
    lines = ["| Model | " + " | ".join(map(escape, heads)) + " |", "|---" * (len(heads) + 1) + "|"]
    for model, line in zip(shown.index, shown.itertuples(index=False), strict=True):
        lines.append(f"| {escape(model)} | " + " | ".join(map(_text, line)) + " |")
    return lines


def _text(cell: Cell) -> str:
    measured = MARKS[cell.rank](escape(cell.measured)) if cell.measured else ""
    published = f"[{escape(cell.published)}]" if cell.published else ""
    return f"{measured} {published}".strip()
