"""The kinds of check that a claim can ask for, all over every one of its ``columns``.

- ``lower``: the model's value is below that of each of ``others``;
- ``ratio``: the value of each of ``others`` over the model's lies ``between`` two bounds;
- ``largest_gain``: of all columns, the model gains most over the other in ``largest``, in percent;
- ``at_most``, ``at_least``: the model's value is at most, at least ``bound``.

One counterexample makes a claim false; a claim without one is true only if every value was measured.
"""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from leignn.config.claims import Claim

Get = Callable[[str, str], float]  # (model, column) → value, NaN where there is none
Title = Callable[[str], str]  # column → what people call it


@dataclass(frozen=True)
class Finding:
    """What a check found: True, False or None (undecided), and the numbers in words."""

    holds: bool | None
    words: str


def number(value: float) -> str:
    """Four significant digits."""
    return "–" if np.isnan(value) else f"{value:.4g}"


def _lower(claim: Claim, get: Get, title: Title) -> Finding:
    model = claim.model
    pairs = [(get(model, c), get(other, c), other, c) for c in claim.columns for other in claim.others]
    lost = [pair for pair in pairs if pair[0] >= pair[1]]
    words = f"lower in {sum(a < b for a, b, *_ in pairs)} of {len(pairs)} comparisons"
    if missing := next((p for p in pairs if np.isnan(p[0] + p[1])), None):
        if not lost:
            who = model if np.isnan(missing[0]) else missing[2]
            return Finding(None, f"{title(missing[3])} of {who} was not measured")
    ours, theirs, who, column = max(lost or pairs, key=lambda pair: pair[0] / pair[1])
    kind = "worst" if lost else "closest"
    words += f"; {kind}: {number(ours)} against {who}'s {number(theirs)} ({title(column)})"
    return Finding(not lost, words)


def _ratio(claim: Claim, get: Get, title: Title) -> Finding:
    low, high = claim.between
    ratios = {
        (other, column): get(other, column) / get(claim.model, column)
        for other in claim.others
        for column in claim.columns
    }
    outside = [r for r in ratios.values() if not np.isnan(r) and not low <= r <= high]
    missing = [key for key, r in ratios.items() if np.isnan(r)]
    if missing and not outside:
        other, column = missing[0]
        return Finding(None, f"{title(column)} of {other} or {claim.model} was not measured")
    parts = []
    for other in claim.others:
        values = [ratios[other, c] for c in claim.columns]
        parts.append(f"{other} " + ", ".join("–" if np.isnan(r) else f"{r:.2f}" for r in values))
    return Finding(not outside, "; ".join(parts))


def _largest_gain(claim: Claim, get: Get, title: Title) -> Finding:
    (other,) = claim.others
    gains = {c: 100 * (1 - get(claim.model, c) / get(other, c)) for c in claim.columns}
    if missing := [c for c, gain in gains.items() if np.isnan(gain)]:
        return Finding(None, f"{title(missing[0])} of {other} or {claim.model} was not measured")
    words = ", ".join(f"{title(c)} {gain:.1f} %" for c, gain in gains.items())
    return Finding(max(gains, key=lambda c: gains[c]) == claim.largest, words)


def _bounded(claim: Claim, get: Get, title: Title) -> Finding:
    values = {c: get(claim.model, c) for c in claim.columns}
    sign = 1 if claim.check == "at_most" else -1
    beyond = [c for c, value in values.items() if sign * value > sign * claim.bound]
    if (missing := [c for c, value in values.items() if np.isnan(value)]) and not beyond:
        return Finding(None, f"{title(missing[0])} of {claim.model} was not measured")
    return Finding(not beyond, ", ".join(f"{title(c)} {number(value)}" for c, value in values.items()))


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
    match claim.check:
        case "lower":
            against = "; measured against published" if claim.against == "published" else ""
            return f"{model} below {others} in {columns}; no tolerance{against}"
        case "ratio":
            return f"{others} over {model} {_range(claim)} in {columns}"
        case "largest_gain":
            return f"gain of {model} over {others} largest in {title(claim.largest)}"
        case "at_most":
            return f"{columns} of {model} at most {claim.bound:g}"
        case "at_least":
            return f"{columns} of {model} at least {claim.bound:g}"


def _range(claim: Claim) -> str:
    low, high = claim.between
    return f"at least {low:g}" if np.isinf(high) else f"between {low:g} and {high:g}"


def _columns(claim: Claim, title: Title) -> str:
    columns = claim.columns
    return ", ".join(map(title, columns)) if len(columns) <= 2 else f"all {len(columns)} columns"
