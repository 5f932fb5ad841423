"""What two standard errors decide: whether a margin is above zero, and which of several numbers are apart."""

from collections.abc import Sequence

import numpy as np

ERRORS = 2  # standard errors, within which nothing is decided


def sign_of(margin: float, error: float) -> int:
    """1 or -1 where ``margin`` lies above or below zero by :data:`ERRORS` of its ``error``, else 0.

    A margin whose error is 0 decides by its sign; one whose error is not known (NaN) does not decide.
    """
    if np.isnan(margin + error) or abs(margin) < ERRORS * error:
        return 0
    return int(np.sign(margin))


def separated_ranks(values: Sequence[float], errors: Sequence[float]) -> list[float]:
    """1 and the number of values that are lower by :data:`ERRORS` of the difference's standard error.

    Values that are not apart share a rank. NaN for a value that is missing, or has no error.
    """
    known = list(zip(values, errors, strict=True))
    return [
        np.nan if np.isnan(v + e) else 1.0 + sum(sign_of(v - w, np.hypot(e, f)) > 0 for w, f in known)
        for v, e in known
    ]
