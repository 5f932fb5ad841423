"""The order in which training reads its structures, and how a step's batch is shared out.

A step sees ``batch_size`` structures, whatever computes it: they are cut into pieces, of which each
process takes some, one after the other. What a device's memory holds and how many devices there are
then changes no protocol, and sums only in their rounding.
"""

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import torch
from torch.utils.data import Dataset, Sampler

from leignn.batch import Batch
from leignn.data.frames import Frames
from leignn.training.loss import free_atoms_with_forces


@dataclass(frozen=True)
class Piece:
    """A part of a step's batch; rows of the training split."""

    rows: list[int]
    step: list[int]  # of the whole batch


class ShuffledBatches(Sampler[Piece]):
    """Batches of a stream of seeded permutations, cut into blocks of ``steps`` batches.

    Block e always holds the same batches, so that training resumes at a block's start as if it had
    never stopped. Lightning calls :meth:`set_epoch` with the number of the block.

    Args:
        size: structures in the split.
        batch_size: structures in a step.
        steps: in a block.
        seed: of the permutations.
        pieces: of a process's share of a batch.
        rank: which of ``world`` processes this is.
        world: processes that share each step; ``pieces * world`` is at most ``batch_size``.
    """

    def __init__(
        self,
        size: int,
        batch_size: int,
        steps: int,
        seed: int,
        pieces: int = 1,
        rank: int = 0,
        world: int = 1,
    ) -> None:
        self._size, self._batch_size, self._steps = size, batch_size, steps
        self._seed, self._pieces, self._rank, self._world = seed, pieces, rank, world
        self._block = 0

    def set_epoch(self, epoch: int) -> None:
        self._block = epoch

    def __len__(self) -> int:
        return self._steps * self._pieces

    def __iter__(self) -> Iterator[Piece]:
        mine = slice(self._rank * self._pieces, (self._rank + 1) * self._pieces)
        for batch in self._batches():
            for piece in np.array_split(batch, self._pieces * self._world)[mine]:
                yield Piece(piece.tolist(), batch.tolist())

    def _batches(self) -> Iterator[np.ndarray]:
        orders: dict[int, np.ndarray] = {}
        first = self._block * self._steps
        for step in range(first, first + self._steps):
            start = step * self._batch_size
            passes, places = np.divmod(np.arange(start, start + self._batch_size), self._size)
            for number in set(passes.tolist()) - set(orders):
                orders = {n: order for n, order in orders.items() if n >= passes[0]}
                orders[number] = np.random.default_rng([self._seed, number]).permutation(self._size)
            yield np.array([orders[p][i] for p, i in zip(passes.tolist(), places, strict=True)])


class TrainingBatches(Dataset):
    """``frames`` by :class:`Piece`: batches that know how many labels their whole step has.

    Their ``step_energies`` is the number of structures of the step with an energy, and
    ``step_components`` that of force components of its free atoms.
    """

    def __init__(self, frames: Frames) -> None:
        self.frames = frames

    def __getitem__(self, piece: Piece) -> Batch:
        batch = self.frames[piece.rows]
        if len(piece.rows) == len(piece.step):
            energies = int(torch.isfinite(batch.energy).sum())
            components = 3 * int(free_atoms_with_forces(batch).sum())
        else:
            structures = [self.frames.structure(row) for row in piece.step]
            energies = sum(bool(np.isfinite(s.energy)) for s in structures)
            components = 3 * sum(int(s.labelled().sum()) for s in structures)
        batch.step_energies, batch.step_components = energies, components
        return batch
