"""Tables as LaTeX (booktabs): best measured value bold, second best underlined."""

import unicodedata
from collections.abc import Callable
from itertools import groupby

import pandas as pd

from leignn.config.result import Table
from leignn.report.tables import notes
from leignn.report.tables.cells import Cell, blocks, cells, rank_cells
from leignn.report.tables.columns import Place, printed

MARKS: dict[int, Callable[[str], str]] = {
    0: str,
    1: lambda t: rf"\textbf{{{t}}}",
    2: lambda t: rf"\underline{{{t}}}",
}
SPECIAL = {
    **{letter: f"\\{letter}" for letter in "&#$_%{}"},
    "\\": r"\textbackslash{}",
    "~": r"\textasciitilde{}",
    "^": r"\textasciicircum{}",
    "<": r"\textless{}",
    ">": r"\textgreater{}",
    "|": r"\textbar{}",
    '"': "''",
    "Å": r"\AA{}",
    "±": r"$\pm$",
    "²": "$^2$",
    "³": "$^3$",
    "×": r"$\times$",
    "°": r"\textdegree{}",
    "µ": r"\textmu{}",
}


def to_latex(table: pd.DataFrame, declared: Table) -> str:
    """All data sets one below the other; what is said below a table stands in comments."""
    shown, lines = printed(declared), []
    for block in blocks(table):
        about = f"{notes.about(block, declared)} {notes.counts(block, declared)}"
        lines += _tabular(cells(block, shown), shown)
        lines += [*map(_comment, [about, *notes.failures(block)]), ""]
        if len(ranked := rank_cells(block, declared, shown)):
            lines += [*_tabular(ranked, shown), _comment(notes.RANKS), ""]
    return "\n".join(lines)


def escape(text: str) -> str:
    """``text`` so that LaTeX prints it as it is."""
    text = unicodedata.normalize("NFC", " ".join(text.split()))
    return "".join(SPECIAL.get(letter, letter) for letter in text)


def _comment(text: str) -> str:
    return f"% {' '.join(text.split())}"


def _tabular(shown: pd.DataFrame, columns: list[Place]) -> list[str]:
    lines = [rf"\begin{{tabular}}{{l{'r' * len(columns)}}}", r"\toprule", *_heads(columns), r"\midrule"]
    for model, line in zip(shown.index, shown.itertuples(index=False), strict=True):
        lines.append(" & ".join([escape(model), *map(_text, line)]) + r" \\")
    return [*lines, r"\bottomrule", r"\end{tabular}"]


def _heads(columns: list[Place]) -> list[str]:
    """One line of headings; two where the columns are in groups."""
    if not columns[0].group:
        return [" & ".join(["Model", *(escape(place.title) for place in columns)]) + r" \\"]
    spans = []
    for title, members in groupby(columns, key=lambda place: place.group_title):
        spans.append(rf"\multicolumn{{{len(list(members))}}}{{c}}{{{escape(title)}}}")
    own = (escape(place.own_title) for place in columns)
    return [rf"Model & {' & '.join(spans)} \\", f"& {' & '.join(own)}" + r" \\"]


def _text(cell: Cell) -> str:
    measured = MARKS[cell.rank](escape(cell.measured)) if cell.measured else ""
    published = f"[{escape(cell.published)}]" if cell.published else ""
    return f"{measured} {published}".strip()
