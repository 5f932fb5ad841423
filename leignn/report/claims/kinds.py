"""The kinds of check that a claim can ask for, all over every one of its ``columns``.

- ``lower``: the model's value is below that of each of ``others``;
- ``ratio``: the value of each of ``others`` over the model's lies ``between`` two bounds;
- ``largest_gain``: of all columns, the model gains most over the other in ``largest``, in percent;
- ``at_most``, ``at_least``: the model's value is at most, at least ``bound``.

Each is a row of margins, above zero where the claim holds, with a standard error (of a sum in quadrature;
of a ratio to first order). A margin within two of them decides nothing, nor does a comparison of
values whose error is not known, as of a single seed. One counterexample makes a claim false; without one it
is true only if every value was measured and every margin decides.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Literal, NamedTuple

import numpy as np

from leignn.config.claims import Claim
from leignn.report.significance import ERRORS, sign_of
from leignn.report.significant import significant

Verdict = Literal["true", "false", "undecided", "not run"]


class Value(NamedTuple):
    """A number of a table with its standard error: 0 where it is exact, NaN where it is not known."""

    value: float
    error: float


Get = Callable[[str, str], Value]  # (model, column) → value, NaN where there is none
Title = Callable[[str], str]  # column → what people call it


@dataclass(frozen=True)
class Finding:
    """What a check found, and the numbers in words."""

    verdict: Verdict
    words: str


def number(value: float) -> str:
    """Four significant digits."""
    return "–" if np.isnan(value) else significant(value, 4)


def _verdict(signs: Sequence[int]) -> Verdict:
    return "false" if -1 in signs else "true" if 0 not in signs else "undecided"


def _lower(claim: Claim, get: Get, title: Title) -> Finding:
    model = claim.model
    pairs = [(get(model, c), get(other, c), other, c) for c in claim.columns for other in claim.others]
    # Of two equal numbers neither is lower, even if both are exact.
    signs = [
        sign_of(b.value - a.value, np.hypot(a.error, b.error)) or (-1 if a == b and a.error == 0 else 0)
        for a, b, *_ in pairs
    ]
    verdict = _verdict(signs)
    missing = next((p for p in pairs if np.isnan(p[0].value + p[1].value)), None)
    if missing and verdict != "false":
        who = model if np.isnan(missing[0].value) else missing[2]
        return Finding("not run", f"{title(missing[3])} of {who} was not measured")
    below = sum(a.value < b.value for a, b, *_ in pairs)
    words = f"lower in {below} of {len(pairs)} comparisons"
    if open_ones := signs.count(0) - (sum(np.isnan(a.value + b.value) for a, b, *_ in pairs)):
        words += f", {open_ones} of them within the errors"
    lost = [pair for pair, sign in zip(pairs, signs, strict=True) if sign < 0]
    ours, theirs, who, column = max(lost or pairs, key=lambda pair: pair[0].value / pair[1].value)
    kind = "worst" if lost else "closest"
    words += f"; {kind}: {_with_error(ours)} against {who}'s {_with_error(theirs)} ({title(column)})"
    return Finding(verdict, words)


def _ratio(claim: Claim, get: Get, title: Title) -> Finding:
    low, high = claim.between
    ratios = {(o, c): _over(get(o, c), get(claim.model, c)) for o in claim.others for c in claim.columns}
    signs = []
    for ratio in ratios.values():
        above, below = sign_of(ratio.value - low, ratio.error), sign_of(high - ratio.value, ratio.error)
        edge = ratio.error == 0 and low <= ratio.value <= high
        signs.append(1 if edge or above == below == 1 else min(above, below, 0))
    verdict = _verdict(signs)
    missing = [key for key, ratio in ratios.items() if np.isnan(ratio.value)]
    if missing and verdict != "false":
        other, column = missing[0]
        return Finding("not run", f"{title(column)} of {other} or {claim.model} was not measured")
    parts = []
    for other in claim.others:
        values = [ratios[other, c] for c in claim.columns]
        parts.append(f"{other} " + ", ".join(_with_error(r, "{:.2f}") for r in values))
    return Finding(verdict, "; ".join(parts))


def _largest_gain(claim: Claim, get: Get, title: Title) -> Finding:
    (other,) = claim.others
    gains = {}
    for c in claim.columns:
        ratio = _over(get(claim.model, c), get(other, c))
        gains[c] = Value(100 * (1 - ratio.value), 100 * ratio.error)
    if missing := [c for c, gain in gains.items() if np.isnan(gain.value)]:
        return Finding("not run", f"{title(missing[0])} of {other} or {claim.model} was not measured")
    words = ", ".join(f"{title(c)} {_with_error(gain, '{:.1f}')} %" for c, gain in gains.items())
    first = gains[claim.largest]
    others = [gain for c, gain in gains.items() if c != claim.largest]
    signs = [sign_of(first.value - gain.value, np.hypot(first.error, gain.error)) for gain in others]
    return Finding(_verdict(signs), words)


def _bounded(claim: Claim, get: Get, title: Title) -> Finding:
    """A single value is held against the bound as it is: the bound has the claim's tolerance."""
    values = {c: get(claim.model, c) for c in claim.columns}
    side, signs = 1 if claim.check == "at_most" else -1, []
    for value, error in values.values():
        margin = side * (claim.bound - value)
        exact = 0.0 if np.isnan(error) else error
        signs.append(1 if margin == exact == 0 else sign_of(margin, exact))
    verdict = _verdict(signs)
    if (missing := [c for c, found in values.items() if np.isnan(found.value)]) and verdict != "false":
        return Finding("not run", f"{title(missing[0])} of {claim.model} was not measured")
    return Finding(verdict, ", ".join(f"{title(c)} {_with_error(found)}" for c, found in values.items()))


def _over(a: Value, b: Value) -> Value:
    """``a / b``."""
    ratio = a.value / b.value
    return Value(ratio, abs(ratio) * np.hypot(a.error / a.value, b.error / b.value) if a.value else a.error)


def _with_error(found: Value, form: str = "") -> str:
    text = number(found.value) if not form or np.isnan(found.value) else form.format(found.value)
    return f"{text} ± {significant(found.error, 2)}" if found.error > 0 else text


CHECKS: dict[str, Callable[[Claim, Get, Title], Finding]] = {
    "lower": _lower,
    "ratio": _ratio,
    "largest_gain": _largest_gain,
    "at_most": _bounded,
    "at_least": _bounded,
}


def criterion(claim: Claim, title: Title) -> str:
    """What makes the claim true, with its tolerance, in words."""
    model, others, columns = claim.model, ", ".join(claim.others), _columns(claim, title)
    compared = f"undecided within {ERRORS} standard errors, or where an error is not known"
    match claim.check:
        case "lower":
            against = "; measured against published" if claim.against == "published" else ""
            return f"{model} below {others} in {columns}; {compared}{against}"
        case "ratio":
            return f"{others} over {model} {_range(claim)} in {columns}; {compared}"
        case "largest_gain":
            return f"gain of {model} over {others} largest in {title(claim.largest)}; {compared}"
        case "at_most" | "at_least":
            side = claim.check.replace("_", " ")
            bound = f"{columns} of {model} {side} {claim.bound:g}"
            return f"{bound}; undecided within {ERRORS} standard errors, if any"


def _range(claim: Claim) -> str:
    low, high = claim.between
    return f"at least {low:g}" if np.isinf(high) else f"between {low:g} and {high:g}"


def _columns(claim: Claim, title: Title) -> str:
    columns = claim.columns
    return ", ".join(map(title, columns)) if len(columns) <= 2 else f"all {len(columns)} columns"
