"""The sentences under a table, as plain text."""

import pandas as pd

from leignn.config.result import Table
from leignn.report.tables.columns import places, printed
from leignn.report.tables.special import NOT_RUN, SPECIAL_ROWS

RANKS = (
    "Ranks of the models that were measured, 1 is best, with the published ranks of the same models; and "
    "Spearman's correlation of the order of their means with the published. Models within two standard "
    "errors of each other share a rank; a number of a single seed or simulation has no error, and no rank."
)
STAND_IN = "Stand-in: these numbers are not comparable to the paper's."


BESIDE = "measured, and with it (in brackets, or small) the published"
APART = "measured; the paper's, of other data, in columns of their own when asked for"


def about(block: pd.DataFrame, declared: Table, shown: str = BESIDE) -> str:
    """What one data set's table shows, whether it compares with the paper, and where that is from.

    Args:
        block: its rows.
        declared: what the table shows.
        shown: which numbers stand in it, and where.
    """
    row = block.iloc[0]
    units = _units(declared)
    if row["scale"] == NOT_RUN:
        text = f"{row['dataset_title']}: published values, {units}. Nothing was run: no model is configured "
        text += "for it at this scale, since its data are not generated; config/README.md says how to run it."
        return f"{text} {_sources(block)}".strip()
    text = f"{row['dataset_title']}, scale {row['scale']}: {units}; {shown}. "
    text += "Empty: not run at this scale, or not published."
    text += f" {_trainings(block)}"
    if declared.simulated:
        text += f" Simulations: {_simulations(block) or 'none'}."
    if row["stand_in"]:
        text += f" {STAND_IN}"
    elif block[[f"{place.name}_difference" for place in printed(declared)]].isna().all(axis=None):
        text += " Another data set than the paper's: its numbers are no comparison."
    return f"{text} {_sources(block)}".strip()


def counts(block: pd.DataFrame, declared: Table) -> str:
    """What was counted in every group of columns, where it is known for all of them."""
    sentences = []
    for column in declared.columns.values():
        own = [place for place in places(declared) if column.counts and place.column == column]
        largest = [block[place.name].max() for place in own]
        if own and not pd.isna(largest).any():
            listed = ", ".join(
                f"{place.group_title} {count:.0f}".strip() for place, count in zip(own, largest, strict=True)
            )
            sentences.append(f"{column.counts}: {listed}.")
    return " ".join(sentences)


def failures(block: pd.DataFrame) -> list[str]:
    """A sentence for every model whose run failed."""
    failed = block[block["status"].str.startswith("failed")]
    return [f"{row['model']} {row['status']}." for _, row in failed.iterrows()]


def _units(declared: Table) -> str:
    """``energy in meV, forces in meV/Å (free atoms)``."""
    found = []
    for name, column in declared.columns.items():
        if column.shown == "everywhere" and column.unit:
            title = column.title or name.replace("_", " ")
            if title[1:2].islower():  # no abbreviation
                title = title[0].lower() + title[1:]
            found.append(f"{title} in {column.unit} {column.remark}".strip())
    return ", ".join(found)


def _trainings(block: pd.DataFrame) -> str:
    """How often, how long and in which graph the rows' models were trained: whether they compare fairly."""
    run = block[~block["model"].isin(SPECIAL_ROWS) & block["steps"].gt(0)]
    if run.empty:
        return ""
    steps = run["steps"].map("{:.0f}".format) + " steps of " + run["batch_size"].map("{:.0f}".format)
    seconds = ", ".join(f"{m} {s:.0f}" for m, s in zip(run["model"], run["train_seconds"], strict=True))
    parts = [
        f"seeds {_grouped(run['model'], run['n_seeds'].map('{:.0f}'.format))}",
        f"{_grouped(run['model'], steps)} structures",
        f"mean seconds {seconds}",
        f"graph {_grouped(run['model'], run['graph'])}",
    ]
    return f"Trainings: {'; '.join(parts)}. ± is the standard error of the mean."


def _grouped(models: pd.Series, values: pd.Series) -> str:
    """Each value with the models that have it; the commonest without."""
    common = values.value_counts().index[0]
    others = [
        f"{value} ({', '.join(models[values == value])})" for value in values.unique() if value != common
    ]
    return " or ".join([common, *others])


def _simulations(block: pd.DataFrame) -> str:
    counted = block[block["n_simulations"] > 0]
    return ", ".join(
        f"{row['model']} {row['n_simulations']:.0f} of {row['simulated_ps']:g} ps"
        for _, row in counted.iterrows()
    )


def _sources(block: pd.DataFrame) -> str:
    """Where the published values come from."""
    known = block[block["source"].fillna("") != ""]
    listed = [f"{', '.join(rows['model'])}: {source}" for source, rows in known.groupby("source", sort=False)]
    if not listed:
        return ""
    return f"Published: {known['source'].iloc[0] if len(listed) == 1 else '; '.join(listed)}."
