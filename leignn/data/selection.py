"""The structures of one split, as its manifest lists them, without PyTorch."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pandas as pd

from leignn.data.store import Store
from leignn.data.structure import Structure
from leignn.errors import InputError
from leignn.files import read_csv


def read_manifest(path: Path) -> pd.DataFrame:
    """A split's manifest: columns part, index, system_id, frame.

    Raises:
        InputError: the file cannot be read, lacks a column, or lists no frame or one twice.
    """
    table = read_csv(path, dtype={"part": str, "index": np.int64, "system_id": str, "frame": np.int64})
    for name in ("part", "index", "system_id", "frame"):
        if name not in table:
            raise InputError(f"{path} is no manifest: it has no column {name!r}")
        if table[name].isna().any():
            raise InputError(f"{path}: row {table[name].isna().argmax() + 1} has no {name}")
    if table.empty:
        raise InputError(f"{path} lists no frame")
    if (twice := table.duplicated(["part", "index"])).any():
        row = table[twice].iloc[0]
        raise InputError(f"{path} lists frame {row['frame']} of system {row['system_id']} twice")
    return table


def _refuse_other_frames(manifest: Path, rows: pd.DataFrame, store: Store) -> None:
    """Raise InputError if the store has other frames in these rows' places than the manifest says."""
    index = rows["index"].to_numpy()
    if len(outside := index[(index < 0) | (index >= len(store))]):
        raise InputError(f"{manifest} names index {outside[0]}: {store.path} has {len(store)} frames")
    same = (store.frame[index] == rows["frame"]) & (store.system_id[index] == rows["system_id"].to_numpy(str))
    if not same.all():
        row = rows[~same].iloc[0]
        raise InputError(
            f"{manifest}: index {row['index']} of {store.path} is not frame {row['frame']} of system "
            f"{row['system_id']}: the store has changed, split it anew"
        )


class Selection:
    """The structures of one manifest, read from memory-mapped stores.

    Args:
        stores: folder with one store a part.
        manifest: CSV with the columns part, index, system_id, frame.

    Raises:
        InputError: see :func:`read_manifest`; or a store has other frames in these places.
    """

    def __init__(self, stores: Path, manifest: Path) -> None:
        self.manifest, self.table = manifest, read_manifest(manifest)
        self._part, self._index = self.table["part"].to_numpy(), self.table["index"].to_numpy()
        self._stores = {part: Store(Path(stores) / part) for part in sorted(set(self._part))}
        for part, store in self._stores.items():
            _refuse_other_frames(manifest, self.table[self._part == part], store)

    def __len__(self) -> int:
        return len(self._index)

    def names(self, rows: Sequence[int]) -> str:
        """What the manifest calls these rows, for messages: system/frame, …"""
        found = self.table.iloc[list(rows)]
        return ", ".join(f"{s}/{f}" for s, f in zip(found["system_id"], found["frame"], strict=True))

    def elements(self) -> list[int]:
        """The atomic numbers that occur."""
        found: set[int] = set()
        for part, store in self._stores.items():
            chosen = np.zeros(len(store), dtype=bool)
            chosen[self._index[self._part == part]] = True
            atoms = np.repeat(chosen, store.natoms)
            found |= set(np.unique(store.atomic_numbers[atoms]).tolist())
        return sorted(found)

    def structure(self, index: int) -> Structure:
        """The structure in row ``index`` of the manifest."""
        return self._stores[self._part[index]][int(self._index[index])]

    def gather(self, name: str) -> np.ndarray:
        """One value a structure (``energy``, ``frame``, ``natoms``, …) in the manifest's order."""
        first = next(iter(self._stores.values()))
        values = np.empty(len(self), dtype=getattr(first, name).dtype)
        for part, store in self._stores.items():
            rows = self._part == part
            values[rows] = getattr(store, name)[self._index[rows]]
        return values

    def mean_energy(self) -> float:
        """Mean of the energies in eV over the structures that have one; 0 where none has."""
        energies = self.gather("energy")
        return float(np.nanmean(energies)) if np.isfinite(energies).any() else 0.0
