"""Published values: ``config/published/<table>.csv``."""

from pathlib import Path

import numpy as np
import pandas as pd

from leignn.config.result import Table
from leignn.errors import InputError
from leignn.files import read_csv
from leignn.report.tables.columns import printed

ALWAYS = ("dataset", "model", "source")


def load_published(path: Path, declared: Table) -> pd.DataFrame:
    """Columns dataset, model, the printed numbers of the table, source; what nobody published is NaN.

    Raises:
        InputError: the file cannot be read, lacks one of the three, or has a column that the table has not.
    """
    published = read_csv(path, dtype=dict.fromkeys(ALWAYS, str))
    if missing := [name for name in ALWAYS if name not in published]:
        raise InputError(f"{path} has no column {missing[0]!r}")
    names = [place.name for place in printed(declared)]
    if unknown := [name for name in published if name not in (*ALWAYS, *names)]:
        raise InputError(f"{path} has a column {unknown[0]!r}, which the table does not print")
    for name in names:
        if name in published and not pd.api.types.is_numeric_dtype(published[name]):
            raise InputError(f"{path}: {name} holds a value that is no number")
    return published.assign(**{name: np.nan for name in names if name not in published})
