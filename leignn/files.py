"""Write files so that they are either whole or not there; read files that may be damaged.

A JSON that is written here carries the checksum of its content, and one without it is not read: whoever reads
a number reads what was written. Files beside it that it vouches for are in its ``files``.
"""

import hashlib
import json
import os
import shutil
import tempfile
import warnings
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from leignn.errors import InputError
from leignn.identity import digest
from leignn.provenance import sha256

if TYPE_CHECKING:
    import pandas as pd

CHECKSUM = "checksum"  # of a JSON's content: SHA-256 of it with its keys sorted


@contextmanager
def replacing(path: Path) -> Iterator[Path]:
    """Yield a temporary name beside ``path``; rename it to ``path`` if the block succeeds."""
    path = Path(path)
    path.parent.mkdir(parents=True, exist_ok=True)
    handle, name = tempfile.mkstemp(prefix=f".{path.name}.", suffix=path.suffix, dir=path.parent)
    os.close(handle)
    temporary = Path(name)
    try:
        yield temporary
        temporary.chmod(0o644)
        temporary.replace(path)
    finally:
        temporary.unlink(missing_ok=True)


@contextmanager
def replacing_folder(path: Path) -> Iterator[Path]:
    """As :func:`replacing`, for a folder; one that is already there is replaced as a whole.

    Where ``path`` is a symbolic link, what it points to is replaced, and the link stays.
    """
    path = Path(path).resolve()
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary = Path(tempfile.mkdtemp(prefix=f".{path.name}.", dir=path.parent))
    try:
        yield temporary
        temporary.chmod(0o755)
        if path.exists():
            shutil.rmtree(path)
        temporary.rename(path)
    finally:
        shutil.rmtree(temporary, ignore_errors=True)


def write_text(path: Path, text: str) -> None:
    """Write ``text`` to ``path`` atomically."""
    with replacing(path) as temporary:
        temporary.write_text(text, encoding="utf-8")


def write_arrays(path: Path, arrays: Mapping[str, np.ndarray]) -> None:
    """Write ``arrays``, and a checksum of them, to the npz file ``path`` atomically."""
    with replacing(path) as temporary:
        np.savez(temporary, allow_pickle=False, **arrays, **{CHECKSUM: np.array(_digest(arrays))})


def _digest(arrays: Mapping[str, np.ndarray]) -> str:
    found = hashlib.sha256()
    for name in sorted(arrays):
        array = np.ascontiguousarray(arrays[name])
        found.update(f"{name} {array.dtype.str} {array.shape}".encode())
        found.update(array.tobytes())
    return found.hexdigest()


def read_own_arrays(path: Path) -> dict[str, np.ndarray]:
    """The arrays of a file that :func:`write_arrays` wrote.

    Raises:
        InputError: the file is missing or damaged, or is not as it was written.
    """
    arrays = read_arrays(path)
    if str(arrays.pop(CHECKSUM, None)) != _digest(arrays):
        raise InputError(f"{path} is damaged or was edited: it does not have its checksum; make it anew")
    return arrays


def read_arrays(path: Path) -> dict[str, np.ndarray]:
    """Every array of an npz file, without unpickling.

    Raises:
        InputError: the file is missing, damaged or no npz.
    """
    with _reading(path, "npz of plain arrays"), np.load(path, allow_pickle=False) as file:
        return dict(file)


def map_array(path: Path) -> np.ndarray:
    """The array of an npy file, memory-mapped for reading.

    Raises:
        InputError: the file is missing, damaged or no npy.
    """
    with _reading(path, "plain array"):
        return np.load(path, mmap_mode="r", allow_pickle=False)


def read_csv(path: Path, **options: Any) -> "pd.DataFrame":
    """A CSV whose names stay as they are written (NA, nan, None): only an empty cell is missing.

    Args:
        options: of :func:`pandas.read_csv`, such as ``dtype``.

    Raises:
        InputError: the file is missing, damaged, or a value does not fit its column's type.
    """
    import pandas as pd  # heavy, and not needed to import this module

    with _reading(path, "CSV with the columns that it should have"):
        return pd.read_csv(path, keep_default_na=False, na_values=[""], **options)


@contextmanager
def _reading(path: Path, what: str) -> Iterator[None]:
    """Turn whatever numpy raises into one sentence, without its words, which advise to unpickle.

    A damaged file makes it fail in the parser of its header, in zip, zlib or memory: no list of exceptions
    is complete. Its warnings about such a header say nothing that the sentence does not.
    """
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            yield
    except FileNotFoundError as error:
        raise InputError(f"{path} does not exist") from error
    except OSError as error:
        raise InputError(f"{path} cannot be read: {error}") from error
    except Exception as error:
        raise InputError(f"{path} is damaged or no {what}") from error


def write_json(path: Path, content: Mapping[str, Any]) -> None:
    """Write ``content`` with its checksum to ``path`` atomically."""
    plain = json.loads(json.dumps(content))  # as it will be read: keys are text, tuples are lists
    write_text(path, json.dumps(plain | {CHECKSUM: digest(plain)}, indent=1) + "\n")


def read_json(path: Path) -> dict[str, Any]:
    """What :func:`write_json` wrote, verified and without its checksum.

    Raises:
        InputError: the file is missing or damaged, or its content has been changed since.
    """
    try:
        content = json.loads(Path(path).read_text(encoding="utf-8"))
    except (OSError, ValueError, RecursionError) as error:
        raise InputError(f"{path} cannot be read: {error}") from error
    if not isinstance(content, dict):
        raise InputError(f"{path} holds no mapping of keys to values")
    if content.pop(CHECKSUM, None) != digest(content):
        raise InputError(
            f"{path} is not what was written: its content does not have its checksum; make it anew"
        )
    return content


def verify_file(path: Path, record: Mapping[str, Any]) -> None:
    """Compare a file with the SHA-256 that ``files`` of the ``record`` beside it has of its name.

    Raises:
        InputError: the file is missing, is not on record, or is not what was written.
    """
    files = record.get("files")
    expected = files.get(path.name) if isinstance(files, Mapping) else None
    try:
        found = sha256(path)
    except OSError as error:
        raise InputError(f"{path} cannot be read: {error}") from error
    if found != expected:
        raise InputError(
            f"{path} is not what was written: its SHA-256 is not the one on record; make it anew"
        )
