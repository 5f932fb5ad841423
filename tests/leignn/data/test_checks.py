"""Each frame that no model can be trained on is refused with the file, the frame and the value."""

from collections.abc import Callable

import numpy as np
import pytest
from ase.build import fcc111

from leignn.config.dataset import Labels
from leignn.data.checks import check
from leignn.data.structure import Structure
from leignn.errors import InputError

ALL = Labels(energy="all", forces="all")
SOME = Labels(energy="some", forces="some")


def slab() -> Structure:
    structure = Structure.from_atoms(fcc111("Cu", (2, 2, 2), vacuum=6.0, periodic=True), "sys7", 41)
    structure.energy = -3.0
    structure.forces = np.zeros((8, 3), dtype=np.float32)
    return structure


def set_item(name: str, where: tuple | slice, value: float) -> Callable[[Structure], None]:
    def change(structure: Structure) -> None:
        getattr(structure, name)[where] = value

    return change


def set_energy(value: float) -> Callable[[Structure], None]:
    return lambda structure: setattr(structure, "energy", value)


def make_flat(structure: Structure) -> None:
    structure.cell[2] = structure.cell[0] - structure.cell[1]


def remove_atoms(structure: Structure) -> None:
    for name in ("pos", "atomic_numbers", "tags", "fixed", "forces"):
        setattr(structure, name, getattr(structure, name)[:0])


EVERY = slice(None)


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (set_item("pos", (3, 1), np.nan), ["position", "nan", "atom 3"]),
        (set_item("pos", (0, 2), -np.inf), ["position", "-inf", "atom 0"]),
        (set_item("forces", (5, 0), np.nan), ["force", "nan", "atom 5"]),
        (set_item("forces", (5, 0), np.inf), ["force", "inf", "atom 5"]),
        (set_energy(np.inf), ["energy inf"]),
        (set_item("atomic_numbers", (2,), 0), ["unknown element", "0"]),
        (set_item("atomic_numbers", (2,), 118), ["unknown element", "118"]),
        (set_item("cell", (1, 1), np.nan), ["singular cell", "nan"]),
        (make_flat, ["singular cell"]),
        (set_item("cell", EVERY, 0.0), ["singular cell"]),
        (remove_atoms, ["no atom"]),
    ],
)
def test_refused_whatever_the_labels(change, words) -> None:
    structure = slab()
    check(structure, ALL, "shard.xz")
    change(structure)
    for labels in (ALL, SOME):
        with pytest.raises(InputError) as error:
            check(structure, labels, "shard.xz")
        for word in ["shard.xz", "frame 41", "sys7", *words]:
            assert word in str(error.value)


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (set_energy(np.nan), "no energy"),
        (set_item("forces", EVERY, np.nan), "no forces"),
    ],
)
def test_missing_labels_are_refused_only_where_declared(change, words) -> None:
    structure = slab()
    change(structure)
    check(structure, SOME, "shard.xz")
    with pytest.raises(InputError, match=words):
        check(structure, ALL, "shard.xz")


def test_a_slab_without_a_third_vector_is_no_error() -> None:
    structure = slab()
    structure.cell[2] = 0
    structure.pbc[2] = False
    check(structure, ALL, "shard.xz")
