"""The MD stand-in: the same seed gives the same bytes; its labels are EMT's; it is molten."""

from pathlib import Path

import ase.io
import numpy as np
from ase.calculators.emt import EMT

from leignn.cli import main
from leignn.data.extract import to_atoms
from leignn.data.md_standin import generate
from leignn.data.store import Store
from leignn.data.structure import Structure


def test_same_seed_same_bytes_and_labels_are_those_of_emt(tmp_path) -> None:
    generate(tmp_path / "a", frames=3, seed=5)
    generate(tmp_path / "b", frames=3, seed=5)
    files = [tmp_path / name / "trajectory.extxyz" for name in "ab"]
    assert files[0].read_bytes() == files[1].read_bytes()
    found = ase.io.read(files[0], ":")
    assert len(found) == 3 and found[0].get_chemical_formula() == "Au16Cu16"
    for atoms in found:
        forces = atoms.get_forces()
        assert ((atoms.get_scaled_positions(wrap=False) > -1e-6) & (atoms.positions < 8.2 + 1e-6)).all()
        atoms.calc = EMT()
        np.testing.assert_allclose(atoms.get_forces(), forces, atol=1e-5)


def test_no_frames_are_refused(tmp_path, capsys) -> None:
    assert main(["generate-md-standin", "--output", str(tmp_path / "x"), "--frames", "0"]) == 2
    assert "--frames: '0' is no whole number from 1" in capsys.readouterr().err
    assert not list(tmp_path.iterdir())


def test_extracted_structures_are_those_of_the_split(copper, tmp_path) -> None:
    stores, splits = copper
    output = tmp_path / "few.extxyz"
    command = ["extract-frames", "--stores", str(stores), "--manifest", str(splits / "test.csv")]
    assert main([*command, "--count", "3", "--output", str(output)]) == 0
    found = ase.io.read(output, ":")
    assert len({atoms.info["frame"] for atoms in found} & set(range(44, 48))) == 3
    for atoms in found:
        assert atoms.constraints[0].index.tolist() == [0]
        expected = to_atoms(structure_of(stores, atoms.info["frame"]))
        np.testing.assert_allclose(atoms.positions, expected.positions, atol=1e-7)
        np.testing.assert_allclose(
            atoms.get_forces(apply_constraint=False), expected.get_forces(apply_constraint=False), atol=1e-6
        )
    assert main([*command, "--count", "0", "--output", str(output)]) == 2


def structure_of(stores: Path, frame: int) -> Structure:
    store = Store(stores / "all")
    return store[int(np.flatnonzero(store.frame == frame)[0])]


def test_structures_survive_the_way_through_ase(copper) -> None:
    structure = structure_of(copper[0], 0)  # without energy
    back = Structure.from_atoms(to_atoms(structure), structure.system_id, structure.frame)
    for name in ("pos", "atomic_numbers", "cell", "pbc", "tags", "fixed", "forces"):
        np.testing.assert_array_equal(getattr(back, name), getattr(structure, name))
    assert np.isnan(back.energy)
