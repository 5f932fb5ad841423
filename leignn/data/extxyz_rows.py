"""Parse many plain frames of extended XYZ at once, in a sixth of the time that ASE takes.

Plain is what most files, and all shards of Open Catalyst, are: a comment of ``key=value`` with nothing
nested, one ``Properties`` for all, the columns of :data:`COLUMNS`. Where there is anything else, this gives
up and ASE reads the text, so that what is read and what is refused, in which words, is ASE's in either case.
"""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import chain
from typing import Any

import numpy as np
from ase.calculators.calculator import all_properties
from ase.data import atomic_numbers
from ase.io.extxyz import REV_PROPERTY_NAME_MAP, SPECIAL_3_3_KEYS, key_val_str_to_dict

PAIR = re.compile(r'\s*([A-Za-z_]\w*)=(?:"([^"\\]*)"|([^\s"\'{}\[\]\\=]+))(?=\s|$)')
NUMBER = re.compile(r"[+-]?(?:[0-9]+\.?[0-9]*|\.[0-9]+)(?:[eE][+-]?[0-9]+)?")
PERIODIC = {
    f"{a} {b} {c}": np.array([a == "T", b == "T", c == "T"]) for a in "TF" for b in "TF" for c in "TF"
}
COLUMNS = {"species": "S:1", "pos": "R:3", "move_mask": "L:1", "tags": "I:1", "forces": "R:3"}
ENERGIES = ("energy", "free_energy")
RENAMED = {*REV_PROPERTY_NAME_MAP, *REV_PROPERTY_NAME_MAP.values()}
SPECIAL = {  # not just values to ASE
    *all_properties,
    *SPECIAL_3_3_KEYS,
    *RENAMED,
    *COLUMNS,
    "pbc",
    "Properties",
}
LONGEST = 8  # characters of a text in a column
LARGEST_FLOAT32 = float(np.finfo(np.float32).max)


class NotPlainError(Exception):
    """The text has what only ASE reads."""


@dataclass
class PlainFrame:
    """One frame of n atoms, in the types of :class:`leignn.data.structure.Structure`."""

    info: dict[str, str]  # the comment's other values as they are written
    pos: np.ndarray
    atomic_numbers: np.ndarray
    cell: np.ndarray
    pbc: np.ndarray
    tags: np.ndarray
    fixed: np.ndarray
    forces: np.ndarray | None

    def value(self, key: str) -> Any:
        """A value of the comment as ASE converts it.

        Raises:
            NotPlainError: there is none, or ASE treats the key in its own way.
        """
        if key in SPECIAL or key not in self.info:
            raise NotPlainError(key)
        return key_val_str_to_dict(f'{key}="{self.info[key]}"')[key]

    def energy(self, key: str | None) -> float | None:
        """The energy under ``key`` or ASE's name; None where there is none.

        Raises:
            NotPlainError: it is no plain number.
        """
        key = key or "energy"
        if key != "energy" and key in SPECIAL:
            raise NotPlainError(key)
        text = self.info.get(key)
        if text is not None and not NUMBER.fullmatch(text):
            raise NotPlainError(text)
        return None if text is None else float(text)


def plain_frames(text: str, forces: str = "forces") -> list[PlainFrame]:
    """The frames of a text of whole ones.

    Args:
        text: of extended XYZ.
        forces: name of the column of forces.

    Raises:
        NotPlainError: ASE has to read it, or to say what is wrong with it.
    """
    if forces != "forces" and forces in SPECIAL:
        raise NotPlainError(forces)
    if "\0" in text:  # which NumPy takes for the end
        raise NotPlainError("NUL")
    lines = text.split("\n")
    starts, natoms, place = [], [], 0
    while place < len(lines) - 1:
        starts.append(place)
        natoms.append(int(lines[place]))
        place += natoms[-1] + 2
    comments = [_pairs(lines[start + 1]) for start in starts]
    properties = {info.pop("Properties", "") for info in comments}
    if len(properties) != 1:
        raise NotPlainError("several properties")
    rows = chain.from_iterable(lines[a + 2 : a + 2 + n] for a, n in zip(starts, natoms, strict=True))
    values = _columns(properties.pop(), rows, forces)
    first = np.cumsum([0, *natoms])
    frames = []
    for info, start, end in zip(comments, first[:-1], first[1:], strict=True):
        cell, pbc = _cell(info)
        parts = {name: array[start:end] for name, array in values.items()}
        frames.append(PlainFrame(info, cell=cell, pbc=pbc, forces=parts.pop("forces", None), **parts))
    return frames


def _pairs(comment: str) -> dict[str, str]:
    found, end = {}, 0
    comment = comment.strip()
    while end < len(comment):
        match = PAIR.match(comment, end)
        if match is None:
            raise NotPlainError(comment)
        key, quoted, plain = match.groups()
        value = plain if quoted is None else quoted
        special = key in SPECIAL and key not in (*ENERGIES, "Lattice", "pbc", "Properties")
        if special or key in found or value.startswith("_JSON"):
            raise NotPlainError(key)
        found[key] = value
        end = match.end()
    if not all(NUMBER.fullmatch(found.get(key, "0")) for key in ENERGIES):
        raise NotPlainError("energy")
    return found


def _cell(info: dict[str, str]) -> tuple[np.ndarray, np.ndarray]:
    """(3, 3) and (3,); the two keys are taken out."""
    lattice, periodic = info.pop("Lattice", None), info.pop("pbc", None)
    pbc = PERIODIC.get(periodic or ("F F F" if lattice is None else "T T T"))
    numbers = ["0"] * 9 if lattice is None else lattice.split()
    if pbc is None or len(numbers) != 9 or not all(map(NUMBER.fullmatch, numbers)):
        raise NotPlainError(lattice)
    return np.array(list(map(float, numbers))).reshape(3, 3), pbc.copy()


def _columns(properties: str, lines: Iterator[str], forces: str) -> dict[str, np.ndarray]:
    """Arrays of all atoms by the names of :class:`PlainFrame`."""
    fields = properties.split(":")
    names, kinds = fields[::3], list(map(":".join, zip(fields[1::3], fields[2::3], strict=False)))
    known = COLUMNS | {forces: "R:3"}
    if len(fields) % 3 or len(set(names)) != len(names) or [known.get(name) for name in names] != kinds:
        raise NotPlainError(properties)
    if not {"species", "pos"} <= set(names):
        raise NotPlainError(properties)
    layout = [(name, *((np.float64, 3) if known[name] == "R:3" else (f"U{LONGEST}",))) for name in names]
    rows = list(lines)
    try:
        read = np.loadtxt(rows, np.dtype(layout), comments=None, ndmin=1)
        texts = {name: read[name].tolist() for name in names if known[name] != "R:3"}
        # Of few texts, each converted as Python does.
        numbers = {symbol: atomic_numbers[symbol.capitalize()] for symbol in set(texts["species"])}
        tags = {text: int(text) for text in set(texts.get("tags", ()))}
        small = np.array(list(tags.values()), np.int64).astype(np.int8).tolist()
    except (ValueError, KeyError, OverflowError) as error:
        raise NotPlainError(str(error)) from None
    cut_off = any(len(text) == LONGEST for column in texts.values() for text in set(column))
    if len(read) != len(rows) or cut_off or small != list(tags.values()):
        raise NotPlainError("rows")
    n = len(rows)
    found: dict[str, np.ndarray] = {
        "pos": np.ascontiguousarray(read["pos"]),
        "atomic_numbers": np.fromiter(map(numbers.__getitem__, texts["species"]), np.uint8, n),
        "tags": np.zeros(n, np.int8),
        "fixed": np.zeros(n, bool),
    }
    if tags:
        found["tags"] = np.fromiter(map(tags.__getitem__, texts["tags"]), np.int8, n)
    if "move_mask" in texts:
        found["fixed"] = np.fromiter((text not in ("T", "True") for text in texts["move_mask"]), bool, n)
    if forces in names:
        if (np.abs(read[forces]) > LARGEST_FLOAT32).any():
            raise NotPlainError("forces")
        found["forces"] = read[forces].astype(np.float32)
    return found
