"""The graph of fairchem-core's PaiNN and GemNet: every edge has its counter-edge."""

from dataclasses import dataclass

import torch
from torch import Tensor

from leignn.batch import Batch
from leignn.potential import Potential


@dataclass(frozen=True)
class SymmetricGraph:
    """What the networks read of a batch: N atoms, E edges."""

    pos: Tensor  # (N, 3) Å
    batch: Tensor  # (N,) the structure of each atom
    atomic_numbers: Tensor  # (N,)
    edge_index: Tensor  # (2, E) source j and target i
    distance: Tensor  # (E,) Å
    direction: Tensor  # (E, 3) unit vectors from target to source
    counter: Tensor  # (E,) the edge i → j of the edge j → i


def symmetric_graph(potential: Potential, batch: Batch) -> SymmetricGraph:
    """The edges of ``potential``, each with its counter-edge.

    With a limit on the neighbours, j may be among the nearest of i and i not among those of j.
    fairchem-core then keeps j → i, and adds i → j, only where j < i: its energies depend on the order
    of the atoms. Here a pair is kept if either has found the other. Without the limit both are the same.
    """
    (source, target), vector = potential.edges(batch)
    shift = batch.cell_offsets
    # A pair's first direction: to the atom with the larger number; to itself, by the sign of the shift.
    sign = torch.sign(target - source)
    for axis in range(3):
        sign = torch.where(sign == 0, -torch.sign(shift[:, axis]), sign)
    low, high = torch.minimum(source, target), torch.maximum(source, target)
    reach = shift.abs().amax() if len(shift) else 0
    key = low * len(batch.pos) + high
    for axis in range(3):
        key = key * (2 * reach + 1) + sign * shift[:, axis] + reach
    key, order = torch.sort(key, stable=True)
    first = torch.ones_like(key, dtype=torch.bool)
    first[1:] = key[1:] != key[:-1]
    chosen = order[first]

    pair = torch.stack([low[chosen], high[chosen]])
    vector = vector.index_select(0, chosen) * sign[chosen, None]
    distance = torch.linalg.vector_norm(vector, dim=1)
    direction = vector / distance.unsqueeze(1)
    number = torch.arange(len(chosen), device=chosen.device)
    return SymmetricGraph(
        pos=batch.pos,
        batch=batch.batch,
        atomic_numbers=batch.atomic_numbers,
        edge_index=torch.cat([pair, pair.flip(0)], dim=1),
        distance=torch.cat([distance, distance]),
        direction=torch.cat([direction, -direction]),
        counter=torch.cat([number + len(number), number]),
    )
