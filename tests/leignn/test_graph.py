"""The neighbour graph against brute force, golden graphs and its own symmetries."""

from pathlib import Path

import numpy as np
import pytest
import torch
from ase import Atoms
from ase.build import bulk, fcc100
from conftest import random_crystal

from leignn.errors import InputError
from leignn.graph import TIES_TOLERANCE, GraphSpec, nearest_edges
from leignn.neighbors import nearest_edges_of

GOLDEN = Path(__file__).parents[1] / "golden"


def brute_force(atoms: Atoms, spec: GraphSpec) -> list[np.ndarray]:
    """Sorted squared distances of each atom's neighbours, over an ample block of images."""
    heights = [
        1 / np.linalg.norm(np.linalg.pinv(atoms.cell.array * atoms.pbc[:, None])[:, k]) if atoms.pbc[k] else 1
        for k in range(3)
    ]
    spread = np.ceil(np.ptp(atoms.positions, axis=0).max()) if len(atoms) > 1 else 0
    counts = [
        int(np.ceil((spec.cutoff + 2 * spread) / h)) if p else 0
        for h, p in zip(heights, atoms.pbc, strict=True)
    ]
    shifts = np.array(
        [
            [i, j, k]
            for i in range(-counts[0], counts[0] + 1)
            for j in range(-counts[1], counts[1] + 1)
            for k in range(-counts[2], counts[2] + 1)
        ]
    )
    found = []
    for i in range(len(atoms)):
        vectors = atoms.positions[None] + (shifts @ atoms.cell.array)[:, None] - atoms.positions[i]
        squared = (vectors**2).sum(2)
        squared[(shifts == 0).all(1), i] = np.inf  # the atom itself, but not its images
        squared = np.sort(squared[squared <= spec.cutoff**2 + 1e-6])
        if spec.rule == "strict":
            squared = squared[: spec.max_neighbors]
        elif len(squared) > spec.max_neighbors:
            squared = squared[squared <= squared[spec.max_neighbors] + TIES_TOLERANCE]
        found.append(squared)
    return found


def on_device(atoms: Atoms, spec: GraphSpec) -> tuple[np.ndarray, np.ndarray]:
    edge_index, offsets, _ = nearest_edges(
        torch.tensor(atoms.positions),
        torch.tensor(atoms.cell.array)[None],
        torch.tensor(atoms.pbc)[None],
        torch.tensor([len(atoms)]),
        spec,
    )
    return edge_index.numpy(), offsets.numpy()


def in_loader(atoms: Atoms, spec: GraphSpec) -> tuple[np.ndarray, np.ndarray]:
    return nearest_edges_of(atoms.positions, atoms.cell.array, atoms.pbc, spec)


def vectors_of(atoms: Atoms, edges: tuple[np.ndarray, np.ndarray]) -> np.ndarray:
    (source, target), offsets = edges
    return atoms.positions[source] + offsets @ atoms.cell.array - atoms.positions[target]


@pytest.mark.parametrize("rule", ["strict", "ties"])
@pytest.mark.parametrize("max_neighbors", [4, 20, 1000])
@pytest.mark.parametrize("find", [on_device, in_loader])
def test_neighbours_are_those_of_brute_force(atoms, rule, max_neighbors, find) -> None:
    spec = GraphSpec(5.0, max_neighbors, rule)
    edges = find(atoms, spec)
    squared, target = (vectors_of(atoms, edges) ** 2).sum(1), edges[0][1]
    for i, expected in enumerate(brute_force(atoms, spec)):
        np.testing.assert_allclose(np.sort(squared[target == i]), expected, atol=1e-9)


@pytest.mark.parametrize("rule", ["strict", "ties"])
def test_both_searches_return_the_same_edges_in_the_same_order(atoms, rule) -> None:
    spec = GraphSpec(6.0, 12, rule)
    for one, other in zip(on_device(atoms, spec), in_loader(atoms, spec), strict=True):
        np.testing.assert_array_equal(one, other)


@pytest.mark.parametrize("constant", [3.425, 3.525, 3.615, 3.625])
@pytest.mark.parametrize("rule", ["strict", "ties"])
def test_both_searches_cut_the_ties_of_perfect_crystals_alike(constant, rule) -> None:
    """Their squared distances are odd multiples of 0.5e-6 Å², which rounding errors put on either side."""
    crystal = bulk("Cu", a=constant, cubic=True).repeat(2)
    crystal.positions += np.random.default_rng(0).uniform(0, 9, 3)
    for one, other in zip(
        on_device(crystal, GraphSpec(6.0, 20, rule)),
        in_loader(crystal, GraphSpec(6.0, 20, rule)),
        strict=True,
    ):
        np.testing.assert_array_equal(one, other)


@pytest.mark.parametrize("find", [on_device, in_loader])
@pytest.mark.parametrize("rule", ["strict", "ties"])
def test_lattice_moves_change_no_edge(rule, find) -> None:
    # A perfect slab: K = 20 cuts exact ties at almost every atom.
    atoms = fcc100("Pt", (3, 3, 3), vacuum=7.0, periodic=True)
    spec = GraphSpec(6.0, 20, rule)
    moved = atoms.copy()
    moves = np.random.default_rng(0).integers(-3, 4, (len(atoms), 3))
    moved.positions += moves @ atoms.cell.array
    (index, offsets), (moved_index, moved_offsets) = find(atoms, spec), find(moved, spec)
    np.testing.assert_array_equal(index, moved_index)
    np.testing.assert_array_equal(offsets, moved_offsets + moves[index[0]] - moves[index[1]])


def test_a_cut_tie_does_not_depend_on_the_order_of_atoms() -> None:
    atoms = fcc100("Pt", (3, 3, 3), vacuum=7.0, periodic=True)
    spec = GraphSpec(6.0, 20, "strict")
    order = np.random.default_rng(1).permutation(len(atoms))
    one, other = in_loader(atoms, spec), in_loader(atoms[order], spec)

    def edge_set(edges: tuple[np.ndarray, np.ndarray], names: np.ndarray) -> set:
        return {(names[j], names[i], *s) for j, i, s in zip(*edges[0], edges[1].tolist(), strict=True)}

    assert edge_set(one, np.arange(len(atoms))) == edge_set(other, order)


def test_batch_equals_single_structures() -> None:
    members = [random_crystal(seed, 3 + seed) for seed in range(4)]
    spec = GraphSpec(5.0, 10, "strict")
    natoms = torch.tensor([len(m) for m in members])
    edge_index, offsets, neighbors = nearest_edges(
        torch.tensor(np.concatenate([m.positions for m in members])),
        torch.tensor(np.stack([m.cell.array for m in members])),
        torch.tensor(np.stack([m.pbc for m in members])),
        natoms,
        spec,
    )
    first_edge = first_atom = 0
    for member, count in zip(members, neighbors.tolist(), strict=True):
        index, shifts = in_loader(member, spec)
        edges = slice(first_edge, first_edge + count)
        np.testing.assert_array_equal(edge_index[:, edges].numpy() - first_atom, index)
        np.testing.assert_array_equal(offsets[edges].numpy(), shifts)
        first_edge, first_atom = edges.stop, first_atom + len(member)
    assert first_edge == edge_index.shape[1]


def test_an_image_exactly_at_the_cutoff_is_a_neighbour() -> None:
    atoms = Atoms("Po", cell=[3.0, 3.0, 3.0], pbc=True)
    for find in (on_device, in_loader):
        lengths = np.linalg.norm(vectors_of(atoms, find(atoms, GraphSpec(6.0, 1000))), axis=1)
        assert np.isclose(lengths, 6.0).sum() == 6  # (±2, 0, 0) and its like


@pytest.mark.parametrize("name", ["leignn", "vanilla", "vanilla_nmu"])
def test_golden_graphs(name) -> None:
    golden = np.load(GOLDEN / f"{name}.npz")
    spec = GraphSpec(float(golden["cutoff"]), int(golden["max_neighbors"]), "ties")
    natoms = torch.tensor(golden["natoms"])
    edge_index, offsets, neighbors = nearest_edges(
        torch.tensor(golden["pos"]),
        torch.tensor(golden["cell"]),
        torch.ones(len(natoms), 3, dtype=bool),
        natoms,
        spec,
    )
    found = np.column_stack([*edge_index.numpy(), offsets.numpy()])
    expected = np.column_stack([golden["edge_source"], golden["edge_target"], golden["edge_cell_offset"]])
    assert set(map(tuple, found.tolist())) == set(map(tuple, expected.astype(int).tolist()))
    np.testing.assert_array_equal(neighbors, golden["edges_per_structure"])


def test_singular_cell_is_refused() -> None:
    atoms = bulk("Cu")
    cell = atoms.cell.array.copy()
    cell[2] = cell[0] + cell[1]
    with pytest.raises(InputError, match="singular"):
        nearest_edges_of(atoms.positions, cell, atoms.pbc, GraphSpec(5.0, 20))


def test_unknown_rule_is_refused() -> None:
    with pytest.raises(ValueError, match="nearest"):
        GraphSpec(5.0, 20, "nearest")
