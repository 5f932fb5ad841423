"""Tables as Markdown, LaTeX and HTML cells: rounding as in the paper, best and second best marked."""

from collections.abc import Callable, Iterable
from dataclasses import dataclass

import numpy as np
import pandas as pd

from leignn.report.layout import IMPROVEMENT, NOT_RUN, QUANTITIES, RANK_CORRELATION, cells_of, groups_of


@dataclass(frozen=True)
class Cell:
    """A number ready to print: text, whether best (1) or second (2) of its column, or neither (0)."""

    measured: str
    published: str
    rank: int


def cells(table: pd.DataFrame, columns: Iterable[str] | None = None) -> pd.DataFrame:
    """A :class:`Cell` for every row of ``table`` (one data set) and of its ``columns`` (default: errors)."""
    columns = cells_of(table) if columns is None else list(columns)
    result = pd.DataFrame(index=table.index, columns=columns, dtype=object)
    for column in result:
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
    columns = cells_of(table)
    correlation = table[table["model"] == RANK_CORRELATION]
    if correlation[columns].isna().all(axis=None):
        return pd.DataFrame()
    models = table[table[[f"{column}_rank" for column in columns]].notna().any(axis=1)]
    result = pd.DataFrame(index=[*models["model"], RANK_CORRELATION], columns=columns, dtype=object)
    for column in columns:
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
    if abs(value) < 0.1:
        return f"{value:.1g}"
    if "rdf" in column or "diffusivity" in column:
        return f"{value:.2f}"
    return f"{value:.0f}" if "energy" in column and abs(value) >= 100 else f"{value:.1f}"


def note(table: pd.DataFrame) -> str:
    """The sentences that go under a table of one data set."""
    row = table.iloc[0]
    units = "energy in meV, forces in meV/Å (free atoms)"
    if row["scale"] == NOT_RUN:
        text = f"{row['dataset_title']}: published values, {units}. Nothing was run: no model is configured "
        text += "for it at this scale, since its data are not generated; config/README.md says how to run it."
        return f"{text} {_sources(table)}".strip()
    text = f"{row['dataset_title']}, scale {row['scale']}: {units}; measured, and with it (in brackets, or "
    text += "small) the published. Empty: not run at this scale, or not published."
    if row["stand_in"]:
        text += " EMT stand-in: these numbers are not comparable to the paper's."
    elif table[[f"{column}_difference" for column in cells_of(table)]].isna().all(axis=None):
        text += " Another data set than the paper's: its numbers are no comparison."
    return f"{text} {_sources(table)}".strip()


def _sources(table: pd.DataFrame) -> str:
    """Where the published values come from."""
    known = table[table["source"].fillna("") != ""]
    listed = [f"{', '.join(rows['model'])}: {source}" for source, rows in known.groupby("source", sort=False)]
    if not listed:
        return ""
    return f"Published: {known['source'].iloc[0] if len(listed) == 1 else '; '.join(listed)}."


def counts_note(table: pd.DataFrame) -> str:
    """How many structures had an energy, where known for every group of columns."""
    groups = groups_of(table)
    counts = [table[f"{group}_energy_count"].max() for group in groups]
    if np.isnan(counts).any():
        return ""
    listed = ", ".join(f"{title} {count:.0f}" for title, count in zip(groups.values(), counts, strict=True))
    return f"Structures with an energy: {listed}."


RANKS_NOTE = (
    "Ranks of the models that were measured, 1 is best, with the published ranks of the same models; "
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
        heads = [f"{title} {name}" for title in groups_of(group).values() for name in QUANTITIES.values()]
        lines += markdown_rows(rows(group)["model"], cells(rows(group)), heads)
        best = "" if group["scale"].iloc[0] == NOT_RUN else "Best **bold**, second *italic* of the measured."
        lines += ["", note(group), counts_note(group), best]
        lines += ["", *failures(group), ""]
        if len(ranked := ranks(group)):
            lines += [*markdown_rows(ranked.index, ranked, heads), "", RANKS_NOTE, ""]
    return "\n".join(lines)


def markdown_rows(models: Iterable[str], printed: pd.DataFrame, heads: list[str]) -> list[str]:
    """Lines of a Markdown table of ``printed`` (:class:`Cell`), its columns headed by ``heads``."""
    marks: dict[int, Callable[[str], str]] = {0: str, 1: lambda t: f"**{t}**", 2: lambda t: f"*{t}*"}
    lines = ["| Model | " + " | ".join(heads) + " |", "|---" * (len(heads) + 1) + "|"]
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
        heads = _latex_heads(groups_of(group))
        lines += latex_tabular(rows(group)["model"], cells(rows(group)), heads)
        lines += [f"% {note(group)} {counts_note(group)}", *(f"% {text}" for text in failures(group)), ""]
        if len(ranked := ranks(group)):
            lines += [*latex_tabular(ranked.index, ranked, heads), f"% {RANKS_NOTE}", ""]
    return "\n".join(lines)


def _latex_heads(groups: dict[str, str]) -> list[str]:
    spans = " & ".join(rf"\multicolumn{{2}}{{c}}{{{title}}}" for title in groups.values())
    return [rf"Model & {spans} \\", "& " + " & ".join(list(QUANTITIES.values()) * len(groups)) + r" \\"]


def latex_tabular(models: Iterable[str], printed: pd.DataFrame, heads: list[str]) -> list[str]:
    """Lines of a LaTeX table of ``printed`` (:class:`Cell`) below the lines ``heads``."""
    marks = {0: str, 1: lambda t: rf"\textbf{{{t}}}", 2: lambda t: rf"\underline{{{t}}}"}
    lines = [rf"\begin{{tabular}}{{l{'r' * len(printed.columns)}}}", r"\toprule", *heads, r"\midrule"]
    for model, line in zip(models, printed.itertuples(index=False), strict=True):
        texts = [_joined(cell, marks).replace("±", r"$\pm$") for cell in line]
        text = " & ".join([model.replace("_", r"\_"), *texts]) + r" \\"
        lines.append(text.replace("%", r"\%"))
    return [*lines, r"\bottomrule", r"\end{tabular}"]
