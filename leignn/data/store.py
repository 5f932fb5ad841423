"""The store: every data set's on-disk form. A folder of NumPy arrays, memory-mapped, and a JSON.

``store.json`` holds counts, elements, checksums of the arrays and of the sources. Any array opens
with ``numpy.load(path, mmap_mode="r")``; ``offsets`` says which rows of the per-atom arrays belong
to which structure.
"""

import math
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any

import numpy as np
from ase.data import chemical_symbols
from numpy.typing import ArrayLike, DTypeLike

from leignn.data.structure import Structure
from leignn.errors import InputError
from leignn.files import map_array, read_json, replacing_folder, write_json
from leignn.provenance import sha256, verifies

SCHEMA = 1
PER_ATOM = {
    "pos": (np.float64, (3,)),
    "atomic_numbers": (np.uint8, ()),
    "tags": (np.int8, ()),
    "fixed": (np.bool_, ()),
    "forces": (np.float32, (3,)),
}
PER_STRUCTURE = {
    "cell": (np.float64, (3, 3)),
    "pbc": (np.bool_, (3,)),
    "energy": (np.float64, ()),
    "system_id": (np.str_, ()),
    "frame": (np.int64, ()),
}
ARRAYS = ("offsets", *PER_ATOM, *PER_STRUCTURE)
BLOCK = 2**16  # structures


class Store:
    """Random access to a store; arrays are memory-mapped: they stay on disk until touched.

    ``meta`` is ``store.json``. S structures of N atoms in all:

    The arrays' checksums are compared with those in ``store.json``, once a process for each state of a store.

    Raises:
        InputError: the folder holds no store, one of another schema, or one whose arrays have changed.
    """

    offsets: np.ndarray  # (S + 1,) rows of each structure's atoms
    pos: np.ndarray  # (N, 3) Å
    atomic_numbers: np.ndarray  # (N,)
    tags: np.ndarray  # (N,)
    fixed: np.ndarray  # (N,)
    forces: np.ndarray  # (N, 3) eV/Å
    cell: np.ndarray  # (S, 3, 3) Å
    pbc: np.ndarray  # (S, 3)
    energy: np.ndarray  # (S,) eV
    system_id: np.ndarray  # (S,)
    frame: np.ndarray  # (S,)

    def __init__(self, path: Path) -> None:
        self.path = Path(path)
        try:
            self.meta: dict[str, Any] = read_json(self.path / "store.json")
        except InputError as error:
            raise InputError(f"{path} holds no readable store: {error}") from error
        if self.meta.get("schema") != SCHEMA:
            raise InputError(f"{path} has store schema {self.meta.get('schema')!r}, not {SCHEMA}")
        if verifies():
            _verify(self.path, self.meta.get("sha256"))
        for name in ARRAYS:
            setattr(self, name, map_array(self.path / f"{name}.npy"))

    def __len__(self) -> int:
        return len(self.offsets) - 1

    def __getitem__(self, index: int) -> Structure:
        atoms = slice(int(self.offsets[index]), int(self.offsets[index + 1]))
        return Structure(
            **{name: np.array(getattr(self, name)[atoms]) for name in PER_ATOM},
            cell=np.array(self.cell[index]),
            pbc=np.array(self.pbc[index]),
            energy=float(self.energy[index]),
            system_id=str(self.system_id[index]),
            frame=int(self.frame[index]),
        )


_verified: set[tuple[str, int, int, int, str]] = set()  # path, inode, size, time of change, checksum


def _verify(folder: Path, checksums: Any) -> None:
    """Read every array once and compare its SHA-256 with the store's record of it.

    Raises:
        InputError: one is missing, or its content is not what was written.
    """
    if not isinstance(checksums, dict) or set(checksums) != set(ARRAYS):
        raise InputError(f"{folder / 'store.json'} does not record the checksums of a store's arrays")
    for name, expected in checksums.items():
        path = folder / f"{name}.npy"
        try:
            state = path.stat()
            seen = (str(path.resolve()), state.st_ino, state.st_size, state.st_mtime_ns, str(expected))
            if seen in _verified:
                continue
            found = sha256(path)
        except OSError as error:
            raise InputError(f"{folder} holds no readable store: {error}") from error
        if found != expected:
            raise InputError(
                f"{path} is not what was written: its SHA-256 is {found[:12]}…, "
                f"the store's record says {str(expected)[:12]}…; build the store anew"
            )
        _verified.add(seen)


def write_store(
    path: Path,
    chunks: Iterable[Sequence[Structure]],
    meta: dict[str, Any],
    energy_reference: str | None = None,
) -> None:
    """Write a store from a stream; memory is that of one chunk and some 300 bytes a system.

    The arrays grow on disk; the store appears under its name when it is whole. Only where the frames of
    a system do not ascend are all names and frames held at once, to look for duplicates.

    Args:
        path: the store's folder; a store that is already there is replaced.
        chunks: structures in order.
        meta: goes into ``store.json``: dataset, part, sources, …
        energy_reference: "last_frame" takes the energy of each system's last frame off its energies.

    Raises:
        InputError: no structure at all, the same (system_id, frame) twice, or a folder with other
            things in it.
    """
    path = Path(path)
    if path.is_dir() and any(path.iterdir()) and not (path / "store.json").exists():
        raise InputError(f"{path} holds something else than a store and is not replaced")
    with replacing_folder(path) as temporary:
        systems, ascending, counts, elements = _write_arrays(temporary, chunks)
        if not systems:
            raise InputError(f"{path}: the sources hold no frame")
        counts["with_energy"] = _finish_arrays(temporary, systems, energy_reference)
        if not ascending:
            _refuse_duplicates(temporary, path)
        content = {"schema": SCHEMA, **meta, "counts": counts, "elements": elements}
        content["sha256"] = {file.stem: sha256(file) for file in sorted(temporary.glob("*.npy"))}
        write_json(temporary / "store.json", content)


def _write_arrays(
    folder: Path, chunks: Iterable[Sequence[Structure]]
) -> tuple[dict[str, tuple[int, int, float]], bool, dict[str, int], list[str]]:
    """Append to the array files; ``system_id`` holds numbers until the longest name is known.

    Returns:
        Each system's number, highest frame and that frame's energy; whether every system's frames
        ascend; the store's counts, but for with_energy; its elements.
    """
    kinds = PER_ATOM | PER_STRUCTURE | {"system_id": (np.int32, ()), "offsets": (np.int64, ())}
    systems: dict[str, tuple[int, int, float]] = {}
    ascending = True
    counts = dict.fromkeys(("structures", "atoms", "with_energy", "with_forces"), 0)
    present = np.zeros(256, dtype=bool)
    with ExitStack() as files:
        append = {name: files.enter_context(_growing(folder / f"{name}.npy", *kinds[name])) for name in kinds}
        append["offsets"]([0])
        for chunk in chunks:
            for s in chunk:
                number, highest, _ = systems.get(s.system_id, (len(systems), -math.inf, math.nan))
                if s.frame > highest:
                    systems[s.system_id] = (number, s.frame, s.energy)
                else:
                    ascending = False
            values: dict[str, Any] = {
                name: np.concatenate([getattr(s, name) for s in chunk]) for name in PER_ATOM
            }
            values |= {name: [getattr(s, name) for s in chunk] for name in PER_STRUCTURE}
            values["system_id"] = [systems[name][0] for name in values["system_id"]]
            values["offsets"] = counts["atoms"] + np.cumsum([len(s.pos) for s in chunk])
            for name in kinds:
                append[name](values[name])
            counts["structures"] += len(chunk)
            counts["atoms"] += len(values["pos"])
            counts["with_forces"] += sum(bool(np.isfinite(s.forces).all()) for s in chunk)
            present[values["atomic_numbers"]] = True
    return systems, ascending, counts, [chemical_symbols[number] for number in np.flatnonzero(present)]


@contextmanager
def _growing(path: Path, dtype: DTypeLike, shape: tuple[int, ...]) -> Iterator[Callable[[ArrayLike], None]]:
    """Yield what appends rows to an array file; its header, which has room, gets their number last."""
    rows = 0

    def append(values: ArrayLike) -> None:
        nonlocal rows
        array = np.ascontiguousarray(values, dtype)
        file.write(array.data)  # tofile would not tell that the disk is full
        rows += len(array)

    with open(path, "wb") as file:
        np.save(file, np.empty((0, *shape), dtype))
        yield append
        file.seek(0)
        header = {"descr": np.dtype(dtype).str, "fortran_order": False, "shape": (rows, *shape)}
        np.lib.format.write_array_header_1_0(file, header)


def _finish_arrays(
    folder: Path, systems: dict[str, tuple[int, int, float]], energy_reference: str | None
) -> int:
    """Put the names in, take the reference energies off, and return how many energies are finite."""
    names = np.array(list(systems), dtype=np.str_)
    references = np.array([energy for _, _, energy in systems.values()])
    numbers = np.load(folder / "system_id.npy", mmap_mode="r")
    energy = np.load(folder / "energy.npy", mmap_mode="r+")
    (folder / "system_id.npy").unlink()  # it stays mapped
    with_energy = 0
    with _growing(folder / "system_id.npy", names.dtype, ()) as append:
        for start in range(0, len(numbers), BLOCK):
            block = slice(start, start + BLOCK)
            append(names[numbers[block]])
            if energy_reference == "last_frame":
                energy[block] -= references[numbers[block]]
            with_energy += int(np.isfinite(energy[block]).sum())
    return with_energy


def _refuse_duplicates(folder: Path, path: Path) -> None:
    systems, frames = (np.load(folder / f"{name}.npy", mmap_mode="r") for name in ("system_id", "frame"))
    order = np.lexsort((frames, systems))
    systems, frames = systems[order], frames[order]
    twice = np.flatnonzero((systems[1:] == systems[:-1]) & (frames[1:] == frames[:-1]))
    if len(twice):
        raise InputError(
            f"{path}: frame {frames[twice[0]]} of system {systems[twice[0]]} occurs more than once"
        )
