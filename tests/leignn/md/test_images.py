"""g(r) of small cells: with all periodic images it is that of the infinite crystal, or gas."""

import numpy as np
import pytest
from ase.build import bulk
from ase.neighborlist import neighbor_list

from leignn.md.observables import BINS, RDF_RANGE, partial_rdfs, rdf


def test_an_ideal_gas_is_one_beyond_half_the_cell() -> None:
    """In a cube of 5 Å: nearest images fall off from 2.5 Å, and none is beyond 4.33 Å."""
    cell, rng = np.eye(3) * 5.0, np.random.default_rng(0)
    positions = rng.uniform(0, 5, (4000, 10, 3))
    middle = (np.arange(BINS) + 0.5) * RDF_RANGE[1] / BINS
    far = (middle > 2.6) & (np.abs(middle - 5.0) > 0.02)  # where an atom has its own images
    whole, nearest = rdf(positions, cell, "all"), rdf(positions, cell)
    assert whole[far].mean() == pytest.approx(0.9, abs=0.01)  # 1 − 1/N: an atom is no neighbour of itself
    assert nearest[middle > 4.4].max() == 0
    near = middle < 2.4
    np.testing.assert_allclose(whole[near], nearest[near], atol=1e-12)
    numbers = np.array([29] * 5 + [79] * 5)
    assert partial_rdfs(positions, cell, numbers, "all")["Cu-Au"][middle > 2.6].mean() == pytest.approx(
        1, abs=0.02
    )


def test_a_small_skewed_cell_against_ases_neighbour_list() -> None:
    atoms = bulk("Cu").repeat((2, 1, 1))
    atoms.rattle(0.1, seed=1)
    distances = neighbor_list("d", atoms, RDF_RANGE[1])
    edges = np.linspace(*RDF_RANGE, BINS + 1)
    shells = 4 / 3 * np.pi * (edges[1:] ** 3 - edges[:-1] ** 3)
    expected = np.histogram(distances, BINS, RDF_RANGE)[0] / (len(atoms) ** 2 / atoms.get_volume() * shells)
    np.testing.assert_allclose(rdf(atoms.positions[None], atoms.cell.array, "all"), expected, rtol=1e-9)
