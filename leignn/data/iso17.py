"""Reader of ISO17: ASE databases with ``total_energy`` (eV) and ``atomic_forces`` (eV/Å) in each row."""

import sqlite3
from collections.abc import Iterator
from pathlib import Path

import numpy as np
from ase.db import connect
from ase.db.row import AtomsRow

from leignn.data.structure import Structure
from leignn.errors import InputError

CHUNK_ROWS = 512


def read_iso17(path: Path, rows: np.ndarray | None) -> Iterator[list[Structure]]:
    """Yield the rows of one database in the order of their ids, a chunk in memory at a time.

    Args:
        path: the SQLite file.
        rows: (M,) which row ids; None for all.

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
                yield [_structure(row, path) for row in chunk]
    except (sqlite3.Error, AssertionError, OSError) as error:
        raise InputError(f"{path} is damaged or no ASE database: {error}") from error
    if wanted is not None and found != len(wanted):
        raise InputError(f"{path} lacks {len(wanted) - found} of the {len(wanted)} rows that the split names")


def _structure(row: AtomsRow, path: Path) -> Structure:
    structure = Structure.from_atoms(row.toatoms(), path.stem, row.id)
    try:
        structure.energy = float(row["total_energy"])
        structure.forces = np.asarray(row.data["atomic_forces"], dtype=np.float32)
    except (AttributeError, KeyError, TypeError, ValueError) as error:
        raise InputError(f"{path}: row {row.id} has no usable total_energy and atomic_forces") from error
    if structure.forces.shape != structure.pos.shape:
        raise InputError(f"{path}: row {row.id} has forces of shape {structure.forces.shape}")
    return structure
