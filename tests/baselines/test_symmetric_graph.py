"""The graph in which every edge has its counter-edge, against sets of edges."""

import numpy as np
import torch
from ase import Atoms
from conftest import make_batch, random_crystal, structures

from baselines.symmetric_graph import symmetric_graph
from leignn.graph import GraphSpec
from leignn.potential import EnergyPotential

SCARCE = GraphSpec(5.0, 6)  # far fewer neighbours than the cutoff would allow


class Bare(EnergyPotential):
    graph = SCARCE


def described(index: torch.Tensor, vector: torch.Tensor) -> set[tuple]:
    """Edges as (source, target, rounded vector)."""
    rows = zip(*index.tolist(), (vector + 0.0).round(decimals=4).tolist(), strict=True)
    return {(j, i, *(x + 0.0 for x in r)) for j, i, r in rows}


def test_union_of_both_directions(atoms) -> None:
    batch = make_batch([atoms, structures()["molecule"]], SCARCE)
    index, vector = Bare().edges(batch)
    graph = symmetric_graph(Bare(), batch)
    expected = described(index, vector) | described(index.flip(0), -vector)
    found = described(graph.edge_index, graph.direction * graph.distance.unsqueeze(1))
    assert found == expected
    assert graph.edge_index.shape[1] == len(expected)  # none twice
    torch.testing.assert_close(graph.direction.norm(dim=1), torch.ones_like(graph.distance))


def test_counter_edges(atoms) -> None:
    graph = symmetric_graph(Bare(), make_batch([atoms], SCARCE))
    torch.testing.assert_close(graph.edge_index[:, graph.counter], graph.edge_index.flip(0))
    torch.testing.assert_close(graph.direction[graph.counter], -graph.direction)
    torch.testing.assert_close(graph.distance[graph.counter], graph.distance)


def test_order_of_atoms_does_not_matter() -> None:
    """fairchem-core's own rule keeps j → i only where j < i; here the limit cuts, and nothing changes."""
    crystal = random_crystal(3, 9)
    order = np.random.default_rng(0).permutation(len(crystal))
    first = symmetric_graph(Bare(), make_batch([crystal], SCARCE))
    second = symmetric_graph(Bare(), make_batch([crystal[order]], SCARCE))
    back = torch.from_numpy(order)
    assert described(first.edge_index, first.direction) == described(
        back[second.edge_index], second.direction
    )


def test_no_edges() -> None:
    graph = symmetric_graph(Bare(), make_batch([Atoms("O"), Atoms("H")], SCARCE))
    assert graph.edge_index.shape == (2, 0) and graph.direction.shape == (0, 3)
