"""At the door of a store: shapes, types, ranges, distances, names of labels."""

import os
import tempfile

import ase.io
import numpy as np
import pytest
from ase import Atoms
from ase.constraints import FixAtoms, FixCartesian

from leignn.cli import main
from leignn.config.dataset import Labels
from leignn.data.checks import CLOSEST, check, check_distances
from leignn.data.frames import Frames
from leignn.data.store import Store
from leignn.data.structure import Structure, as_type
from leignn.errors import InputError
from leignn.graph import GraphSpec
from leignn.neighbors import nearest_edges_of
from tests.leignn.data.test_build import assert_refused, build, frames

SOME = Labels(energy="some", forces="some")
ALL = Labels(energy="all", forces="all")
PART = {"format": "ase", "path": "frames.extxyz"}


def extxyz(columns: str = "", values: str = "", info: str = "energy=1.0") -> str:
    atoms = "".join(f"Cu {2 * i}.0 0.0 0.0 {values}\n" for i in range(2))
    return f"2\nProperties=species:S:1:pos:R:3{columns} {info}\n{atoms}"


@pytest.mark.parametrize(
    ("text", "words"),
    [
        (extxyz(":forces:R:1", "0.1"), "forces has shape (2,), not (2, 3)"),
        (extxyz(":tags:I:1", "300"), "tags: 300 is no int8"),
        (extxyz(":tags:R:1", "1.5"), "tags: 1.5 is no int8"),
        (extxyz(":tags:S:1", "surf"), "tags: 'surf' is no number"),
        (extxyz(":Z:I:1", "300"), "atomic numbers: 300 is no uint8"),
        (extxyz(info="energy=N/A"), "energy: 'N/A' is no number"),
        (extxyz(info="energy=None"), "energy: 'None' is no number"),
        (extxyz(info="energy=T"), "is no number"),
        (extxyz(info='energy="1 2"'), "energy has shape (2,)"),
        (extxyz(info="energy=1e300"), "energy 1e+300"),
        (extxyz(":forces:R:3", "1e300 0 0"), "forces: 1e+300 is no float32"),
        (extxyz(":forces:R:3", "1e30 0 0"), "at atom 0"),
    ],
)
def test_labels_and_arrays_that_no_store_can_hold(tmp_path, capsys, text, words) -> None:
    (tmp_path / "frames.extxyz").write_text(text)
    labels = {"energy": "some", "forces": "some"}
    assert_refused(capsys, tmp_path, build(tmp_path, parts={"all": PART}, labels=labels), "frame 0", words)


def test_labels_by_other_names_and_an_error_that_lists_them(tmp_path, capsys) -> None:
    text = extxyz(":REF_forces:R:3", "0.5 0 0", "REF_energy=-3.5 TotEnergy=7")
    (tmp_path / "frames.extxyz").write_text(text)
    words = ("REF_energy", "REF_forces", "TotEnergy", "energy_key")
    assert_refused(capsys, tmp_path, build(tmp_path, parts={"all": PART}), *words)
    named = PART | {"energy_key": "REF_energy", "forces_key": "REF_forces"}
    assert build(tmp_path, parts={"all": named}) == 0
    found = Store(tmp_path / "store" / "all")[0]
    assert found.energy == -3.5 and found.forces[1].tolist() == [0.5, 0, 0]
    (tmp_path / "frames.extxyz").write_text(extxyz(":force:R:3", "0.5 0 0", "free_energy=2"))
    assert build(tmp_path, parts={"all": PART | {"energy_key": "free_energy", "forces_key": "force"}}) == 0
    assert Store(tmp_path / "store" / "all")[0].energy == 2


@pytest.mark.parametrize("pbc", [(0, 0, 0), (1, 1, 1), (1, 0, 1), (0, 1, 0)])
def test_close_atoms_are_those_that_a_sum_over_images_finds(pbc) -> None:
    rng = np.random.default_rng(0)
    shifts = np.array(list(np.ndindex(5, 5, 5))) - 2
    refused = 0
    for _ in range(400):
        cell = rng.normal(size=(3, 3)) + 2 * np.eye(3)
        if abs(np.linalg.det(cell)) < 1:
            continue
        atoms = Atoms("Cu3", rng.normal(size=(3, 3)) * 2, cell=cell, pbc=pbc)
        images = (shifts * np.array(pbc)) @ cell
        wrapped = atoms.positions - np.floor(atoms.get_scaled_positions(wrap=False)) * np.array(pbc) @ cell
        d = np.linalg.norm(wrapped[:, None, None] - wrapped[None, :, None] - images, axis=-1)
        d[np.eye(3, dtype=bool)[:, :, None] & ~(shifts * np.array(pbc)).any(1)] = np.inf
        structure = Structure.from_atoms(atoms, "s")
        check(structure, SOME, "f")
        if d.min() <= CLOSEST:
            refused += 1
            with pytest.raises(InputError, match=f"{d.min():.3g} Å apart, closer than"):
                check_distances([structure], "f")
        else:
            check_distances([structure, structure], "f")
    assert refused > 0


def test_as_type_keeps_numbers_or_refuses() -> None:
    assert as_type([1.0, 2.0], np.uint8, (2,), "x").tolist() == [1, 2]
    for values, dtype in (([256], np.uint8), ([-1], np.uint8), ([np.nan], np.int64), ([1], np.bool_)):
        with pytest.raises(InputError, match="^x"):
            as_type(values, dtype, (1,), "x")
    with pytest.raises(InputError, match="different length"):
        as_type([[1], [1, 2]], np.float64, (2, 2), "x")


@pytest.mark.parametrize("far", [[1e6, 0, 0], [2000, 2000, 3], [1e12, 1, 1]])
def test_atoms_far_apart_do_not_kill_the_process(far) -> None:
    pos = np.array([[0, 0, 0], [1, 1, 1.0], far, np.add(far, [0, 0, 2.0])])
    edges, _ = nearest_edges_of(pos, np.zeros((3, 3)), np.zeros(3, dtype=bool), GraphSpec(6.0, 20))
    assert sorted(map(tuple, edges.T.tolist())) == [(0, 1), (1, 0), (2, 3), (3, 2)]
    pos[2] = 1e300
    with pytest.raises(InputError, match="too far apart"):
        nearest_edges_of(pos, np.zeros((3, 3)), np.zeros(3, dtype=bool), GraphSpec(6.0, 20))


def test_parts_with_files_of_one_name_are_other_systems(tmp_path) -> None:
    parts = {name: {"format": "ase", "path": f"{name}/frames.extxyz"} for name in ("a", "b")}
    for name in parts:
        (tmp_path / name).mkdir()
        ase.io.write(tmp_path / name / "frames.extxyz", frames(2))
        assert build(tmp_path, part=name, parts=parts) == 0
        assert set(Store(tmp_path / "store" / name).system_id) == {f"{name}/frames.extxyz"}


def test_a_long_tmpdir(tmp_path, monkeypatch) -> None:
    long = tmp_path / ("x" * 90)
    long.mkdir()
    monkeypatch.setenv("TMPDIR", str(long))
    monkeypatch.setattr(tempfile, "tempdir", None)
    ase.io.write(tmp_path / "frames.extxyz", frames(3))
    assert len(os.fspath(long)) > 90 and build(tmp_path, workers=2) == 0


@pytest.mark.parametrize(
    ("constraints", "fixed"),
    [
        ([FixCartesian([0])], [True, False]),
        ([FixCartesian([0], (True, True, False))], [False, False]),
        ([FixCartesian([0], (True, True, False)), FixCartesian([0], (False, False, True))], [True, False]),
        ([FixAtoms([1]), FixCartesian([0])], [True, True]),
    ],
)
def test_atoms_fixed_in_all_directions_are_fixed_atoms(constraints, fixed) -> None:
    atoms = Atoms("CuCu", [[0, 0, 0], [2, 0, 0]], constraint=constraints)
    assert Structure.from_atoms(atoms).fixed.tolist() == fixed


def test_a_label_that_no_frame_has_under_its_name_is_misspelt(tmp_path, capsys) -> None:
    text = extxyz(":force:R:3", "0.5 0 0", "REF_energy=1") + extxyz(info="a=1")
    (tmp_path / "frames.extxyz").write_text(text)
    labels = {"energy": "some", "forces": "some"}
    for wrong in ({"energy_key": "REF_enregy"}, {"forces_key": "froce"}):
        code = build(tmp_path, parts={"all": PART | wrong}, labels=labels)
        assert_refused(capsys, tmp_path, code, "frames.extxyz: no frame has", *wrong.values())
    named = PART | {"energy_key": "REF_energy", "forces_key": "force"}
    assert build(tmp_path, parts={"all": named}, labels=labels) == 0


def test_forces_alone_make_a_store_and_a_split(tmp_path) -> None:
    (tmp_path / "frames.extxyz").write_text(extxyz(":forces:R:3", "0.5 0 0", "a=1") * 12)
    assert build(tmp_path, parts={"all": PART}, labels={"energy": "some", "forces": "all"}) == 0
    arguments = ["--dataset", str(tmp_path / "test_data.yaml"), "--stores", str(tmp_path / "store")]
    assert main(["split", *arguments, "--output", str(tmp_path / "splits")]) == 0
    frames = Frames(tmp_path / "store", tmp_path / "splits" / "train.csv", None)
    assert np.isnan(frames.structure(0).energy) and frames.structure(0).forces[0, 0] == 0.5
