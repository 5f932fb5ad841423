"""Read extended XYZ: cut into chunks of whole frames by one process, parsed by a pool.

So a single huge file is read as fast as many shards, with a bounded number of chunks in memory.
"""

import io
import lzma
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import islice
from pathlib import Path

from ase.io.extxyz import read_xyz

from leignn.config.dataset import AsePart, Labels, ShardedPart
from leignn.data.ase_frames import from_atoms, reason
from leignn.data.checks import check, check_distances
from leignn.data.structure import Structure
from leignn.errors import InputError

CHUNK_CHARACTERS = 2**20  # of text: some 130 frames of OC20


@dataclass
class Text:
    """Whole frames of one file as text, and where they stand in it."""

    file: str
    first: int
    count: int
    text: str
    labels: list[tuple[str, int, float]]  # system_id, frame, reference energy of each; or none


def open_text(path: Path) -> io.TextIOBase:
    opener = lzma.open if path.suffix == ".xz" else open
    return opener(path, "rt", encoding="utf-8")


def texts(path: Path) -> Iterator[Text]:
    """Cut an extxyz file into chunks of whole frames."""
    first, frames, size = 0, [], 0
    try:
        with open_text(path) as file:
            for frame in _frames(file, path):
                frames.append(frame)
                size += len(frame)
                if size >= CHUNK_CHARACTERS:
                    yield Text(str(path), first, len(frames), "".join(frames), [])
                    first, frames, size = first + len(frames), [], 0
    except (EOFError, lzma.LZMAError, UnicodeDecodeError) as error:
        after = f"after frame {first + len(frames) - 1}" if first or frames else "in its first frame"
        raise InputError(f"{path} is truncated or corrupt {after}: {error}") from error
    if frames:
        yield Text(str(path), first, len(frames), "".join(frames), [])


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


def parse(chunk: Text, part: ShardedPart | AsePart, labels: Labels, system: str) -> list[Structure]:
    """Parse one chunk; every failure names the file and the frame."""
    try:
        atoms = list(read_xyz(io.StringIO(chunk.text), index=slice(None)))
    except Exception as error:  # ase raises many kinds; find the frame that does
        frame = chunk.first + _first_bad_frame(chunk.text)
        raise InputError(f"{chunk.file}: frame {frame} cannot be parsed: {reason(error)}") from None
    found = []
    for number, frame_atoms in enumerate(atoms):
        where = f"{chunk.file}: frame {chunk.first + number}"
        if isinstance(part, AsePart):
            structure = from_atoms(frame_atoms, part, labels, Path(chunk.file), system, chunk.first + number)
        else:
            system_id, frame, reference = chunk.labels[number]
            structure = Structure.from_atoms(frame_atoms, system_id, frame, where=where)
            structure.energy -= reference
        check(structure, labels, chunk.file)
        found.append(structure)
    check_distances(found, chunk.file)
    return found


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
