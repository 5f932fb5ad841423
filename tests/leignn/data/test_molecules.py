"""MD17's npz files in both published forms: units, chosen frames, and files that are something else."""

from pathlib import Path

import numpy as np
import pytest
from ase import Atoms, units
from ase.build import molecule

from leignn.config.dataset import Labels, RowsPart
from leignn.data import readers
from leignn.data.molecules import read_molecule
from leignn.data.structure import Structure
from leignn.errors import InputError

ALL = Labels(energy="all", forces="all")
HARTREE = units.Hartree * units.mol / units.kcal  # kcal/mol
ETHANOL = molecule("CH3CH2OH")
TOTAL = -154.9 * HARTREE  # of ethanol, about


def arrays(count: int = 5) -> dict[str, np.ndarray]:
    rng = np.random.default_rng(0)
    return {
        "z": ETHANOL.numbers,
        "R": ETHANOL.positions + rng.normal(0, 0.03, (count, 9, 3)),
        "E": TOTAL + rng.normal(0, 5, (count, 1)),
        "F": rng.normal(0, 20, (count, 9, 3)),
        "e_unit": np.array("kcal/mol"),
        "r_unit": np.array("Ang"),
        "name": np.array("ethanol"),
    }


def read(folder: Path, content: dict, form: str = "md17_npz", frames: str | None = None) -> list[Structure]:
    np.savez(folder / "ethanol.npz", **content)
    if frames is not None:
        (folder / "chosen.csv").write_text(frames)
    part = RowsPart(format=form, path="ethanol.npz", frames=None if frames is None else "chosen.csv")
    assert len(readers.raw_files(part, folder)) == 1 + (frames is not None)
    return [s for chunk in readers.read_part(part, ALL, folder, 1) for s in chunk]


def revised(content: dict) -> dict:
    names = {"nuclear_charges": "z", "coords": "R", "forces": "F"}
    new = {name: content[old] for name, old in names.items()}
    return new | {"energies": content["E"][:, 0], "old_indices": 10 * np.arange(len(content["R"]))}


def test_both_forms_are_the_same_frames_in_electronvolts(tmp_path) -> None:
    content = arrays(300)
    first, second = read(tmp_path, content), read(tmp_path, revised(content), "rmd17_npz")
    assert [s.frame for s in first] == list(range(300))
    assert [s.frame for s in second] == list(range(0, 3000, 10))
    for i in (0, 127, 128, 299):
        for found in (first[i], second[i]):
            assert found.energy == pytest.approx(content["E"][i, 0] / 23.0605, rel=1e-5)
            np.testing.assert_allclose(found.forces, content["F"][i] / 23.0605, rtol=1e-4)
            np.testing.assert_array_equal(found.pos, content["R"][i])
            assert Atoms(found.atomic_numbers).get_chemical_formula() == "C2H6O"
            assert not found.pbc.any() and not found.cell.any()


def test_chosen_frames_in_the_order_of_the_split(tmp_path) -> None:
    found = read(tmp_path, revised(arrays()), "rmd17_npz", "4\n0\n3\n")
    assert [s.frame for s in found] == [40, 0, 30]
    np.testing.assert_array_equal(found[0].pos, arrays()["R"][4])


@pytest.mark.parametrize(
    ("frames", "words"),
    [
        ("0\n5\n", "ethanol.npz has 5 frames, no frame 5"),
        ("-1\n", "no frame -1"),
        ("1\n1.5\n", r"chosen.csv holds no frame numbers"),
        ("index\n1\n", r"chosen.csv holds no frame numbers"),
        ("1\n2\n1\n", "chosen.csv names frame 1 more than once"),
        ("", "chosen.csv names no frame"),
    ],
)
def test_a_wrong_split_file(tmp_path, frames, words) -> None:
    with pytest.raises(InputError, match=words):
        read(tmp_path, arrays(), "md17_npz", frames)


def test_a_split_file_that_is_not_there(tmp_path) -> None:
    np.savez(tmp_path / "ethanol.npz", **arrays())
    part = RowsPart(format="md17_npz", path="ethanol.npz", frames="index.csv")
    with pytest.raises(InputError, match="index.csv does not exist"):
        readers.raw_files(part, tmp_path)


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (lambda a: {"e_unit": np.array("eV")}, "has e_unit 'eV'"),
        (lambda a: {"r_unit": np.array("bohr")}, "has r_unit 'bohr'"),
        (lambda a: {"e_unit": np.array(b"eV")}, "has e_unit 'eV'"),
        (lambda a: {"R": a["R"] / units.Bohr}, "shortest distance in frame 0 is .*Å"),
        (lambda a: {"E": a["E"] / 23.0605}, "energies look like eV"),
        (lambda a: {"E": a["E"] / HARTREE}, "energies look like hartree"),
        (lambda a: {"E": a["E"][:3]}, r"E has shape \(3, 1\), not \(5,\)"),
        (lambda a: {"F": a["F"][:, :8]}, r"F has shape \(5, 8, 3\)"),
        (lambda a: {"R": a["R"][:0], "E": a["E"][:0], "F": a["F"][:0]}, "holds no frame"),
        (lambda a: {"E": np.full((5, 1), np.nan)}, "no energy"),
    ],
)
def test_another_unit_or_shape(tmp_path, change, words) -> None:
    content = arrays()
    with pytest.raises(InputError, match=rf"ethanol.npz.*{words}"):
        read(tmp_path, content | change(content))


def test_the_keys_of_the_other_form(tmp_path) -> None:
    with pytest.raises(InputError, match="no array 'z': it should have z, R, E, F, it has nuclear_charges"):
        read(tmp_path, revised(arrays()))
    with pytest.raises(InputError, match="no array 'nuclear_charges'"):
        read(tmp_path, arrays(), "rmd17_npz")


def test_relative_energies_are_no_other_unit(tmp_path) -> None:
    content = arrays()
    found = read(tmp_path, content | {"E": content["E"] - TOTAL})
    assert found[0].energy == pytest.approx((content["E"][0, 0] - TOTAL) / 23.0605, rel=1e-4)


@pytest.mark.parametrize(
    ("charges", "coords", "fine"),
    [
        ([3, 3], [[0, 0, 0], [2.67, 0, 0]], True),
        ([16, 16], [[0, 0, 0], [2.05, 0, 0]], True),
        ([18, 18], [[0, 0, 0], [3.76, 0, 0]], True),
        ([3, 3], [[0, 0, 0], [2.67 * 1.8897, 0, 0]], False),
        ([7, 7], [[0, 0, 0], [1.10 * 1.8897, 0, 0]], False),
    ],
)
def test_molecules_of_other_elements_in_angstrom_and_bohr(tmp_path, charges, coords, fine) -> None:
    molecule = {"nuclear_charges": np.array(charges), "coords": np.array([coords])}
    molecule |= {"energies": np.zeros(1), "forces": np.zeros((1, 2, 3)), "old_indices": np.zeros(1, int)}
    np.savez(tmp_path / "m.npz", **molecule)
    if fine:
        assert len(list(read_molecule(tmp_path / "m.npz", "rmd17_npz", None))) == 1
    else:
        with pytest.raises(InputError, match="positions must be in Å"):
            list(read_molecule(tmp_path / "m.npz", "rmd17_npz", None))
