"""The stand-ins for simulations: the same seed gives the same bytes; labels are the potential's; each is what
it is called; what moves them keeps its temperature."""

from pathlib import Path

import ase.io
import numpy as np
import pytest
from ase import Atoms, units

from leignn.cli import main
from leignn.data.extract import to_atoms
from leignn.data.md_standin import SYSTEMS, System, generate, simulate
from leignn.data.store import Store
from leignn.data.structure import Structure
from leignn.md.observables import bond_deviation, bonds_of, unwrap


@pytest.mark.parametrize(
    ("name", "formula", "edge"),
    [("melt", "Au16Cu16", 8.2), ("solid", "Ag16I16", 10.16), ("gas", "C8H32", 12.5)],
)
def test_same_seed_same_bytes_and_labels_are_those_of_the_potential(tmp_path, name, formula, edge) -> None:
    for folder in "ab":
        generate(tmp_path / folder, name, replicas=2, frames=2, seed=5)
    files = [tmp_path / folder / "trajectory.extxyz" for folder in "ab"]
    assert files[0].read_bytes() == files[1].read_bytes()
    found = ase.io.read(files[0], ":")
    assert [(a.info["replica"], a.info["frame"]) for a in found] == [(0, 0), (0, 1), (1, 0), (1, 1)]
    potential = SYSTEMS[name].potential(found[0])
    for atoms in found:
        assert atoms.get_chemical_formula("metal") == formula
        assert ((atoms.positions > -1e-6) & (atoms.positions < edge + 1e-6)).all()
        energies, forces = potential(atoms.positions[None])
        assert energies[0] == pytest.approx(atoms.get_potential_energy(), abs=1e-5)
        np.testing.assert_allclose(forces[0], atoms.get_forces(), atol=1e-5)
    assert np.abs(found[0].positions - found[2].positions).max() > 0.5


def test_positions_are_canonical_and_replicas_independent() -> None:
    """In springs at 300 K the mean square displacement is kT/k, whatever the mass, at this large a step."""
    spring, hot = 2.0, 300.0

    def well(positions: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        return spring / 2 * np.square(positions).sum((1, 2)), -spring * positions

    system = System(
        lambda rng: Atoms("HC", np.zeros((2, 3))), lambda atoms: well, hot, 2.0, every=20, mixing=500,
        friction=0.02,
    )  # fmt: skip
    rng = np.random.default_rng(0)
    starts = [system.build(rng) for _ in range(50)]
    positions = np.stack([at[0] for at in simulate(system, starts, 400, rng)])
    expected = units.kB * hot / spring
    np.testing.assert_allclose(np.square(positions).mean((0, 1, 3)), expected, rtol=0.03)
    assert np.abs((positions[:, 1:] * positions[:, :-1]).mean((0, 2, 3))).max() < 0.2 * expected


def positions_of(folder: Path, name: str, frames: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Of a new trajectory: unwrapped positions (Å), cell (Å), atomic numbers."""
    generate(folder, name, replicas=1, frames=frames, seed=1)
    found = ase.io.read(folder / "trajectory.extxyz", ":")
    cell = found[0].cell.array
    return unwrap(np.stack([atoms.positions for atoms in found]), cell), cell, found[0].numbers


def test_silver_diffuses_in_the_solid_and_iodine_stays_a_crystal(tmp_path) -> None:
    positions, cell, numbers = positions_of(tmp_path / "solid", "solid", 200)
    iodine = numbers == 53
    positions -= positions[:, iodine].mean(1, keepdims=True)
    sites = SYSTEMS["solid"].build(np.random.default_rng(1)).positions[iodine]
    away = (positions[:, iodine].mean(0) - sites) @ np.linalg.inv(cell)
    away -= away[0]
    assert np.linalg.norm((away - np.round(away)) @ cell, axis=1).max() < 1.0  # Å; the next site is at 4.4
    moved = [np.square(positions[lag:] - positions[:-lag]).sum(2).mean(0) for lag in (20, 100)]  # Å²
    crystal, early, late = moved[1][iodine].mean(), moved[0][~iodine].mean(), moved[1][~iodine].mean()
    assert crystal < 1.0 and late > 3.0  # Lindemann: a tenth of 4.4 Å, for a difference 2 · 3 · 0.4² Å²
    assert late > 1.5 * early  # it goes away


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


@pytest.mark.parametrize("option", ["--frames", "--replicas"])
def test_no_frames_are_refused(tmp_path, capsys, option) -> None:
    command = ["generate-md-standin", "--system", "melt", "--output", str(tmp_path / "x")]
    assert main([*command, option, "0"]) == 2
    assert f"{option}: '0' is no whole number from 1" in capsys.readouterr().err
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
