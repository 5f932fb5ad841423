"""Sizes of splits as published, and structures that are as large and as dense as those of the data set."""

import numpy as np
import pytest

from leignn.config.dataset import load_dataset
from leignn.config.workflow import Standin
from leignn.forecast.frames import frames_of_splits, typical_structures
from leignn.graph import GraphSpec
from leignn.neighbors import nearest_edges_of

STANDIN = Standin(train=2400, validation=220, seed=0)
PUBLISHED = {  # the paper and its SM, MDSim
    "oc20_200k": {"train": 160_000, "val": 40_000},
    "oc20_50k": {"train": 40_000, "val": 10_000},
    "lips": {"train": 19_000, "val": 1_000, "test": 5_001},
    "rmd17_full_aspirin": {"train": 950, "val": 50, "test": 1_000},
    "oc20_standin": {"train": 2_160, "val": 240, "id": 220, "ood_both": 220},
    "melt_standin": {"train": 320, "val": 40, "test": 40},
}


@pytest.mark.parametrize("name", PUBLISHED)
def test_splits_have_the_published_numbers(name) -> None:
    found = frames_of_splits(load_dataset(name), STANDIN)
    assert {split: found[split] for split in PUBLISHED[name]} == PUBLISHED[name]


@pytest.mark.parametrize("name", ["h2o", "iso17", "md17_aspirin"])
def test_what_nobody_has_published_is_not_known(name) -> None:
    assert None in frames_of_splits(load_dataset(name), STANDIN).values()


@pytest.mark.parametrize("name", ["oc20_200k", "lips", "md17_aspirin", "melt_standin"])
def test_structures_are_as_large_and_as_dense(name) -> None:
    dataset = load_dataset(name)
    size = dataset.size
    one, other = typical_structures(size, 2)
    assert len(one.pos) == size.atoms and not np.array_equal(one.pos, other.pos)
    assert one.pbc.all() == (size.periodic == "cell")
    if size.periodic == "cell" and not size.vacuum:
        assert np.isclose(abs(np.linalg.det(one.cell)) / size.atoms, size.volume)
    pairs, _ = nearest_edges_of(one.pos, one.cell, one.pbc, GraphSpec(3.0, 200, "strict"))
    first = np.linalg.norm(one.pos - one.pos[:, None], axis=-1) + 99 * np.eye(size.atoms)
    assert 1.0 < first.min() < 3.5 and len(pairs.T) > size.atoms
