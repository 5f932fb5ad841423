"""Hold the paper's claims against the results tables: true, false, or not run.

The claims are in ``config/published/claims.yaml``. Kinds of check, all over every one of ``columns``:

- ``lower``: the model's value is below that of each of ``others``;
- ``ratio``: the value of each of ``others`` over the model's lies ``between`` two bounds;
- ``largest_gain``: of all columns, the model gains most over the other in ``largest``, in percent;
- ``at_most``, ``at_least``: the model's value is at most, at least ``bound``.

One counterexample makes a claim false; a claim without one is true only if every value was measured. The
same check on the ``_published`` columns says whether the paper's own numbers bear the claim out.
"""

import argparse
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from leignn.errors import InputError
from leignn.files import replacing
from leignn.report.names import column_title
from leignn.schemas import load_validated, validate

Get = Callable[[str, str], float]  # (model, column) → value, NaN where there is none
NOT_RUN = "not run"
ORDERS = {"smallest", "largest"}


@dataclass(frozen=True)
class Finding:
    """What a check found: True, False or None (undecided), and the numbers in words."""

    holds: bool | None
    words: str


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--claims", type=Path, required=True, help="config/published/claims.yaml")
    parser.add_argument(
        "--tables",
        type=Path,
        nargs="*",
        default=[],
        help="results/table1.csv …; one that is missing was not run",
    )
    parser.add_argument("--output", type=Path, required=True, help="results/claims.csv")


def main(args: argparse.Namespace) -> None:
    rows = check_claims(load_validated(args.claims, "paper_claims"), args.tables)
    validate(rows, "claims", args.output)
    with replacing(args.output) as temporary:
        pd.DataFrame(rows).to_csv(temporary, index=False)


def check_claims(paper: dict[str, Any], tables: list[Path]) -> list[dict[str, str]]:
    """One row for every claim and every measurement (data set, scale, device) that its table holds.

    Args:
        paper: ``config/published/claims.yaml``.
        tables: results files; the claim's ``table`` is the name of one. A missing one is "not run".

    Raises:
        InputError: a table cannot be read.
    """
    found = {path.stem: _read(path) for path in tables if path.exists()}
    rows = []
    for claim in paper["claims"]:
        how = {"file": claim["table"], **paper["tables"][claim["table"]]}
        file = f"results/{how['file']}.csv"
        table = found.get(how["file"])
        if table is None:
            rows.append(_row(claim, how, pd.DataFrame(), f"{file} was not made"))
            continue
        needed = [how["label"], *how["groups"], *how.get("only", {}), *claim["columns"]]
        needed += [*claim.get("requires", {}), *(how[order] for order in ORDERS & how.keys())]
        if absent := [column for column in needed if column not in table]:
            rows.append(_row(claim, how, pd.DataFrame(), f"{file} has no column {absent[0]}"))
            continue
        for column, value in how.get("only", {}).items():
            table = table[table[column] == value]
        for order in ORDERS & how.keys():  # of several rows of a model the first counts
            table = table.sort_values(how[order], ascending=order == "smallest", kind="stable")
        groups = [group for _, group in table.groupby(how["groups"], sort=False)]
        rows += [_row(claim, how, group, "") for group in groups]
        if not groups:
            rows.append(_row(claim, how, table, f"{file} has no rows for it"))
    return rows


def _read(path: Path) -> pd.DataFrame:
    try:
        return pd.read_csv(path)
    except (OSError, ValueError) as error:
        raise InputError(f"{path} cannot be read: {error}") from error


def _row(claim: dict[str, Any], how: dict[str, Any], group: pd.DataFrame, reason: str) -> dict[str, str]:
    """The claim's row for one measurement; ``reason`` says why there is none."""
    measured, published = Finding(None, reason), Finding(None, "")
    if not reason:
        check = CHECKS[claim["check"]]
        of_paper, of_ours = (_getter(group, how, suffix) for suffix in ("_published", ""))
        published = check(claim, of_paper)
        short = _too_short(claim, of_ours)
        others = of_paper if claim.get("against") == "published" else of_ours
        found = check(claim, lambda model, c: (of_ours if model == claim["model"] else others)(model, c))
        measured = Finding(None, short) if short else found
    decided = measured.holds is not None
    first = group.iloc[0].to_dict() if len(group) else {}
    return {
        "id": claim["id"],
        "sentence": claim.get("sentence", ""),
        "reading": claim.get("reading", ""),
        "where": claim["where"],
        "table": how["file"],
        "criterion": CRITERIA[claim["check"]](claim),
        "published": claim.get("published", "") if published.holds is None else published.words,
        "published_verdict": {True: "true", False: "false", None: ""}[published.holds],
        "measured": measured.words if decided else "",
        "verdict": {True: "true", False: "false", None: NOT_RUN}[measured.holds],
        "reason": "" if decided else measured.words,
        **{key: _word(first.get(key)) for key in ("dataset", "scale", "device")},
        "stand_in": _word(first.get("stand_in")).lower(),
    }


def _too_short(claim: dict[str, Any], get: Get) -> str:
    """Which of the claim's requirements the measurement does not meet; "" if none."""
    for column, least in claim.get("requires", {}).items():
        if not (value := get(claim["model"], column)) >= least:
            return f"{column_title(column)} of {claim['model']} is {_number(value)}, not {least:g}"
    return ""


def _getter(group: pd.DataFrame, how: dict[str, Any], suffix: str) -> Get:
    rows = group.drop_duplicates(how["label"]).set_index(how["label"])

    def get(model: str, column: str) -> float:
        if model not in rows.index or column + suffix not in rows:
            return np.nan
        value = float(pd.to_numeric(rows.at[model, column + suffix], errors="coerce"))
        return abs(value) if how.get("magnitude") else value

    return get


def _lower(claim: dict[str, Any], get: Get) -> Finding:
    model = claim["model"]
    pairs = [(get(model, c), get(other, c), other, c) for c in claim["columns"] for other in claim["others"]]
    lost = [pair for pair in pairs if pair[0] >= pair[1]]
    words = f"lower in {sum(a < b for a, b, *_ in pairs)} of {len(pairs)} comparisons"
    if missing := next((p for p in pairs if np.isnan(p[0] + p[1])), None):
        if not lost:
            who = model if np.isnan(missing[0]) else missing[2]
            return Finding(None, f"{column_title(missing[3])} of {who} was not measured")
    ours, theirs, who, column = max(lost or pairs, key=lambda pair: pair[0] / pair[1])
    kind = "worst" if lost else "closest"
    words += f"; {kind}: {_number(ours)} against {who}'s {_number(theirs)} ({column_title(column)})"
    return Finding(not lost, words)


def _ratio(claim: dict[str, Any], get: Get) -> Finding:
    low, high = claim["between"]
    ratios = {
        (other, column): get(other, column) / get(claim["model"], column)
        for other in claim["others"]
        for column in claim["columns"]
    }
    outside = [r for r in ratios.values() if not np.isnan(r) and not low <= r <= high]
    missing = [key for key, r in ratios.items() if np.isnan(r)]
    if missing and not outside:
        return Finding(
            None, f"{column_title(missing[0][1])} of {missing[0][0]} or {claim['model']} was not measured"
        )
    parts = []
    for other in claim["others"]:
        values = [ratios[other, c] for c in claim["columns"]]
        parts.append(f"{other} " + ", ".join("–" if np.isnan(r) else f"{r:.2f}" for r in values))
    return Finding(not outside, "; ".join(parts))


def _largest_gain(claim: dict[str, Any], get: Get) -> Finding:
    (other,) = claim["others"]
    gains = {c: 100 * (1 - get(claim["model"], c) / get(other, c)) for c in claim["columns"]}
    if missing := [c for c, gain in gains.items() if np.isnan(gain)]:
        return Finding(None, f"{column_title(missing[0])} of {other} or {claim['model']} was not measured")
    words = ", ".join(f"{column_title(c)} {gain:.1f} %" for c, gain in gains.items())
    return Finding(max(gains, key=lambda c: gains[c]) == claim["largest"], words)


def _bounded(claim: dict[str, Any], get: Get) -> Finding:
    values = {c: get(claim["model"], c) for c in claim["columns"]}
    sign = 1 if claim["check"] == "at_most" else -1
    beyond = [c for c, value in values.items() if sign * value > sign * claim["bound"]]
    if (missing := [c for c, value in values.items() if np.isnan(value)]) and not beyond:
        return Finding(None, f"{column_title(missing[0])} of {claim['model']} was not measured")
    return Finding(
        not beyond, ", ".join(f"{column_title(c)} {_number(value)}" for c, value in values.items())
    )


def _word(value: Any) -> str:
    return "" if value is None or pd.isna(value) else str(value)


def _number(value: float) -> str:
    return "–" if np.isnan(value) else f"{value:.4g}"


CHECKS: dict[str, Callable[[dict[str, Any], Get], Finding]] = {
    "lower": _lower,
    "ratio": _ratio,
    "largest_gain": _largest_gain,
    "at_most": _bounded,
    "at_least": _bounded,
}
CRITERIA: dict[str, Callable[[dict[str, Any]], str]] = {
    "lower": lambda c: f"{c['model']} below {_names(c)} in {_columns(c)}; no tolerance" + _against(c),
    "ratio": lambda c: f"{_names(c)} over {c['model']} {_range(c)} in {_columns(c)}",
    "largest_gain": lambda c: (
        f"gain of {c['model']} over {_names(c)} largest in {column_title(c['largest'])}"
    ),
    "at_most": lambda c: f"{_columns(c)} of {c['model']} at most {c['bound']:g}",
    "at_least": lambda c: f"{_columns(c)} of {c['model']} at least {c['bound']:g}",
}


def _range(claim: dict[str, Any]) -> str:
    low, high = claim["between"]
    return f"at least {low:g}" if np.isinf(high) else f"between {low:g} and {high:g}"


def _against(claim: dict[str, Any]) -> str:
    return "; measured against published" if claim.get("against") == "published" else ""


def _names(claim: dict[str, Any]) -> str:
    return ", ".join(claim["others"])


def _columns(claim: dict[str, Any]) -> str:
    columns = claim["columns"]
    return ", ".join(map(column_title, columns)) if len(columns) <= 2 else f"all {len(columns)} columns"
