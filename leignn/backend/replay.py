"""What a GPU does for a batch, recorded once and then replayed as a whole, by CUDA graphs.

Batches of few or of small structures leave a GPU idle: it waits for Python to ask for some 250 small
operations one by one, and for three times as many where parameters want their gradients. They are the same
from step to step, but for the numbers of atoms and neighbours. So the batch is copied into tensors with room
to spare, whose sizes do not change; a structure of atoms that are their own neighbours takes what is left
over, and no other atom notices.
"""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import torch
from torch import Tensor

from leignn.backend.rounded_up import rounded_up
from leignn.batch import Batch
from leignn.model import LEIGNN
from leignn.potential import Potential

LARGEST = 100_000  # edges, from which on the GPU is busy anyway


class Room:
    """A batch of fixed sizes.

    Args:
        batch: the first to be copied into it, with its graph.
        atoms, edges: its sizes; at least one atom more than ``batch`` has.

    Attributes:
        batch: what is here now, and one structure more.
    """

    def __init__(self, batch: Batch, atoms: int, edges: int) -> None:
        structures = len(batch.natoms) + 1
        self.batch = Batch(
            pos=batch.pos.new_zeros(atoms, 3),
            atomic_numbers=torch.ones_like(batch.atomic_numbers[:1]).repeat(atoms),
            batch=batch.batch.new_zeros(atoms),
            natoms=batch.natoms.new_zeros(structures),
            cell=torch.eye(3).to(batch.cell).repeat(structures, 1, 1),
            edge_index=batch.edge_index.new_zeros(2, edges),
            cell_offsets=batch.cell_offsets.new_zeros(edges, 3),
        )
        self._used = (0, 0)

    def fill(self, batch: Batch) -> None:
        """Copy ``batch`` here."""
        atoms, edges, here = len(batch.pos), batch.edge_index.shape[1], self.batch
        for name in ("pos", "atomic_numbers", "batch"):
            getattr(here, name)[:atoms].copy_(getattr(batch, name))
        here.cell_offsets[:edges].copy_(batch.cell_offsets)
        here.natoms[:-1].copy_(batch.natoms)
        here.cell[:-1].copy_(batch.cell)
        here.edge_index[:, :edges].copy_(batch.edge_index)
        if (atoms, edges) == self._used:
            return
        # Atoms to spare: each the neighbour of its own image 1 Å away, as often as any other.
        spare, left = len(here.pos) - atoms, here.edge_index.shape[1] - edges
        numbers = torch.arange(left, device=here.pos.device)
        here.pos[atoms:], here.atomic_numbers[atoms:] = 0, 1  # whatever was here before
        here.batch[atoms:] = len(here.natoms) - 1
        here.natoms[-1] = spare
        here.edge_index[:, edges:] = atoms + numbers * spare // max(left, 1)
        here.cell_offsets[edges:, 0] = 1
        here.cell_offsets[edges:, 1:] = 0
        self._used = (atoms, edges)


class Replay:
    """A potential for batches that come again and again in the same sizes.

    On a GPU a LEIGNN of not too many edges is recorded when a batch of the same sizes comes for the second
    time. Everything else is computed as it would be without this.

    Args:
        potential: in evaluation mode; its parameters stay where they are.
    """

    most = 64  # recordings that are kept: as many sizes as batches of some ten structures come in

    def __init__(self, potential: Potential) -> None:
        self._potential = potential
        self._rooms: dict[tuple, Room] = {}
        self._recordings: dict[tuple, Callable[[], tuple[Tensor, Tensor]]] = {}
        self._pool: Any = None  # the memory of all recordings, of which one at a time is replayed

    def __reduce__(self) -> tuple:  # copied without its recordings, which belong to their tensors
        return type(self), (self._potential,)

    def __call__(self, batch: Batch) -> dict[str, Tensor]:
        """Energies and forces, see :meth:`leignn.potential.Potential.forward`."""
        network = self._potential
        if not self._possible(batch):
            return network(batch)
        if "edge_index" not in batch:
            network.edges(batch)
        atoms, edges, structures = len(batch.pos), batch.edge_index.shape[1], len(batch.natoms)
        if edges > LARGEST:
            return network(batch)
        sizes = rounded_up(atoms + 1, 6), rounded_up(edges, 5), structures, batch.pos.dtype, batch.pos.device
        if sizes not in self._rooms:
            if len(self._rooms) == self.most:
                oldest = next(iter(self._rooms))
                del self._rooms[oldest]
                self._recordings.pop(oldest, None)
            self._rooms[sizes] = Room(batch, *sizes[:2])
            self._rooms[sizes].fill(batch)
            energy, forces = computed(network, self._rooms[sizes].batch)
        else:
            self._rooms[sizes].fill(batch)
            if sizes not in self._recordings:
                self._pool = self._pool or torch.cuda.graph_pool_handle()
                self._recordings[sizes] = self._record(self._rooms[sizes].batch)
            energy, forces = self._recordings[sizes]()
        return {"energy": energy[:structures].clone(), "forces": forces[:atoms].clone()}

    def _possible(self, batch: Batch) -> bool:
        return recordable(self._potential, batch) and not torch.is_grad_enabled()

    def _record(self, batch: Batch) -> Callable[[], tuple[Tensor, Tensor]]:
        """What computes the energies and forces of what ``batch`` then holds."""
        with aside(batch) as stream:
            computed(self._potential, batch)  # libraries make their workspaces at a stream's first call
        graph = torch.cuda.CUDAGraph()
        with recorded(graph, self._pool, stream):
            output = computed(self._potential, batch)

        def replayed() -> tuple[Tensor, Tensor]:
            graph.replay()
            return output

        return replayed


def computed(network: Potential, batch: Batch) -> tuple[Tensor, Tensor]:
    """Energies and forces."""
    output = network(batch)
    return output["energy"], output["forces"]


def recordable(network: Potential, batch: Batch) -> bool:
    """Whether what ``network`` does with ``batch`` depends on nothing but sizes, and is done on a GPU."""
    return (
        type(network) is LEIGNN
        and network.global_scope == "structure"
        and batch.pos.device.type == "cuda"
        and not torch.is_autocast_enabled("cuda")
    )


@contextmanager
def aside(batch: Batch) -> Iterator[torch.cuda.Stream]:
    """Another stream of the device of ``batch``, for the block and for the recordings after it."""
    with torch.cuda.device(batch.pos.device):
        here, other = torch.cuda.current_stream(), torch.cuda.Stream()
        other.wait_stream(here)
        with torch.cuda.stream(other):
            yield other
        here.wait_stream(other)


def recorded(graph: torch.cuda.CUDAGraph, pool: Any, stream: torch.cuda.Stream) -> Any:
    """The context in which is recorded what this thread asks of the GPU; others may load data meanwhile."""
    return torch.cuda.graph(graph, pool=pool, stream=stream, capture_error_mode="thread_local")
