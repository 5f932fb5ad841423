"""Where the files lie that ship with the library: models, data sets, scales, published values, schemas.

In a checkout they are in its folders ``config/`` and ``workflow/``. An installed package has the same files
beside its code: ``pyproject.toml`` maps these folders into it, so that there is one copy to edit.
"""

from pathlib import Path

_CODE = Path(__file__).resolve().parent
_INSTALLED = (_CODE / "shipped").is_dir()

CHECKOUT = None if _INSTALLED else _CODE.parent
CONFIG = _CODE / "shipped" if _INSTALLED else _CODE.parent / "config"
SCHEMAS = _CODE / "schemas" if _INSTALLED else _CODE.parent / "workflow" / "schemas"


def config_file(name: str) -> Path:
    """``config/<name>``, e.g. ``archives.yaml``: the working directory's own, else the shipped one."""
    own = Path("config") / name
    return own if own.exists() else CONFIG / name


def config_files(folder: str) -> dict[str, Path]:
    """Name → file of every ``config/<folder>/*.yaml``, e.g. of ``models``, sorted by name.

    A file of the working directory comes before the shipped one of the same name.
    """
    found = {path.stem: path for base in (CONFIG, Path("config")) for path in (base / folder).glob("*.yaml")}
    return dict(sorted(found.items()))
