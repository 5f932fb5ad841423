"""A forward pass on a GPU that is recorded once and then replayed as a whole, by a CUDA graph.

Small systems leave a GPU idle: it waits for Python to ask for some 250 small operations one by one. In
molecular dynamics they are the same at every step, but for the number of neighbours. So the batch is copied
into tensors with room to spare, whose sizes do not change; a structure of atoms that are their own
neighbours takes what is left over, and no other atom notices.
"""

import torch
from torch import Tensor

from leignn.batch import Batch
from leignn.model import LEIGNN
from leignn.potential import Potential

MOST = 4  # recordings that are kept; each has its tensors
LARGEST = 100_000  # edges, from which on the GPU is busy anyway


def roomy(count: int) -> int:
    """``count`` rounded up to five binary digits: at most a sixteenth more."""
    step = 1 << max(count.bit_length() - 5, 0)
    return -(-count // step) * step


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
        here.batch[atoms:] = len(here.natoms) - 1
        here.natoms[-1] = spare
        here.edge_index[:, edges:] = atoms + numbers * spare // max(left, 1)
        here.cell_offsets[edges:, 0] = 1
        here.cell_offsets[edges:, 1:] = 0
        self._used = (atoms, edges)


class Replay:
    """A potential for structures that come again and again with other coordinates.

    On a GPU a LEIGNN of not too many edges is recorded when a batch of the same sizes comes for the second
    time. Everything else is computed as it would be without this.

    Args:
        potential: in evaluation mode; its parameters stay where they are.
    """

    def __init__(self, potential: Potential) -> None:
        self._potential = potential
        self._rooms: dict[tuple, Room] = {}
        self._recordings: dict[tuple, tuple[torch.cuda.CUDAGraph, dict[str, Tensor]]] = {}

    def __reduce__(self) -> tuple:  # copied without its recordings, which belong to their tensors
        return Replay, (self._potential,)

    def __call__(self, batch: Batch) -> dict[str, Tensor]:
        """Energies and forces, see :meth:`leignn.potential.Potential.forward`."""
        network = self._potential
        if not (
            type(network) is LEIGNN
            and network.global_scope == "structure"
            and batch.pos.device.type == "cuda"
            and not torch.is_grad_enabled()
        ):
            return network(batch)
        network.edges(batch)
        atoms, edges, structures = len(batch.pos), batch.edge_index.shape[1], len(batch.natoms)
        if edges > LARGEST:
            return network(batch)
        sizes = roomy(atoms + 1), roomy(edges), structures, batch.pos.dtype, batch.pos.device
        if sizes not in self._rooms:
            if len(self._rooms) == MOST:
                oldest = next(iter(self._rooms))
                del self._rooms[oldest]
                self._recordings.pop(oldest, None)
            self._rooms[sizes] = Room(batch, *sizes[:2])
            self._rooms[sizes].fill(batch)
            output = network(self._rooms[sizes].batch)
        else:
            self._rooms[sizes].fill(batch)
            if sizes not in self._recordings:
                self._recordings[sizes] = _record(network, self._rooms[sizes].batch)
            graph, output = self._recordings[sizes]
            graph.replay()
        return {"energy": output["energy"][:structures].clone(), "forces": output["forces"][:atoms].clone()}


def _record(network: Potential, batch: Batch) -> tuple[torch.cuda.CUDAGraph, dict[str, Tensor]]:
    """What ``network`` does with the tensors of ``batch``, and those that it leaves its results in."""
    with torch.cuda.device(batch.pos.device):
        aside = torch.cuda.Stream()
        aside.wait_stream(torch.cuda.current_stream())
        with torch.cuda.stream(aside):
            network(batch)  # libraries make their workspaces at a stream's first call
        torch.cuda.current_stream().wait_stream(aside)
        graph = torch.cuda.CUDAGraph()
        with torch.cuda.graph(graph, stream=aside):
            output = network(batch)
    return graph, output
