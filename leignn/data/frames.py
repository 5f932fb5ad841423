"""One split as a dataset of ready batches, graph included."""

from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np
import torch
from torch.utils.data import DataLoader, Dataset, Sampler

from leignn.batch import Batch
from leignn.data.selection import Selection
from leignn.data.structure import Structure
from leignn.graph import GraphSpec
from leignn.neighbors import nearest_edges_of
from leignn.rounding import rounded

EDGE_CACHE_BYTES = 256 * 2**20


def collate(
    structures: Sequence[Structure],
    edges: Sequence[tuple[np.ndarray, np.ndarray]] | None = None,
    dtype: torch.dtype = torch.float32,
) -> Batch:
    """Join structures, and their edges where given, into one batch.

    Positions and cells get ``dtype`` as :func:`leignn.rounding.rounded` says, forces too; energies stay
    float64, because total energies of many atoms lose meV in float32. Fields as in
    :meth:`leignn.potential.Potential.forward`, and ``tags`` (N,), ``fixed`` (N,), ``energy`` (B,),
    ``forces`` (N, 3); labels are NaN where missing.
    """
    natoms = np.array([len(s.pos) for s in structures])

    def join(name: str) -> torch.Tensor:
        return torch.from_numpy(np.concatenate([getattr(s, name) for s in structures]))

    batch = Batch(
        pos=join("pos"),
        atomic_numbers=join("atomic_numbers").long(),
        tags=join("tags").long(),
        fixed=join("fixed"),
        forces=join("forces").to(dtype),
        cell=torch.from_numpy(np.stack([s.cell for s in structures])),
        pbc=torch.from_numpy(np.stack([s.pbc for s in structures])),
        energy=torch.tensor([s.energy for s in structures], dtype=torch.float64),
        natoms=torch.from_numpy(natoms),
        batch=torch.from_numpy(np.repeat(np.arange(len(natoms)), natoms)),
    )
    if edges is not None:
        counts = np.array([index.shape[1] for index, _ in edges])
        first_atom = np.repeat(np.cumsum(natoms) - natoms, counts)
        index = np.concatenate([index for index, _ in edges], axis=1) + first_atom
        batch.edge_index = torch.from_numpy(index)
        batch.cell_offsets = torch.from_numpy(np.concatenate([offsets for _, offsets in edges]))
        batch.neighbors = torch.from_numpy(counts)
    return rounded(batch, dtype)


class Frames(Selection, Dataset):
    """The structures of one manifest as batches.

    ``frames[indices]`` is the batch of these structures; its ``row`` (B,) is ``indices``. Edges are
    built on first use and kept while they fit into :data:`EDGE_CACHE_BYTES`.

    Args:
        stores: folder with one store a part.
        manifest: CSV with the columns part, index, system_id, frame.
        graph: edges to put into the batches; None for none.
        dtype: of positions and forces.
    """

    def __init__(
        self,
        stores: Path,
        manifest: Path,
        graph: GraphSpec | None,
        dtype: torch.dtype = torch.float32,
    ) -> None:
        super().__init__(stores, manifest)
        self.dtype, self._graph = dtype, graph
        self._edges: dict[int, tuple[np.ndarray, np.ndarray]] = {}
        self._edge_bytes = 0

    def __getitem__(self, indices: Sequence[int]) -> Batch:
        structures = [self.structure(index) for index in indices]
        edges = None
        if self._graph is not None:
            edges = [self._edges_of(i, s, self._graph) for i, s in zip(indices, structures, strict=True)]
        batch = collate(structures, edges, self.dtype)
        batch.row = torch.tensor(indices)
        return batch

    def atom_name(self, batch: Batch, atom: int) -> str:
        """What an atom of a batch of these is called in messages: manifest, system/frame, place there."""
        structure = int(batch.batch[atom])
        place = atom - int((batch.batch < structure).sum())
        return f"{self.manifest}: {self.names([int(batch.row[structure])])}, atom {place}"

    def _edges_of(self, index: int, structure: Structure, graph: GraphSpec) -> tuple[np.ndarray, np.ndarray]:
        if index not in self._edges:
            pairs, offsets = nearest_edges_of(structure.pos, structure.cell, structure.pbc, graph)
            if self._edge_bytes > EDGE_CACHE_BYTES or np.abs(offsets).max(initial=0) > 127:
                return pairs, offsets
            kept = pairs.astype(np.int32), offsets.astype(np.int8)
            self._edges[index] = kept
            self._edge_bytes += kept[0].nbytes + kept[1].nbytes
        pairs, offsets = self._edges[index]
        return pairs.astype(np.int64), offsets.astype(np.int64)


class SequentialBatches(Sampler[list[int]]):
    """Every structure once, in the manifest's order."""

    def __init__(self, size: int, batch_size: int) -> None:
        self._size, self._batch_size = size, batch_size

    def __len__(self) -> int:
        return -(-self._size // self._batch_size)

    def __iter__(self) -> Iterator[list[int]]:
        for start in range(0, self._size, self._batch_size):
            yield list(range(start, min(start + self._batch_size, self._size)))


def batch_loader(frames: Dataset, batches: Sampler, workers: int = 0) -> DataLoader:
    """A loader that asks ``frames`` for whole batches, by what ``batches`` yields."""
    return DataLoader(
        frames,
        sampler=batches,
        batch_size=None,
        num_workers=workers,
        persistent_workers=workers > 0,
    )
