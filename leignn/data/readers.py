"""Readers of raw files. Each yields chunks of structures; parsing runs on all cores.

Text formats are cut into chunks of whole frames by one process and parsed by a pool, so that a
single huge file is read as fast as many shards, with a bounded number of chunks in memory.
"""

import io
import lzma
import math
import os
import re
from collections import deque
from collections.abc import Iterable, Iterator
from concurrent.futures import Future, ProcessPoolExecutor
from dataclasses import dataclass
from itertools import islice
from multiprocessing import get_context
from pathlib import Path
from typing import Any

import ase.io
import numpy as np
from ase import Atoms
from ase.io.extxyz import read_xyz

from leignn.config.dataset import AsePart, Labels, Part, RowsPart, ShardedPart
from leignn.data.checks import check, check_distances
from leignn.data.iso17 import read_iso17
from leignn.data.molecules import read_molecule
from leignn.data.structure import Structure, as_type
from leignn.errors import InputError

CHUNK_CHARACTERS = 2**20  # of text: some 130 frames of OC20
CHUNK_FRAMES = 128  # of formats that are no text


@dataclass
class _Text:
    """Whole frames of one file as text, and where they stand in it."""

    file: str
    first: int
    count: int
    text: str
    labels: list[tuple[str, int, float]]  # system_id, frame, reference energy of each; or none


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
    elif isinstance(part, ShardedPart):
        yield from _parse_in_pool(_oc20_texts(path), part, labels, system, workers)
    elif path.name.removesuffix(".xz").endswith((".xyz", ".extxyz")):
        yield from _parse_in_pool(_extxyz_texts(path), part, labels, system, workers)
    else:
        yield from _read_with_ase(path, part, labels, system)


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
    files = [path]
    if isinstance(part, ShardedPart) and path.exists():
        files = sorted(file for shard in _shards(path) for file in (shard, _labels_file(shard)))
    if isinstance(part, RowsPart) and part.frames:
        files.append(path.with_name(part.frames))
    for file in files:
        if not file.is_file():
            raise InputError(f"{file} does not exist or is no file: put it there, or set samples_dir")
    return files


def _shards(folder: Path) -> list[Path]:
    shards = [p for p in folder.rglob("*.extxyz*") if p.name.endswith((".extxyz", ".extxyz.xz"))]
    if not shards:
        raise InputError(f"{folder} holds no shard N.extxyz.xz")
    return sorted(shards, key=lambda p: [int(n) for n in re.findall(r"\d+", p.name)] + [p.name])


def _labels_file(shard: Path) -> Path:
    return shard.with_name(shard.name.replace(".extxyz", ".txt"))


def _open(path: Path) -> io.TextIOBase:
    opener = lzma.open if path.suffix == ".xz" else open
    return opener(path, "rt", encoding="utf-8")


def _extxyz_texts(path: Path) -> Iterator[_Text]:
    """Cut an extxyz file into chunks of whole frames."""
    first, frames, size = 0, [], 0
    try:
        with _open(path) as file:
            for frame in _frames(file, path):
                frames.append(frame)
                size += len(frame)
                if size >= CHUNK_CHARACTERS:
                    yield _Text(str(path), first, len(frames), "".join(frames), [])
                    first, frames, size = first + len(frames), [], 0
    except (EOFError, lzma.LZMAError, UnicodeDecodeError) as error:
        after = f"after frame {first + len(frames) - 1}" if first or frames else "in its first frame"
        raise InputError(f"{path} is truncated or corrupt {after}: {error}") from error
    if frames:
        yield _Text(str(path), first, len(frames), "".join(frames), [])


def _frames(file: io.TextIOBase, path: Path) -> Iterator[str]:
    """The text of one frame after the other: number of atoms, comment, a line an atom."""
    number = 0
    for header in file:
        if not header.strip():
            continue
        where = f"{path}: frame {number}"
        natoms = int(header) if header.strip().isdecimal() else 0
        if natoms == 0:
            raise InputError(f"{where} should start with a number of atoms, not {header.strip()[:40]!r}")
        lines = list(islice(file, natoms + 1))
        if len(lines) <= natoms or not lines[-1].strip():
            raise InputError(f"{where} ends before its {natoms} atoms: the file is cut off")
        if not lines[-1].endswith("\n"):
            lines.append("\n")
        yield "".join([header, *lines])
        number += 1


def _oc20_texts(folder: Path) -> Iterator[_Text]:
    """OC20 shards: N.extxyz.xz with a line system_id,frame,reference_energy a frame in N.txt.xz."""
    for shard in _shards(folder):
        labels_file = _labels_file(shard)
        labels = _oc20_labels(labels_file)
        count = 0
        for chunk in _extxyz_texts(shard):
            count = chunk.first + chunk.count
            if count > len(labels):
                break
            chunk.labels = labels[chunk.first : count]
            yield chunk
        if count != len(labels):
            more = "more" if count > len(labels) else f"{count}"
            raise InputError(f"{labels_file} has {len(labels)} lines, {shard.name} has {more} frames")


def _oc20_labels(path: Path) -> list[tuple[str, int, float]]:
    labels = []
    try:
        with _open(path) as file:
            for number, line in enumerate(file):
                try:
                    system_id, frame, reference = line.strip().split(",")
                    number_of_frame = int(as_type(int(frame.removeprefix("frame")), np.int64, (), "frame"))
                    energy = float(reference)
                    if not math.isfinite(energy):
                        raise ValueError(reference)
                    labels.append((system_id, number_of_frame, energy))
                except (ValueError, InputError) as error:
                    raise InputError(
                        f"{path}: line {number + 1} is no system_id,frame,reference_energy: "
                        f"{line.strip()[:60]!r}"
                    ) from error
    except (EOFError, lzma.LZMAError, UnicodeDecodeError) as error:
        where = f"after line {len(labels)}"
        raise InputError(f"{path} is truncated or corrupt {where}: {error}") from error
    return labels


def _parse_in_pool(
    texts: Iterator[_Text], part: ShardedPart | AsePart, labels: Labels, system: str, workers: int
) -> Iterator[list[Structure]]:
    """Parse chunks in order; twice as many chunks as workers are in flight.

    Workers are spawned: a fork server listens at a socket below TMPDIR, whose path may have 107 bytes.
    """
    with ProcessPoolExecutor(workers, mp_context=get_context("spawn")) as pool:
        pending: deque[Future] = deque()
        try:
            for text in texts:
                pending.append(pool.submit(_parse, text, part, labels, system))
                if len(pending) >= 2 * workers:
                    yield pending.popleft().result()
            while pending:
                yield pending.popleft().result()
        finally:
            for future in pending:
                future.cancel()


def _parse(chunk: _Text, part: ShardedPart | AsePart, labels: Labels, system: str) -> list[Structure]:
    """Parse one chunk; every failure names the file and the frame."""
    try:
        atoms = list(read_xyz(io.StringIO(chunk.text), index=slice(None)))
    except Exception as error:  # ase raises many kinds; find the frame that does
        frame = chunk.first + _first_bad_frame(chunk.text)
        raise InputError(f"{chunk.file}: frame {frame} cannot be parsed: {_reason(error)}") from None
    found = []
    for number, frame_atoms in enumerate(atoms):
        where = f"{chunk.file}: frame {chunk.first + number}"
        if isinstance(part, AsePart):
            structure = _from_atoms(frame_atoms, part, labels, Path(chunk.file), system, chunk.first + number)
        else:
            system_id, frame, reference = chunk.labels[number]
            structure = Structure.from_atoms(frame_atoms, system_id, frame, where=where)
            structure.energy -= reference
        check(structure, labels, chunk.file)
        found.append(structure)
    check_distances(found, chunk.file)
    return found


def _reason(error: Exception) -> str:
    """One line; ASE reports an unknown chemical symbol as a KeyError that holds just the symbol."""
    text = " ".join(str(error).split())
    return f"unknown element or key {text}" if isinstance(error, KeyError) else text


def _first_bad_frame(text: str) -> int:
    number = 0
    file = io.StringIO(text)
    while True:
        lines = [line for line in islice(file, 1)]
        if not lines:
            return number
        lines += list(islice(file, int(lines[0]) + 1))
        try:
            list(read_xyz(io.StringIO("".join(lines)), index=slice(None)))
        except Exception:
            return number
        number += 1


def _from_atoms(
    atoms: Atoms, part: AsePart, labels: Labels, file: Path, system: str, number: int
) -> Structure:
    where = f"{file}: frame {number}"
    values = _values(atoms)
    if part.system_id is not None:
        found = values.get(part.system_id)
        if not isinstance(found, str | int | np.integer | float):
            raise InputError(f"{where} has no usable {part.system_id!r} for its system_id{_keys(values)}")
        system = str(found)
    if part.frame is not None:
        try:
            text = values[part.frame]
            number = int(text) if isinstance(text, str) else int(as_type(text, np.int64, (), "frame"))
        except (KeyError, ValueError, InputError) as error:
            raise InputError(f"{where} has no usable {part.frame!r} for its frame{_keys(values)}") from error
    results = atoms.calc.results if atoms.calc is not None else {}
    found = {}
    for name, key in (("energy", part.energy_key), ("forces", part.forces_key)):
        value = results.get(name) if key is None else values.get(key)
        if value is not None and not (name == "energy" and part.energy == "ignore"):
            found[name] = value
        elif getattr(labels, name) == "all" and not (name == "energy" and part.energy == "ignore"):
            missing = "" if key is None else f" under {key!r}"
            raise InputError(
                f"{where} of system {system} has no {name}{missing}, which the data set declares for all "
                f"frames{_keys(values)} (the part's {name}_key names one)"
            )
    return Structure.from_atoms(atoms, system, number, found, where)


def _values(atoms: Atoms) -> dict[str, Any]:
    """Whatever a frame holds by name: of the frame, of its database row, of its atoms, of its calculation."""
    found = dict(atoms.info)
    for name in ("key_value_pairs", "data"):
        if isinstance(inner := found.pop(name, None), dict):
            found |= inner
    found |= {name: values for name, values in atoms.arrays.items() if name not in ("numbers", "positions")}
    return found | (atoms.calc.results if atoms.calc is not None else {})


def _keys(values: dict[str, Any]) -> str:
    return f"; it has {', '.join(sorted(map(str, values)))}" if values else "; it has no key at all"


def _read_with_ase(path: Path, part: AsePart, labels: Labels, system: str) -> Iterator[list[Structure]]:
    """Any other format that ASE reads, frame by frame."""
    frames, number = ase.io.iread(os.fspath(path), index=":"), 0
    while True:
        chunk = []
        try:
            for atoms in islice(frames, CHUNK_FRAMES):
                chunk.append(_from_atoms(atoms, part, labels, path, system, number))
                check(chunk[-1], labels, str(path))
                number += 1
        except InputError:
            raise
        except Exception as error:  # every format of ASE fails in its own way
            raise InputError(f"{path}: frame {number} cannot be read: {_reason(error)}") from error
        if not chunk:
            return
        check_distances(chunk, str(path))
        yield chunk


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
