"""Connected components against a search by hand."""

import networkx
import torch

from leignn.components import components


def test_components_are_networkxs_numbered_by_their_first_atoms() -> None:
    for seed in range(20):
        generator = torch.Generator().manual_seed(seed)
        edges = torch.randint(0, 40, (2, 25), generator=generator)
        graph = networkx.Graph()
        graph.add_nodes_from(range(40))
        graph.add_edges_from(edges.T.tolist())
        expected = sorted(sorted(atoms) for atoms in networkx.connected_components(graph))
        component, sizes = components(edges, 40)
        found = [(component == number).nonzero().flatten().tolist() for number in range(len(sizes))]
        assert found == expected
        assert sizes.tolist() == [len(atoms) for atoms in expected]


def test_without_edges_every_atom_is_its_own() -> None:
    component, sizes = components(torch.zeros(2, 0, dtype=torch.long), 3)
    assert component.tolist() == [0, 1, 2] and sizes.tolist() == [1, 1, 1]
