"""LMDB files of one record a frame: Open Catalyst's and MDSim's pickled graphs, and ASE's databases.

Fields and keys are those of their writers: fairchem-core's (1.x) ``preprocess_ef.py`` and ``AtomsToGraphs``,
MDSim's ``preprocessing/``, and ase-db-backends' ``aselmdb.py``, the form of fairchem 2's data sets.
"""

import re
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import lmdb
import numpy as np
from ase.calculators.calculator import all_properties
from ase.db.row import AtomsRow
from ase.io.jsonio import decode

from leignn.config.dataset import AsePart, Labels, LmdbPart
from leignn.data.ase_frames import from_atoms, reason
from leignn.data.checks import check, check_distances
from leignn.data.structure import Structure, as_type
from leignn.data.unpickling import load_pickle
from leignn.errors import InputError
from leignn.files import by_number

CHUNK_FRAMES = 128
LARGEST_ROW = 2**28  # bytes of a row of ASE's, unpacked
# The first name is the older writers', the second fairchem-core's of 2024 and later.
ENERGY, FORCES = ("y", "energy"), ("force", "forces")


@dataclass
class Keys:
    """Some frames of a file."""

    file: str
    first: int  # number of the first among those of the part
    keys: list[int]


def lmdb_files(path: Path, suffix: str) -> list[Path]:
    """The files of a part, in the order of their numbers: itself, or those in a folder.

    Raises:
        InputError: the folder holds none.
    """
    if not path.is_dir():
        return [path]
    if not (found := list(path.glob(f"*{suffix}"))):
        raise InputError(f"{path} holds no file *{suffix}")
    return sorted(found, key=by_number)


def chunks_of(files: list[Path]) -> Iterator[Keys]:
    """Cut what the files hold into chunks; frames are the keys that are numbers, in their order.

    Raises:
        InputError: a file is damaged, or lacks frames that it says it has.
    """
    first = 0
    for file in files:
        keys = _keys(file)
        for start in range(0, len(keys), CHUNK_FRAMES):
            yield Keys(str(file), first + start, keys[start : start + CHUNK_FRAMES])
        first += len(keys)


def _keys(file: Path) -> list[int]:
    with _opened(file) as transaction:
        names = [bytes(name) for name in transaction.cursor().iternext(keys=True, values=False)]
        keys = sorted(int(name) for name in names if re.fullmatch(rb"0|[1-9][0-9]{0,17}", name))
        if file.suffix == ".aselmdb":
            expected = (
                _row(transaction, "nextid", file, 1) - 1 - len(_row(transaction, "deleted_ids", file, []))
            )
        else:
            # MDSim writes the last key in place of the number of frames, and so reads one less than it has.
            length = transaction.get(b"length")
            said = 0 if length is None else load_pickle(bytes(length), f"{file}: key 'length'")
            expected = len(keys) if isinstance(said, int) and 0 <= said <= len(keys) else said
            if keys and keys[-1] != len(keys) - 1:
                expected = keys[-1] + 1
    if expected != len(keys):
        raise InputError(f"{file} has {len(keys)} frames, and says that it has {expected}")
    return keys


@contextmanager
def _opened(file: Path) -> Iterator[lmdb.Transaction]:
    """A file to read; what liblmdb would crash at is looked for before it looks."""
    try:
        with lmdb.open(str(file), subdir=False, readonly=True, lock=False, readahead=False) as environment:
            pages = environment.info()["last_pgno"] + 1
            if file.stat().st_size < pages * environment.stat()["psize"]:
                raise InputError(f"{file} is cut off: it has {file.stat().st_size} bytes of {pages} pages")
            with environment.begin() as transaction:
                yield transaction
    except lmdb.Error as error:
        raise InputError(f"{file} is damaged or no LMDB: {reason(error)}") from error


def _row(transaction: lmdb.Transaction, key: str, file: Path | str, default: Any = None) -> Any:
    """What stands under a key of an ASE database: compressed JSON."""
    content = transaction.get(key.encode())
    if content is None:
        return default
    try:
        stream = zlib.decompressobj()
        text = stream.decompress(content, LARGEST_ROW)
        if not stream.eof:
            raise ValueError(f"it is cut off, or larger than {LARGEST_ROW} bytes")
        return decode(text.decode())
    except Exception as error:  # of zlib, JSON and ASE's decoding, in many kinds
        raise InputError(f"{file}: key {key!r} is no row of an ASE database: {reason(error)}") from error


def read_ase_rows(chunk: Keys, part: AsePart, labels: Labels, system: str) -> list[Structure]:
    """The structures of some rows of an ``.aselmdb``."""
    found = []
    with _opened(Path(chunk.file)) as transaction:
        for number, key in enumerate(chunk.keys, chunk.first):
            row = _row(transaction, str(key), chunk.file)
            try:
                arrays = {
                    name: np.array(row[name]) for name in all_properties if isinstance(row.get(name), list)
                }
                atoms = AtomsRow(row | arrays | {"id": key}).toatoms(add_additional_information=True)
            except Exception as error:  # whatever a row lacks or has in another form
                raise InputError(f"{chunk.file}: row {key} is no structure: {reason(error)}") from error
            structure = from_atoms(atoms, part, labels, Path(chunk.file), system, number)
            check(structure, labels, chunk.file)
            found.append(structure)
    check_distances(found, chunk.file)
    return found


def read_graphs(chunk: Keys, part: LmdbPart, labels: Labels, system: str) -> list[Structure]:
    """The structures of some pickled graphs."""
    found = []
    with _opened(Path(chunk.file)) as transaction:
        for number, key in enumerate(chunk.keys, chunk.first):
            where = f"{chunk.file}: key {str(key)!r}"
            values = load_pickle(bytes(transaction.get(str(key).encode(), b"")), where)
            if not isinstance(values, dict):
                raise InputError(f"{where} is no Data of PyTorch Geometric but {type(values).__name__}")
            structure = _structure(values, labels, where, system, number)
            check(structure, labels, chunk.file)
            found.append(structure)
    check_distances(found, chunk.file)
    return found


def _structure(values: dict[str, Any], labels: Labels, where: str, system: str, number: int) -> Structure:
    values = {name: value for name, value in values.items() if value is not None}
    if missing := [name for name in ("pos", "atomic_numbers", "cell") if name not in values]:
        raise InputError(f"{where} has no {missing[0]}; it has {', '.join(sorted(values))[:200]}")
    n = len(np.atleast_1d(values["atomic_numbers"]))

    def array(name: str, dtype: Any, shape: tuple[int, ...], default: Any = None) -> np.ndarray:
        value = np.asarray(values[name]) if name in values else np.full(shape, default)
        if value.shape == (1, *shape):  # a batch of one structure
            value = value[0]
        return as_type(value, dtype, shape, f"{where}: {name}")

    def label(kind: str, names: tuple[str, str], dtype: Any, shape: tuple[int, ...]) -> np.ndarray:
        present = [name for name in names if name in values]
        if len(present) > 1:
            raise InputError(f"{where} has both {present[0]} and {present[1]}: which are its {kind}?")
        if not present and getattr(labels, kind) == "all":
            raise InputError(
                f"{where} has no {' or '.join(names)}, which the data set declares for all frames"
            )
        return array(present[0] if present else names[0], dtype, shape, np.nan)

    if (natoms := int(array("natoms", np.int64, (), n))) != n:
        raise InputError(f"{where} has natoms {natoms} and {n} atomic numbers")
    fixed = array("fixed", np.float64, (n,), 0)
    if not np.isin(fixed, (0, 1)).all():
        raise InputError(f"{where}: fixed is {fixed[~np.isin(fixed, (0, 1))][0]} at an atom, neither 0 nor 1")
    cell = array("cell", np.float64, (3, 3))
    name = values.get("sid", system)
    return Structure(
        pos=array("pos", np.float64, (n, 3)),
        atomic_numbers=array("atomic_numbers", np.uint8, (n,)),
        cell=cell,
        # Open Catalyst's and MDSim's graphs are periodic wherever there is a lattice vector.
        pbc=array("pbc", np.bool_, (3,)) if "pbc" in values else (cell != 0).any(axis=1),
        tags=array("tags", np.int8, (n,), 0),
        fixed=fixed.astype(bool),
        energy=float(label("energy", ENERGY, np.float64, ())),
        forces=label("forces", FORCES, np.float32, (n, 3)),
        system_id=name if isinstance(name, str) else str(array("sid", np.int64, ())),
        frame=int(array("fid", np.int64, (), number)),
    )
