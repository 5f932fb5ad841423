"""Reader of ISO17: ASE databases with ``total_energy`` (eV) and ``atomic_forces`` (eV/Å) in each row."""

from collections.abc import Iterator
from pathlib import Path

import numpy as np
from ase.db import connect
from ase.db.row import AtomsRow

from leignn.data.structure import Structure
from leignn.errors import InputError

CHUNK_ROWS = 512


def read_iso17(path: Path, rows: np.ndarray | None, system: str | None = None) -> Iterator[list[Structure]]:
    """Yield the rows of one database in the order of their ids, a chunk in memory at a time.

    Args:
        path: the SQLite file.
        rows: (M,) which row ids; None for all.
        system: name of the system, by default the file's.

    Raises:
        InputError: the file is damaged or no such database, a row lacks a label or one of ``rows`` is
            not there.
    """
    wanted = None if rows is None else np.sort(rows)
    found = first = 0
    try:
        database = connect(path, type="db", use_lock_file=False)
        remaining = database.count()
        while remaining > 0:
            # ASE fetches the whole result of a selection: ask for a range of ids.
            chunk = list(database.select(f"id>{first},id<={first + CHUNK_ROWS}"))
            remaining, first = remaining - len(chunk), first + CHUNK_ROWS
            if wanted is not None:
                kept = np.isin([row.id for row in chunk], wanted)
                chunk = [row for row, keep in zip(chunk, kept, strict=True) if keep]
            found += len(chunk)
            if chunk:
                yield [_structure(row, system or path.stem, path) for row in chunk]
    except InputError:
        raise
    except Exception as error:  # of SQLite, JSON and ASE's own decoding, in many kinds
        raise InputError(f"{path} is damaged or no ASE database: {error}") from error
    if wanted is not None and found != len(wanted):
        raise InputError(f"{path} lacks {len(wanted) - found} of the {len(wanted)} rows that the split names")


def _structure(row: AtomsRow, system: str, path: Path) -> Structure:
    where = f"{path}: row {row.id}"
    try:
        labels = {"energy": row["total_energy"], "forces": row.data["atomic_forces"]}
        atoms = row.toatoms()
    except (AttributeError, KeyError, TypeError, ValueError) as error:
        keys = ", ".join(sorted([*row.key_value_pairs, *row.data]))
        raise InputError(f"{where} has no usable total_energy and atomic_forces; it has {keys}") from error
    return Structure.from_atoms(atoms, system, row.id, labels, where)
