"""The stand-ins for simulations: the same seed gives the same bytes; labels are the potential's; each is what
it is called."""

from pathlib import Path

import ase.io
import numpy as np
import pytest

from leignn.cli import main
from leignn.data.extract import to_atoms
from leignn.data.md_standin import SYSTEMS, generate
from leignn.data.store import Store
from leignn.data.structure import Structure
from leignn.md.observables import bond_deviation, bonds_of, unwrap


@pytest.mark.parametrize(
    ("name", "formula", "edge"), [("melt", "Au16Cu16", 8.2), ("solid", "Cu32H6", 7.6), ("gas", "C8H32", 12.5)]
)
def test_same_seed_same_bytes_and_labels_are_those_of_the_potential(tmp_path, name, formula, edge) -> None:
    generate(tmp_path / "a", name, frames=2, seed=5)
    generate(tmp_path / "b", name, frames=2, seed=5)
    files = [tmp_path / folder / "trajectory.extxyz" for folder in "ab"]
    assert files[0].read_bytes() == files[1].read_bytes()
    found = ase.io.read(files[0], ":")
    assert len(found) == 2 and found[0].get_chemical_formula("metal") == formula
    for atoms in found:
        forces = atoms.get_forces()
        assert ((atoms.positions > -1e-6) & (atoms.positions < edge + 1e-6)).all()
        atoms.calc = SYSTEMS[name].potential()
        np.testing.assert_allclose(atoms.get_forces(), forces, atol=1e-5)


def positions_of(folder: Path, name: str, frames: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Of a new trajectory: unwrapped positions (Å), cell (Å), atomic numbers."""
    generate(folder, name, frames=frames, seed=1)
    found = ase.io.read(folder / "trajectory.extxyz", ":")
    cell = found[0].cell.array
    return unwrap(np.stack([atoms.positions for atoms in found]), cell), cell, found[0].numbers


def test_hydrogen_diffuses_in_the_solid_and_copper_stays_a_crystal(tmp_path) -> None:
    positions, _, numbers = positions_of(tmp_path / "solid", "solid", 80)
    copper = numbers == 29
    positions -= positions[:, copper].mean(1, keepdims=True)
    assert np.square(positions[:, copper] - positions[:, copper].mean(0)).sum(2).mean() < 0.37**2 * 3
    moved = np.square(positions[40:, ~copper] - positions[:-40, ~copper]).sum(2).mean(0)  # Å² in 1.6 ps
    assert moved.mean() > 3 * moved.std(ddof=1) / np.sqrt(len(moved))
    assert moved.mean() > 1.0


def test_molecules_of_the_gas_stay_whole_and_fly(tmp_path) -> None:
    positions, cell, numbers = positions_of(tmp_path / "gas", "gas", 40)
    bonds, lengths = bonds_of(positions, cell, numbers)
    assert bonds.tolist() == [[5 * m, 5 * m + i] for m in range(8) for i in range(1, 5)]
    np.testing.assert_allclose(lengths, 1.09, atol=0.03)
    assert bond_deviation(positions, cell, bonds, lengths) < 0.25
    carbons = positions[:, numbers == 6]
    assert np.linalg.norm(carbons[-1] - carbons[0], axis=1).mean() > 2.0
    flown = positions.copy()
    flown[20:, 1] += [0.8, 0.8, 0.8]
    assert bond_deviation(flown, cell, bonds, lengths) > 0.5


def test_no_frames_are_refused(tmp_path, capsys) -> None:
    command = ["generate-md-standin", "--system", "melt", "--output", str(tmp_path / "x")]
    assert main([*command, "--frames", "0"]) == 2
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
