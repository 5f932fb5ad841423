"""Tables as Markdown, LaTeX and HTML cells: rounding as in the paper, best and second best marked."""

from collections.abc import Callable, Iterable
from dataclasses import dataclass

import numpy as np
import pandas as pd

from leignn.report.layout import CELLS, IMPROVEMENT, QUANTITIES, RANK_CORRELATION, SPLITS


@dataclass(frozen=True)
class Cell:
    """A number ready to print: text, whether best (1) or second (2) of its column, or neither (0)."""

    measured: str
    published: str
    rank: int


def cells(table: pd.DataFrame) -> pd.DataFrame:
    """A :class:`Cell` for every row and column of ``table`` (one data set)."""
    result = pd.DataFrame(index=table.index, columns=list(CELLS), dtype=object)
    for column in CELLS:
        ranks = table[f"{column}_rank"]
        for i, row in table.iterrows():
            rank = int(ranks[i]) if ranks.notna().sum() > 1 and ranks[i] in (1, 2) else 0
            measured = _text(row[column], column, row["model"])
            if measured and pd.notna(row[f"{column}_stderr"]):
                measured += f" ± {_text(row[f'{column}_stderr'], column, row['model'])}"
            published = _text(row[f"{column}_published"], column, row["model"])
            result.at[i, column] = Cell(measured, published, rank)
    return result


def ranks(table: pd.DataFrame) -> pd.DataFrame:
    """A :class:`Cell` of ranks for every model that was measured; last their rank correlation.

    Empty unless two models of the paper were measured.
    """
    correlation = table[table["model"] == RANK_CORRELATION]
    if correlation[list(CELLS)].isna().all(axis=None):
        return pd.DataFrame()
    models = table[table[[f"{column}_rank" for column in CELLS]].notna().any(axis=1)]
    result = pd.DataFrame(index=[*models["model"], RANK_CORRELATION], columns=list(CELLS), dtype=object)
    for column in CELLS:
        for _, row in models.iterrows():
            numbers = row[f"{column}_rank"], row[f"{column}_published_rank"]
            measured, published = ("" if pd.isna(number) else f"{number:.0f}" for number in numbers)
            result.at[row["model"], column] = Cell(measured, published, 0)
        value = correlation[column].iloc[0]
        result.at[RANK_CORRELATION, column] = Cell("" if pd.isna(value) else f"{value:.2f}", "", 0)
    return result


def _text(value: float, column: str, model: str) -> str:
    if pd.isna(value):
        return ""
    if model == IMPROVEMENT:
        return f"{value:.2f} %"
    return f"{value:.0f}" if "energy" in column else f"{value:.1f}"


def note(table: pd.DataFrame) -> str:
    """The sentence that goes under a table of one data set."""
    row = table.iloc[0]
    text = f"{row['dataset_title']}, scale {row['scale']}. Energy in meV, forces in meV/Å (free atoms); "
    text += "measured, and with it (in brackets, or small) the paper's. Empty: not run at this scale."
    if row["stand_in"]:
        text += " EMT stand-in: these numbers are not comparable to the paper's."
    elif table[[f"{c}_difference" for c in CELLS]].isna().all(axis=None):
        text += " Another data set than the paper's: its numbers are no comparison."
    return text


def counts_note(table: pd.DataFrame) -> str:
    """How many structures had an energy, where not the same for all splits."""
    counts = [table[f"{split}_energy_count"].max() for split in SPLITS]
    if np.isnan(counts).any():
        return ""
    listed = ", ".join(f"{title} {count:.0f}" for title, count in zip(SPLITS.values(), counts, strict=True))
    return f"Structures with an energy: {listed}."


RANKS_NOTE = (
    "Ranks of the models that were measured, 1 is best, with the paper's ranks of the same models; "
    "and Spearman's rank correlation between the two."
)


def failures(table: pd.DataFrame) -> list[str]:
    """A sentence for every model whose run failed."""
    failed = table[table["status"].str.startswith("failed")]
    return [f"{row['model']} {row['status']}." for _, row in failed.iterrows()]


def groups(table: pd.DataFrame) -> list[pd.DataFrame]:
    """One table for each data set and scale."""
    return [group.reset_index(drop=True) for _, group in table.groupby(["dataset", "scale"], sort=False)]


def rows(table: pd.DataFrame) -> pd.DataFrame:
    """``table`` without the rank correlation, which stands below."""
    return table[table["model"] != RANK_CORRELATION]


def to_markdown(table: pd.DataFrame) -> str:
    """Markdown: best measured value bold, second best in italics."""
    lines = []
    for group in groups(table):
        lines += _markdown_rows(rows(group)["model"], cells(rows(group)))
        lines += ["", note(group), counts_note(group), "Best **bold**, second *italic* of the measured."]
        lines += ["", *failures(group), ""]
        if len(ranked := ranks(group)):
            lines += [*_markdown_rows(ranked.index, ranked), "", RANKS_NOTE, ""]
    return "\n".join(lines)


def _markdown_rows(models: Iterable[str], printed: pd.DataFrame) -> list[str]:
    marks: dict[int, Callable[[str], str]] = {0: str, 1: lambda t: f"**{t}**", 2: lambda t: f"*{t}*"}
    lines = ["| Model | " + " | ".join(CELLS.values()) + " |", "|---" * (len(CELLS) + 1) + "|"]
    for model, line in zip(models, printed.itertuples(index=False), strict=True):
        lines.append(f"| {model} | " + " | ".join(_joined(cell, marks) for cell in line) + " |")
    return lines


def _joined(cell: Cell, marks: dict[int, Callable[[str], str]]) -> str:
    measured = marks[cell.rank](cell.measured) if cell.measured else ""
    published = f"[{cell.published}]" if cell.published else ""
    return f"{measured} {published}".strip()


def to_latex(table: pd.DataFrame) -> str:
    """LaTeX (booktabs): best measured value bold, second best underlined."""
    lines = []
    for group in groups(table):
        lines += _latex_tabular(rows(group)["model"], cells(rows(group)))
        lines += [f"% {note(group)} {counts_note(group)}", *(f"% {text}" for text in failures(group)), ""]
        if len(ranked := ranks(group)):
            lines += [*_latex_tabular(ranked.index, ranked), f"% {RANKS_NOTE}", ""]
    return "\n".join(lines)


def _latex_tabular(models: Iterable[str], printed: pd.DataFrame) -> list[str]:
    marks = {0: str, 1: lambda t: rf"\textbf{{{t}}}", 2: lambda t: rf"\underline{{{t}}}"}
    spans = " & ".join(rf"\multicolumn{{2}}{{c}}{{{title}}}" for title in SPLITS.values())
    lines = [
        rf"\begin{{tabular}}{{l{'r' * len(CELLS)}}}",
        r"\toprule",
        rf"Model & {spans} \\",
        "& " + " & ".join(list(QUANTITIES.values()) * len(SPLITS)) + r" \\",
        r"\midrule",
    ]
    for model, line in zip(models, printed.itertuples(index=False), strict=True):
        texts = [_joined(cell, marks).replace("±", r"$\pm$") for cell in line]
        text = " & ".join([model.replace("_", r"\_"), *texts]) + r" \\"
        lines.append(text.replace("%", r"\%"))
    return [*lines, r"\bottomrule", r"\end{tabular}"]
