"""Readers of raw files, one a format. Each yields chunks of structures; parsing runs on all cores."""

from collections.abc import Iterable, Iterator
from pathlib import Path

import numpy as np

from leignn.config.dataset import AsePart, Labels, LmdbPart, Part, RowsPart, ShardedPart
from leignn.data.ase_frames import read_with_ase
from leignn.data.checks import check, check_distances
from leignn.data.extxyz import parse, texts
from leignn.data.iso17 import read_iso17
from leignn.data.lmdb_files import chunks_of, lmdb_files, read_ase_rows, read_graphs
from leignn.data.molecules import read_molecule
from leignn.data.oc20_raw import labels_file, shard_texts, shards
from leignn.data.pool import in_pool
from leignn.data.structure import Structure
from leignn.errors import InputError


def read_part(
    part: Part, labels: Labels, root: Path, workers: int, system: str | None = None
) -> Iterator[list[Structure]]:
    """Yield the structures of one part of a data set, checked, in the order of its files.

    Args:
        part: the part's entry in the data set's YAML.
        labels: the YAML's declaration of which labels every frame has.
        root: folder that the part's ``path`` is relative to.
        workers: parsing processes.
        system: name of the system where the file gives none; by default the file's.

    Raises:
        InputError: a file is damaged, or a frame is not fit for training (see
            :func:`leignn.data.checks.check`).
    """
    path = Path(root) / part.path
    system = system_name(part) if system is None else system
    if isinstance(part, RowsPart):
        yield from _read_rows(path, part, labels, system)
    elif isinstance(part, LmdbPart):
        yield from in_pool(read_graphs, chunks_of(_files(part, path)), workers, part, labels, system)
    elif isinstance(part, ShardedPart):
        yield from in_pool(parse, shard_texts(path), workers, part, labels, system)
    elif part.format == "aselmdb":
        yield from in_pool(read_ase_rows, chunks_of(_files(part, path)), workers, part, labels, system)
    elif path.name.removesuffix(".xz").endswith((".xyz", ".extxyz")):
        yield from in_pool(parse, texts(path), workers, part, labels, system)
    else:
        yield from read_with_ase(path, part, labels, system)


def system_name(part: Part, others: Iterable[Part] = ()) -> str:
    """What the system of a part's file is called: as the file, or by its path where another is called so."""

    def stem(which: Part) -> str:
        return Path(which.path.removesuffix(".xz")).stem

    same = any(other.path != part.path and stem(other) == stem(part) for other in others)
    return part.path if same else stem(part)


def raw_files(part: Part, root: Path) -> list[Path]:
    """The files that a part is made of, sorted.

    Raises:
        InputError: one is missing.
    """
    path = Path(root) / part.path
    files = _files(part, path)
    if isinstance(part, RowsPart) and part.frames:
        files.append(path.with_name(part.frames))
    for file in files:
        if not file.is_file():
            raise InputError(f"{file} does not exist or is no file: put it there, or set samples_dir")
    return files


def _files(part: Part, path: Path) -> list[Path]:
    if isinstance(part, ShardedPart) and path.exists():
        return sorted(file for shard in shards(path) for file in (shard, labels_file(shard)))
    if isinstance(part, LmdbPart):
        return lmdb_files(path, ".lmdb")
    if isinstance(part, AsePart) and part.format == "aselmdb":
        return lmdb_files(path, ".aselmdb")
    return [path]


def _read_rows(path: Path, part: RowsPart, labels: Labels, system: str) -> Iterator[list[Structure]]:
    """The formats of which a part can be some frames only."""
    rows = _row_numbers(path.with_name(part.frames)) if part.frames else None
    if part.format == "iso17_db":
        chunks = read_iso17(path, rows, system)
    else:
        chunks = read_molecule(path, part.format, rows, system)
    for chunk in chunks:
        for structure in chunk:
            check(structure, labels, str(path))
        check_distances(chunk, str(path))
        yield chunk


def _row_numbers(path: Path) -> np.ndarray:
    """(M,) distinct numbers, one a line, as rMD17 and ISO17 publish their splits."""
    try:
        with path.open(encoding="utf-8") as file:
            numbers = np.fromiter((int(line) for line in file if line.strip()), dtype=np.int64)
    except (OSError, ValueError, OverflowError) as error:
        raise InputError(f"{path} holds no frame numbers, one a line: {error}") from error
    values, counts = np.unique(numbers, return_counts=True)
    if not len(values):
        raise InputError(f"{path} names no frame")
    if counts.max() > 1:
        raise InputError(f"{path} names frame {values[counts.argmax()]} more than once")
    return numbers
