"""What columns of the results tables are called where people read them."""

from leignn.report.layout import QUANTITIES, TITLES

UNITS = {
    "_mev_per_ang": "meV/Å",
    "_mev": "meV",
    "_1e-9_m2_per_s": "1e-9 m²/s",
    "_ms": "ms",
    "_ps": "ps",
    "_fs": "fs",
    "_ang": "Å",
    "_mb": "MB",
    "_percent": "%",
    "_degrees": "°",
    "_k": "K",
    "_s": "s",
}


def column_title(column: str) -> str:
    """``train_ms`` as "train (ms)"; errors of a split or molecule as in the tables."""
    for suffix, quantity in QUANTITIES.items():
        if (group := column.removesuffix(f"_{suffix}")) in TITLES and group != column:
            return f"{TITLES[group]} {quantity}"
    for suffix, unit in UNITS.items():
        if column.endswith(suffix):
            return f"{column.removesuffix(suffix).replace('_', ' ')} ({unit})"
    return column.replace("_", " ")
