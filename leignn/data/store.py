"""The store: every data set's on-disk form. A folder of NumPy arrays, memory-mapped, and a JSON.

``store.json`` holds counts, elements, checksums of the arrays and of the sources. Any array opens
with ``numpy.load(path, mmap_mode="r")``; ``offsets`` says which rows of the per-atom arrays belong
to which structure.
"""

import json
import shutil
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from ase.data import chemical_symbols

from leignn.data.structure import Structure
from leignn.errors import InputError
from leignn.files import replacing_folder
from leignn.provenance import sha256

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


class Store:
    """Random access to a store; arrays stay on disk until touched.

    Attributes (memory-mapped arrays, S structures, N atoms): ``offsets`` (S+1,), ``pos`` (N, 3),
    ``atomic_numbers`` (N,), ``tags`` (N,), ``fixed`` (N,), ``forces`` (N, 3), ``cell`` (S, 3, 3),
    ``pbc`` (S, 3), ``energy`` (S,), ``system_id`` (S,), ``frame`` (S,); ``meta`` is ``store.json``.

    Raises:
        InputError: the folder holds no store, or one of another schema.
    """

    def __init__(self, path: Path) -> None:
        self.path = Path(path)
        try:
            self.meta: dict[str, Any] = json.loads((self.path / "store.json").read_text("utf-8"))
            if self.meta.get("schema") != SCHEMA:
                raise InputError(f"{path} has store schema {self.meta.get('schema')}, not {SCHEMA}")
            for name in ("offsets", *PER_ATOM, *PER_STRUCTURE):
                setattr(self, name, np.load(self.path / f"{name}.npy", mmap_mode="r"))
        except (OSError, ValueError) as error:
            raise InputError(f"{path} holds no readable store: {error}") from error

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


def write_store(
    path: Path,
    chunks: Iterable[Sequence[Structure]],
    meta: dict[str, Any],
    energy_reference: str | None = None,
) -> None:
    """Write a store from a stream; memory is that of one chunk and some 60 bytes a structure.

    The large arrays grow on disk; the store appears under its name when it is whole.

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
        per_structure, with_forces = _write_arrays(temporary, chunks)
        if not len(per_structure["frame"]):
            raise InputError(f"{path}: the sources hold no frame")
        _refuse_duplicates(per_structure, path)
        if energy_reference == "last_frame":
            per_structure["energy"] -= _last_frame_energy(per_structure)
        for name, values in per_structure.items():
            np.save(temporary / f"{name}.npy", values)
        numbers = np.load(temporary / "atomic_numbers.npy", mmap_mode="r")
        present = np.flatnonzero(np.isin(np.arange(256), numbers, kind="table"))
        content = {
            "schema": SCHEMA,
            **meta,
            "counts": {
                "structures": len(per_structure["frame"]),
                "atoms": len(numbers),
                "with_energy": int(np.isfinite(per_structure["energy"]).sum()),
                "with_forces": with_forces,
            },
            "elements": [chemical_symbols[number] for number in present],
        }
        content["sha256"] = {file.stem: sha256(file) for file in sorted(temporary.glob("*.npy"))}
        (temporary / "store.json").write_text(json.dumps(content, indent=1), encoding="utf-8")


def _write_arrays(folder: Path, chunks: Iterable[Sequence[Structure]]) -> tuple[dict[str, np.ndarray], int]:
    """Append the large arrays to files.

    Returns:
        The arrays that the store's checks look at as a whole (some 60 bytes a structure), and the number
        of structures with forces.
    """
    streamed = PER_ATOM | {name: PER_STRUCTURE[name] for name in ("cell", "pbc")}
    kept = {name: dtype for name, (dtype, _) in PER_STRUCTURE.items() if name not in streamed}
    files = {name: open(folder / f"{name}.raw", "wb") for name in streamed}
    columns: dict[str, list[np.ndarray]] = {name: [] for name in kept}
    natoms: list[np.ndarray] = []
    with_forces = 0
    try:
        for chunk in chunks:
            for name, (dtype, _) in streamed.items():
                join = np.concatenate if name in PER_ATOM else np.stack
                join([getattr(s, name) for s in chunk]).astype(dtype).tofile(files[name])
            for name, dtype in kept.items():
                columns[name].append(np.array([getattr(s, name) for s in chunk], dtype=dtype))
            natoms.append(np.array([len(s.pos) for s in chunk]))
            with_forces += sum(bool(np.isfinite(s.forces).all()) for s in chunk)
    finally:
        for file in files.values():
            file.close()
    offsets = np.concatenate([[0], *natoms]).astype(np.int64).cumsum()
    for name, (dtype, shape) in streamed.items():
        count = offsets[-1] if name in PER_ATOM else len(offsets) - 1
        _add_header(folder / f"{name}.raw", folder / f"{name}.npy", dtype, (int(count), *shape))
    whole = {name: np.concatenate(columns.pop(name) or [np.empty(0)]) for name in kept}
    return whole | {"offsets": offsets}, with_forces


def _add_header(raw: Path, target: Path, dtype: type, shape: tuple[int, ...]) -> None:
    header = {"descr": np.dtype(dtype).str, "fortran_order": False, "shape": shape}
    with open(raw, "rb") as source, open(target, "wb") as file:
        np.lib.format.write_array_header_1_0(file, header)
        shutil.copyfileobj(source, file, 2**24)
    raw.unlink()


def _refuse_duplicates(columns: dict[str, np.ndarray], path: Path) -> None:
    order = np.lexsort((columns["frame"], columns["system_id"]))
    systems, frames = columns["system_id"][order], columns["frame"][order]
    twice = np.flatnonzero((systems[1:] == systems[:-1]) & (frames[1:] == frames[:-1]))
    if len(twice):
        raise InputError(
            f"{path}: frame {frames[twice[0]]} of system {systems[twice[0]]} occurs more than once"
        )


def _last_frame_energy(columns: dict[str, np.ndarray]) -> np.ndarray:
    """(S,) energy of the highest frame of each structure's system."""
    order = np.lexsort((columns["frame"], columns["system_id"]))
    systems = columns["system_id"][order]
    last = np.searchsorted(systems, systems, side="right") - 1
    reference = np.empty(len(order))
    reference[order] = columns["energy"][order][last]
    return reference
