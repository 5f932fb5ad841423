"""The kept candidate list gives the graph of a new search, bit by bit, however the atoms move."""

from itertools import product

import numpy as np
import pytest
import torch
from ase import Atoms
from conftest import structures

from leignn.graph import GraphSpec
from leignn.neighbors import nearest_edges_of
from leignn.verlet import VerletList

SPECS = [GraphSpec(6.0, 20, "strict"), GraphSpec(5.0, 8, "ties"), GraphSpec(4.0, 50, "ties")]


def assert_same_graph(kept: VerletList, atoms: Atoms) -> int:
    expected = nearest_edges_of(atoms.positions, atoms.cell.array, atoms.pbc, kept.spec)
    found = kept.edges(atoms.positions, atoms.cell.array, atoms.pbc)
    for one, other in zip(found, expected, strict=True):
        assert one.dtype == torch.int64
        np.testing.assert_array_equal(one.numpy(), other)
    return expected[0].shape[1]


@pytest.mark.parametrize("spec", SPECS, ids=str)
def test_equal_to_a_search_at_every_step(atoms, spec) -> None:
    """Steps of a random walk with drift: atoms leave the cell, lists are built anew, some kept."""
    rng = np.random.default_rng(0)
    kept, steps = VerletList(spec), 60
    drift = rng.normal(0, 0.05, (len(atoms), 3))
    for _ in range(steps):
        assert_same_graph(kept, atoms)
        atoms.positions += drift + rng.normal(0, 0.03, atoms.positions.shape)
    assert 2 <= kept.builds < steps


@pytest.mark.parametrize("spec", SPECS, ids=str)
def test_moves_of_just_half_the_skin(spec) -> None:
    """The worst case of the bounds: every atom moves by half the skin, towards or away from another."""
    rng = np.random.default_rng(1)
    for name in ("slab", "triclinic", "layer"):
        for _ in range(20):
            atoms, kept = structures()[name], VerletList(spec)
            atoms.rattle(0.2, rng=rng)
            assert_same_graph(kept, atoms)
            moves = rng.normal(size=atoms.positions.shape)
            moves[::2] = -moves[0]
            moves[1::2] = moves[0]
            atoms.positions += moves / np.linalg.norm(moves, axis=1, keepdims=True) * (kept.skin / 2 - 1e-9)
            assert_same_graph(kept, atoms)
            assert kept.builds == 1


def test_a_pair_that_overtakes_the_nearest_is_a_candidate() -> None:
    """By hand: C comes nearer by the skin, A and B go away by the skin, and C has become the nearest."""
    kept = VerletList(GraphSpec(6.0, 1, "strict"))
    far = 2.01 + 2 * kept.skin - 0.02
    atoms = Atoms("XeArArKr", positions=[[0, 0, 0], [2.0, 0, 0], [2.0, 0.2, 0], [-far, 0, 0]])
    assert_same_graph(kept, atoms)
    atoms.positions[:, 0] += np.array([-0.4999, 0.4999, 0.4999, 0.4999]) * kept.skin
    assert_same_graph(kept, atoms)
    assert kept.builds == 1
    assert kept.edges(atoms.positions, atoms.cell.array, atoms.pbc)[0][0, 0] == 3


def test_cell_periodicity_and_size_are_watched() -> None:
    atoms, kept = structures()["slab"], VerletList(SPECS[0])
    edges = [assert_same_graph(kept, atoms)]
    atoms.set_cell(atoms.cell * 1.03, scale_atoms=False)
    edges.append(assert_same_graph(kept, atoms))
    atoms.pbc = False
    edges.append(assert_same_graph(kept, atoms))
    del atoms[0]
    edges.append(assert_same_graph(kept, atoms))
    assert kept.builds == 4 and len(set(edges)) > 2


def test_the_list_is_not_kept_too_long() -> None:
    """A pair that was just no candidate becomes an edge as soon as it is within the cutoff."""
    kept = VerletList(GraphSpec(5.0, 8, "ties"))
    atoms = Atoms("Ar2", positions=[[0, 0, 0], [5.0 + kept.skin + 1e-4, 0, 0]])
    assert assert_same_graph(kept, atoms) == 0
    atoms.positions[:, 0] += [0.5 * kept.skin + 1e-4, -0.5 * kept.skin - 1e-4]
    assert assert_same_graph(kept, atoms) == 2


@pytest.mark.parametrize("name", ["slab", "triclinic", "layer", "thin cell"])
def test_without_wrapping_only_the_images_next_to_the_stored_coordinates_count(name) -> None:
    """Against the whole block of images −n … n, n = ⌈cutoff / height of the cell⌉ (Open Catalyst's)."""
    atoms, spec = structures()[name], GraphSpec(5.0, 200, "strict")
    atoms.positions[::2] += 3 * atoms.cell[0]
    heights = 1 / np.linalg.norm(np.linalg.pinv(atoms.cell.array * atoms.pbc[:, None]), axis=0).clip(1e-9)
    reach = np.where(atoms.pbc, np.ceil(spec.cutoff / heights), 0).astype(int)
    expected = set()
    for shift in product(*(range(-n, n + 1) for n in reach)):
        vectors = atoms.positions[:, None] + np.array(shift) @ atoms.cell.array - atoms.positions
        distance = np.linalg.norm(vectors, axis=2)
        pairs = np.argwhere((distance <= spec.cutoff) & (distance > 1e-9))
        expected |= {(source, target, *shift) for source, target in pairs.tolist()}
    kept = VerletList(spec, wrap=False)
    index, offsets = kept.edges(atoms.positions, atoms.cell.array, atoms.pbc)
    assert set(map(tuple, torch.cat([index.T, offsets], dim=1).tolist())) == expected
    whole = nearest_edges_of(atoms.positions, atoms.cell.array, atoms.pbc, spec)
    assert len(expected) < whole[0].shape[1]
