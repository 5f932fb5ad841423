"""What columns of the results tables are called where people read them."""

from leignn.report.layout import CELLS

UNITS = {
    "_mev_per_ang": "meV/Å",
    "_mev": "meV",
    "_1e-9_m2_per_s": "1e-9 m²/s",
    "_ms": "ms",
    "_ps": "ps",
    "_mb": "MB",
    "_percent": "%",
    "_degrees": "°",
    "_k": "K",
    "_s": "s",
}


def column_title(column: str) -> str:
    """``train_ms`` as "train (ms)"; cells of Tables 1 and 2 as there."""
    if column in CELLS:
        return CELLS[column]
    for suffix, unit in UNITS.items():
        if column.endswith(suffix):
            return f"{column.removesuffix(suffix).replace('_', ' ')} ({unit})"
    return column.replace("_", " ")
