"""Tables as Markdown, LaTeX and HTML cells: rounding as in the paper, best and second best marked."""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import pandas as pd

SPLITS = {"id": "ID", "ood_ads": "OOD Ads.", "ood_cat": "OOD Cat.", "ood_both": "OOD Both"}
QUANTITIES = {"energy_mev": "Energy", "forces_mev_per_ang": "Forces"}
COLUMNS = {
    f"{split}_{quantity}": f"{split_title} {title}"
    for split, split_title in SPLITS.items()
    for quantity, title in QUANTITIES.items()
}
SPECIAL_ROWS = ("Mean energy, zero forces", "Improvement")


@dataclass(frozen=True)
class Cell:
    """A number ready to print: text, whether best (1) or second (2) of its column, or neither (0)."""

    measured: str
    published: str
    rank: int


def cells(table: pd.DataFrame) -> pd.DataFrame:
    """A :class:`Cell` for every row and :data:`COLUMNS` of ``table`` (one data set)."""
    result = pd.DataFrame(index=table.index, columns=list(COLUMNS), dtype=object)
    ranked = ~table["model"].isin(SPECIAL_ROWS)
    for column in COLUMNS:
        ranks = table.loc[ranked, column].rank(method="min").reindex(table.index)
        compared = table.loc[ranked, column].notna().sum() > 1
        for i, row in table.iterrows():
            percent = row["model"] == "Improvement"
            rank = int(ranks[i]) if compared and ranks[i] in (1, 2) else 0
            measured = _text(row[column], column, percent)
            if measured and pd.notna(row[f"{column}_stderr"]):
                measured += f" ± {_text(row[f'{column}_stderr'], column, percent)}"
            result.at[i, column] = Cell(measured, _text(row[f"{column}_published"], column, percent), rank)
    return result


def _text(value: float, column: str, percent: bool) -> str:
    if pd.isna(value):
        return ""
    if percent:
        return f"{value:.2f} %"
    return f"{value:.0f}" if "energy" in column else f"{value:.1f}"


def note(table: pd.DataFrame) -> str:
    """The sentence that goes under a table of one data set."""
    row = table.iloc[0]
    text = f"{row['dataset_title']}, scale {row['scale']}. Energy in meV, forces in meV/Å (free atoms); "
    text += "measured, and beside it (in brackets, or small) the paper's. Empty: not run at this scale."
    if row["stand_in"]:
        text += " EMT stand-in: these numbers are not comparable to the paper's."
    elif table[[f"{c}_difference" for c in COLUMNS]].isna().all(axis=None):
        text += " Another data set than the paper's: its numbers are no comparison."
    return text


def counts_note(table: pd.DataFrame) -> str:
    """How many structures had an energy, where not the same for all splits."""
    counts = [table[f"{split}_energy_count"].max() for split in SPLITS]
    if np.isnan(counts).any():
        return ""
    listed = ", ".join(f"{title} {count:.0f}" for title, count in zip(SPLITS.values(), counts, strict=True))
    return f"Structures with an energy: {listed}."


def groups(table: pd.DataFrame) -> list[pd.DataFrame]:
    """One table for each data set and scale."""
    return [group.reset_index(drop=True) for _, group in table.groupby(["dataset", "scale"], sort=False)]


def to_markdown(table: pd.DataFrame) -> str:
    """Markdown: best measured value bold, second best in italics."""
    marks: dict[int, Callable[[str], str]] = {0: str, 1: lambda t: f"**{t}**", 2: lambda t: f"*{t}*"}
    lines = []
    for group in groups(table):
        lines += ["| Model | " + " | ".join(COLUMNS.values()) + " |", "|---" * (len(COLUMNS) + 1) + "|"]
        printed = cells(group)
        for i, row in group.iterrows():
            texts = [_joined(printed.at[i, c], marks) for c in COLUMNS]
            lines.append(f"| {row['model']} | " + " | ".join(texts) + " |")
        lines += ["", note(group), counts_note(group), "Best **bold**, second *italic* of the measured.", ""]
    return "\n".join(lines)


def _joined(cell: Cell, marks: dict[int, Callable[[str], str]]) -> str:
    measured = marks[cell.rank](cell.measured) if cell.measured else ""
    published = f"[{cell.published}]" if cell.published else ""
    return f"{measured} {published}".strip()


def to_latex(table: pd.DataFrame) -> str:
    """LaTeX (booktabs): best measured value bold, second best underlined."""
    marks = {0: str, 1: lambda t: rf"\textbf{{{t}}}", 2: lambda t: rf"\underline{{{t}}}"}
    lines = []
    for group in groups(table):
        printed = cells(group)
        spans = " & ".join(rf"\multicolumn{{2}}{{c}}{{{title}}}" for title in SPLITS.values())
        lines += [
            rf"\begin{{tabular}}{{l{'r' * len(COLUMNS)}}}",
            r"\toprule",
            rf"Model & {spans} \\",
            "& " + " & ".join(list(QUANTITIES.values()) * len(SPLITS)) + r" \\",
            r"\midrule",
        ]
        for i, row in group.iterrows():
            texts = [_joined(printed.at[i, c], marks).replace("±", r"$\pm$") for c in COLUMNS]
            line = " & ".join([row["model"].replace("_", r"\_"), *texts]) + r" \\"
            lines.append(line.replace("%", r"\%"))
        lines += [r"\bottomrule", r"\end{tabular}", f"% {note(group)} {counts_note(group)}", ""]
    return "\n".join(lines)
