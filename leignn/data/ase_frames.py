"""Frames that ASE has read, with the names and labels that a part's entry asks for."""

import os
from collections.abc import Iterator
from itertools import islice
from pathlib import Path
from typing import Any

import ase.io
import numpy as np
from ase import Atoms

from leignn.config.dataset import AsePart, Labels
from leignn.data.checks import check, check_distances
from leignn.data.structure import Structure, as_type
from leignn.errors import InputError

CHUNK_FRAMES = 128


def read_with_ase(path: Path, part: AsePart, labels: Labels, system: str) -> Iterator[list[Structure]]:
    """Any other format that ASE reads, frame by frame."""
    frames, number = ase.io.iread(os.fspath(path), index=":"), 0
    while True:
        chunk = []
        try:
            for atoms in islice(frames, CHUNK_FRAMES):
                chunk.append(from_atoms(atoms, part, labels, path, system, number))
                check(chunk[-1], labels, str(path))
                number += 1
        except InputError:
            raise
        except Exception as error:  # every format of ASE fails in its own way
            raise InputError(f"{path}: frame {number} cannot be read: {reason(error)}") from error
        if not chunk:
            return
        check_distances(chunk, str(path))
        yield chunk


def from_atoms(
    atoms: Atoms, part: AsePart, labels: Labels, file: Path, system: str, number: int
) -> Structure:
    """The structure of one frame, under the names and with the labels that its part asks for.

    Args:
        atoms: what ASE read: positions in Å, energy in eV, forces (n, 3) in eV/Å.
        part: which keys hold labels, system and frame.
        labels: which of them every frame has, by the data set.
        file: for messages.
        system: its name where no key has it.
        number: of the frame in the file, from 0.

    Raises:
        InputError: a key or a declared label is missing or unusable; the message lists what there is.
    """
    where = f"{file}: frame {number}"
    values = values_of(atoms)
    if part.system_id is not None:
        found = values.get(part.system_id)
        if not isinstance(found, str | int | np.integer | float):
            raise InputError(f"{where} has no usable {part.system_id!r} for its system_id{keys_of(values)}")
        system = str(found)
    if part.frame is not None:
        try:
            text = values[part.frame]
            number = int(text) if isinstance(text, str) else int(as_type(text, np.int64, (), "frame"))
        except (KeyError, ValueError, InputError) as error:
            raise InputError(
                f"{where} has no usable {part.frame!r} for its frame{keys_of(values)}"
            ) from error
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
                f"frames{keys_of(values)} (the part's {name}_key names one)"
            )
    return Structure.from_atoms(atoms, system, number, found, where)


def values_of(atoms: Atoms) -> dict[str, Any]:
    """Whatever a frame holds by name: of the frame, of its database row, of its atoms, of its calculation."""
    found = dict(atoms.info)
    for name in ("key_value_pairs", "data"):
        if isinstance(inner := found.pop(name, None), dict):
            found |= inner
    found |= {name: values for name, values in atoms.arrays.items() if name not in ("numbers", "positions")}
    return found | (atoms.calc.results if atoms.calc is not None else {})


def keys_of(values: dict[str, Any]) -> str:
    """What a frame has, as the end of a message."""
    return f"; it has {', '.join(sorted(map(str, values)))}" if values else "; it has no key at all"


def reason(error: Exception) -> str:
    """One line; ASE reports an unknown chemical symbol as a KeyError that holds just the symbol."""
    text = " ".join(str(error).split())
    return f"unknown element or key {text}" if isinstance(error, KeyError) else text
