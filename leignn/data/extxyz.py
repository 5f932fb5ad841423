"""Read extended XYZ: cut into chunks of whole frames by one process, parsed by a pool.

So a single huge file is read as fast as many shards, with a bounded number of chunks in memory.
"""

import io
import lzma
import math
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import islice
from pathlib import Path

import numpy as np
from ase.io.extxyz import read_xyz

from leignn.config.dataset import AsePart, Labels, ShardedPart
from leignn.data.ase_frames import from_atoms, reason
from leignn.data.checks import check, check_all, check_distances
from leignn.data.extxyz_rows import NotPlainError, PlainFrame, plain_frames
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
        found = _plain(chunk, part, labels, system)
        check_all(found, labels, chunk.file)
    except NotPlainError:
        found = _any(chunk, part, labels, system)
    check_distances(found, chunk.file)
    return found


def _plain(chunk: Text, part: ShardedPart | AsePart, labels: Labels, system: str) -> list[Structure]:
    """The frames of a chunk in which there is nothing unusual.

    Raises:
        NotPlainError: there is, be it right or wrong.
    """
    keys = part if isinstance(part, AsePart) else AsePart(format="ase", path="")
    found = []
    for number, frame in enumerate(plain_frames(chunk.text, keys.forces_key or "forces")):
        energy = None if keys.energy == "ignore" else frame.energy(keys.energy_key)
        if isinstance(part, ShardedPart):
            name, index, reference = chunk.labels[number]
        else:
            name, index, reference = *_identity(frame, part, system, chunk.first + number), 0.0
            if labels.energy == "all" and keys.energy is None and energy is None:
                raise NotPlainError("energy")
            if labels.forces == "all" and frame.forces is None:
                raise NotPlainError("forces")
        forces = frame.forces
        found.append(
            Structure(
                pos=frame.pos,
                atomic_numbers=frame.atomic_numbers,
                cell=frame.cell,
                pbc=frame.pbc,
                tags=frame.tags,
                fixed=frame.fixed,
                energy=math.nan if energy is None else energy - reference,
                forces=np.full(frame.pos.shape, np.nan, np.float32) if forces is None else forces,
                system_id=name,
                frame=index,
            )
        )
    return found


def _identity(frame: PlainFrame, part: AsePart, system: str, number: int) -> tuple[str, int]:
    """The system and the number of a frame, as :func:`leignn.data.ase_frames.from_atoms` finds them."""
    if part.system_id is not None:
        name = frame.value(part.system_id)
        if not isinstance(name, str | int | np.integer | float):
            raise NotPlainError(part.system_id)
        system = str(name)
    if part.frame is not None:
        index = frame.value(part.frame)
        if not isinstance(index, int | np.integer):
            raise NotPlainError(part.frame)
        number = int(index)
    return system, number


def _any(chunk: Text, part: ShardedPart | AsePart, labels: Labels, system: str) -> list[Structure]:
    """The frames of any chunk, as ASE reads them."""
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
