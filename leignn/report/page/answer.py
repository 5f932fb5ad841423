"""The page's first lines: what was run, how much of the paper it confirms, a line a table."""

from typing import Any

import pandas as pd

from leignn.config.result import Table
from leignn.report.page.grid import measured_blocks
from leignn.report.runs import Run
from leignn.report.tables.cells import alone
from leignn.report.tables.columns import printed
from leignn.report.tables.special import RANK_CORRELATION, SPECIAL_ROWS

VERDICTS = {
    "true": "✓ true",
    "false": "✗ false",
    "undecided": "≈ undecided",
    "not run": "– not run",
}


def tally(claims: list[dict[str, Any]]) -> dict[str, int]:
    """How many claims have each verdict that occurs, in the order of :data:`VERDICTS`."""
    found = [claim["verdict"] for claim in claims]
    return {verdict: found.count(verdict) for verdict in VERDICTS if verdict in found}


def what_was_run(runs: list[Run]) -> list[str]:
    """Sentences on the trainings, their data, and where and from which code they were made."""
    if not runs:
        return ["Nothing was run: the tables show what is published."]
    models = {run.config.model for run in runs}
    seeds = {run.config.seed for run in runs}
    failed = sum(run.metrics["status"] == "failed" for run in runs)
    data = dict.fromkeys(run.config.dataset_info.title for run in runs)
    scales = dict.fromkeys(run.config.scale for run in runs)
    hours = sum(run.metrics["train_seconds"] or 0 for run in runs) / 3600
    duration = f"{hours:.1f} hours" if hours >= 1.5 else _count(round(60 * hours), "minute")
    what = f"{_count(len(runs), 'training')} of {_count(len(models), 'model')}, {_count(len(seeds), 'seed')}"
    what += f", at scale {', '.join(scales)}: {duration} of training{f'; {failed} failed' if failed else ''}."
    sentences = [
        what,
        f"Data: {', '.join(data)}.",
    ]
    records = [run.provenance() for run in runs]
    machines = dict.fromkeys(filter(None, map(_machine, records)))
    commits = dict.fromkeys(filter(None, map(_commit, records)))
    finished = [record["finished"] for record in records if record.get("finished")]
    where = [f"Machine: {', '.join(machines)}."] if machines else []
    where += [f"Code: {', '.join(commits)}."] if commits else []
    where += [f"Last training: {max(finished)[:10]}."] if finished else []
    return [*sentences, *where]


def _count(number: int, what: str) -> str:
    return f"{number} {what}{'' if number == 1 else 's'}"


def _machine(record: dict[str, Any]) -> str:
    hardware = record.get("hardware") or {}
    if hardware.get("gpu"):
        return str(hardware["gpu"])
    return f"{hardware['cpu']}, {hardware['cores']} cores" if hardware.get("cpu") else ""


def _commit(record: dict[str, Any]) -> str:
    commit = record.get("git_commit") or ""
    return commit[:7] + (" with changes" if commit and record.get("git_dirty") else "")


def line_of(table: pd.DataFrame, declared: Table) -> str:
    """What a table holds, in one line; "" if nothing of it was run."""
    if not declared.built:
        return _count(table[declared.label].nunique(), "row") + " measured" if len(table) else ""
    return "; ".join(_block_line(block, declared) for block in measured_blocks(table))


def _block_line(block: pd.DataFrame, declared: Table) -> str:
    """Of one data set: the models, how often each is best, and how their order compares with the paper's."""
    models = block[~block["model"].isin(SPECIAL_ROWS) & (block["n_seeds"] > 0)]
    ranked = [f"{place.name}_rank" for place in printed(declared) if place.column.best]
    marked = [name for name in ranked if 1 in alone(models[name])]
    first = {row["model"]: int((row[marked] == 1).sum()) for _, row in models.iterrows()}
    best = sorted((title for title in first if first[title]), key=lambda title: -first[title])
    words = f"{_count(len(models), 'model')} on {block['dataset_title'].iloc[0]}"
    if best:
        often = ", ".join(
            f"{title} in {first[title]}" + (f" of {len(ranked)} columns" if number == 0 else "")
            for number, title in enumerate(best[:3])
        )
        words += f"; best: {often}"
    correlation = block[block["model"] == RANK_CORRELATION]
    values = correlation[[place.name for place in printed(declared)]].to_numpy(float).ravel()
    values = values[~pd.isna(values)]
    if len(values):
        words += f"; order of the models against the paper's: ρ {values.min():.2f} to {values.max():.2f}"
    return words
