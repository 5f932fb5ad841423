"""From raw files to a store: what goes in comes out, and bad input ends in one sentence."""

import errno
import lzma
from pathlib import Path

import ase.io
import numpy as np
import pytest
import yaml
from ase import Atoms, units
from ase.build import fcc111, molecule
from ase.calculators.singlepoint import SinglePointCalculator
from ase.constraints import FixAtoms

from leignn.cli import main
from leignn.config.base import load_yaml
from leignn.data.store import Store
from leignn.files import read_json, write_json
from leignn.resources import CONFIG

RULE = {"rule": "random", "seed": 0, "counts": {"train": 2, "val": 1, "test": 1}}


def frames(count: int, seed: int = 0) -> list[Atoms]:
    """Rattled slabs with an adsorbate, tags, fixed layers and random labels."""
    rng = np.random.default_rng(seed)
    found = []
    for number in range(count):
        atoms = fcc111("Cu", (2, 2, 2), vacuum=6.0, periodic=True)
        atoms.set_tags([0] * 4 + [1] * 4)
        adsorbate = molecule("CO")
        adsorbate.set_tags(2)
        adsorbate.positions += atoms.positions[-1] + [0, 0, 2]
        atoms += adsorbate
        atoms.positions += rng.normal(0, 0.1, atoms.positions.shape)
        atoms.set_constraint(FixAtoms(range(4)))
        atoms.info = {"sid": f"s{number // 3}", "fid": number % 3}
        atoms.calc = SinglePointCalculator(
            atoms, energy=float(rng.normal()), forces=rng.normal(size=(len(atoms), 3))
        )
        found.append(atoms)
    return found


def dataset_file(folder: Path, **changes) -> Path:
    content = {
        "title": "test data",
        "stand_in": True,
        "level": "none",
        "energy_name": "energy",
        "published_as": None,
        "labels": {"energy": "all", "forces": "all"},
        "source": {"files": True},
        "parts": {"all": {"format": "ase", "path": "frames.extxyz", "system_id": "sid", "frame": "fid"}},
        "splits": RULE,
        "graph": {"cutoff": 5.0, "max_neighbors": 20, "rule": "strict"},
        "training": load_yaml(CONFIG / "datasets" / "bases" / "mdsim.yaml")["training"],
    } | changes
    path = folder / "test_data.yaml"
    path.write_text(yaml.safe_dump(content))
    return path


def build(folder: Path, workers: int = 1, part: str = "all", **changes) -> int:
    dataset = dataset_file(folder, **changes)
    arguments = ["--dataset", dataset, "--part", part, "--raw", folder, "--output", folder / "store" / part]
    return main(["build-store", *map(str, arguments), "--workers", str(workers)])


def write_shard(folder: Path, atoms: list[Atoms], number: int = 0, reference: float = 1.5) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    ase.io.write(folder / f"{number}.extxyz", atoms, format="extxyz")
    text = (folder / f"{number}.extxyz").read_bytes()
    (folder / f"{number}.extxyz").unlink()
    (folder / f"{number}.extxyz.xz").write_bytes(lzma.compress(text))
    labels = "".join(f"{a.info['sid']},frame{a.info['fid']},{reference}\n" for a in atoms)
    (folder / f"{number}.txt.xz").write_bytes(lzma.compress(labels.encode()))


RAW = {"parts": {"all": {"format": "oc20_raw", "path": "raw"}}}


def assert_refused(capsys, folder: Path, code: int, *words: str) -> None:
    assert code == 2
    message = capsys.readouterr().err.strip()
    assert len(message.splitlines()) == 1, message
    for word in words:
        assert word in message, message
    assert not (folder / "store" / "all").exists()
    left = [p for p in (folder / "store").glob("*")] if (folder / "store").exists() else []
    assert left == []


def test_a_store_holds_what_the_file_says(tmp_path) -> None:
    atoms = frames(300)
    ase.io.write(tmp_path / "frames.extxyz", atoms)
    assert build(tmp_path, workers=2) == 0
    store = Store(tmp_path / "store" / "all")
    assert len(store) == 300
    for index in (0, 127, 128, 299):
        found, expected = store[index], atoms[index]
        np.testing.assert_allclose(found.pos, expected.positions, atol=1e-8)
        np.testing.assert_allclose(found.cell, expected.cell.array, atol=1e-8)
        np.testing.assert_allclose(found.forces, expected.get_forces(apply_constraint=False), atol=1e-6)
        np.testing.assert_array_equal(found.atomic_numbers, expected.numbers)
        np.testing.assert_array_equal(found.tags, expected.get_tags())
        np.testing.assert_array_equal(np.flatnonzero(found.fixed), range(4))
        assert found.energy == pytest.approx(expected.get_potential_energy(), abs=1e-8)
        assert (found.system_id, found.frame) == (expected.info["sid"], expected.info["fid"])
    assert store.meta["counts"] == {
        "structures": 300,
        "atoms": 3000,
        "with_energy": 300,
        "with_forces": 300,
    }
    assert store.meta["elements"] == ["C", "O", "Cu"]


@pytest.mark.parametrize("workers", [1, 2])
def test_oc20_shards_are_read_in_numeric_order_with_references_taken_off(tmp_path, workers) -> None:
    atoms = frames(30)
    for number, start in ((10, 20), (2, 10), (1, 0)):
        write_shard(tmp_path / "raw" / "nested", atoms[start : start + 10], number)
    assert build(tmp_path, workers, **RAW) == 0
    store = Store(tmp_path / "store" / "all")
    assert list(store.system_id) == [a.info["sid"] for a in atoms]
    np.testing.assert_allclose(store.energy, [a.get_potential_energy() - 1.5 for a in atoms], atol=1e-8)
    assert len(store.meta["sources"]) == 6


def test_the_same_input_gives_the_same_arrays(tmp_path) -> None:
    ase.io.write(tmp_path / "frames.extxyz", frames(50))
    sums = []
    for workers in (1, 2):
        assert build(tmp_path, workers) == 0
        sums.append(Store(tmp_path / "store" / "all").meta["sha256"])
    assert sums[0] == sums[1]


def test_other_formats_of_ase_and_default_names(tmp_path) -> None:
    ase.io.write(tmp_path / "frames.traj", frames(5))
    assert build(tmp_path, parts={"all": {"format": "ase", "path": "frames.traj"}}) == 0
    store = Store(tmp_path / "store" / "all")
    assert list(store.frame) == [0, 1, 2, 3, 4]
    assert set(store.system_id) == {"frames"}


def test_rmd17_in_electronvolts(tmp_path) -> None:
    rng = np.random.default_rng(0)
    arrays = {
        "nuclear_charges": np.array([8, 1, 1]),
        "coords": rng.normal(size=(4, 3, 3)),
        "energies": rng.normal(size=4),
        "forces": rng.normal(size=(4, 3, 3)),
        "old_indices": np.array([7, 3, 9, 1]),
    }
    np.savez(tmp_path / "water.npz", **arrays)
    parts = {"all": {"format": "rmd17_npz", "path": "water.npz"}}
    assert build(tmp_path, parts=parts) == 0
    structure = Store(tmp_path / "store" / "all")[2]
    assert structure.energy == pytest.approx(arrays["energies"][2] * units.kcal / units.mol)
    np.testing.assert_allclose(structure.forces, arrays["forces"][2] * 0.0433641, rtol=1e-5)
    assert not structure.pbc.any() and structure.frame == 9


def test_energies_above_the_last_frame_and_ignored_ones(tmp_path) -> None:
    atoms = frames(9)
    ase.io.write(tmp_path / "frames.extxyz", atoms)
    part = {"format": "ase", "path": "frames.extxyz", "system_id": "sid", "frame": "fid"}
    assert build(tmp_path, parts={"all": part | {"energy_reference": "last_frame"}}) == 0
    energies = np.array([a.get_potential_energy() for a in atoms]).reshape(3, 3)
    expected = (energies - energies[:, [2]]).ravel()
    np.testing.assert_allclose(Store(tmp_path / "store" / "all").energy, expected, atol=1e-7)
    some = {"energy": "some", "forces": "all"}
    assert build(tmp_path, parts={"all": part | {"energy": "ignore"}}, labels=some) == 0
    assert np.isnan(Store(tmp_path / "store" / "all").energy).all()


def test_truncated_shard(tmp_path, capsys) -> None:
    write_shard(tmp_path / "raw", frames(20))
    shard = tmp_path / "raw" / "0.extxyz.xz"
    whole = shard.read_bytes()
    shard.write_bytes(whole[: len(whole) // 2])
    assert_refused(capsys, tmp_path, build(tmp_path, **RAW), "0.extxyz.xz", "truncated")
    shard.write_bytes(whole)  # and a rerun goes through
    assert build(tmp_path, **RAW) == 0


def test_corrupt_shard(tmp_path, capsys) -> None:
    write_shard(tmp_path / "raw", frames(20))
    shard = tmp_path / "raw" / "0.extxyz.xz"
    content = bytearray(shard.read_bytes())
    content[200:260] = bytes(60)
    shard.write_bytes(bytes(content))
    assert_refused(capsys, tmp_path, build(tmp_path, **RAW), "0.extxyz.xz", "corrupt")


def test_shard_and_labels_of_different_length(tmp_path, capsys) -> None:
    atoms = frames(20)
    for change in (atoms[:-1], [*atoms, atoms[0]]):
        write_shard(tmp_path / "raw", atoms)
        labels = "".join(f"{a.info['sid']},{a.info['fid']},0.0\n" for a in change)
        (tmp_path / "raw" / "0.txt.xz").write_bytes(lzma.compress(labels.encode()))
        assert_refused(capsys, tmp_path, build(tmp_path, **RAW), "0.txt.xz", f"{len(change)} lines")


def test_labels_that_are_no_labels(tmp_path, capsys) -> None:
    write_shard(tmp_path / "raw", frames(2))
    (tmp_path / "raw" / "0.txt.xz").write_bytes(lzma.compress(b"s0,0,1.0\ns0,1\n"))
    assert_refused(capsys, tmp_path, build(tmp_path, **RAW), "0.txt.xz", "line 2", "'s0,1'")


def test_frame_cut_off(tmp_path, capsys) -> None:
    ase.io.write(tmp_path / "frames.extxyz", frames(3))
    lines = (tmp_path / "frames.extxyz").read_text().splitlines(keepends=True)
    (tmp_path / "frames.extxyz").write_text("".join(lines[:-4]))
    assert_refused(capsys, tmp_path, build(tmp_path), "frames.extxyz", "frame 2", "cut off")


def test_frame_that_does_not_parse(tmp_path, capsys) -> None:
    ase.io.write(tmp_path / "frames.extxyz", frames(3))
    text = (tmp_path / "frames.extxyz").read_text().splitlines(keepends=True)
    text[14] = text[14].replace("Cu", "Cu x", 1)
    (tmp_path / "frames.extxyz").write_text("".join(text))
    assert_refused(capsys, tmp_path, build(tmp_path), "frames.extxyz", "frame 1")


@pytest.mark.parametrize("value", [np.nan, np.inf])
def test_forces_that_are_no_numbers(tmp_path, capsys, value) -> None:
    atoms = frames(3)
    forces = atoms[1].get_forces(apply_constraint=False)
    forces[5, 1] = value
    atoms[1].calc = SinglePointCalculator(atoms[1], energy=0.0, forces=forces)
    ase.io.write(tmp_path / "frames.extxyz", atoms)
    assert_refused(capsys, tmp_path, build(tmp_path), "frame 1 of system s0", "atom 5", str(value))


def test_missing_labels_where_all_are_declared(tmp_path, capsys) -> None:
    atoms = frames(3)
    forces = atoms[2].get_forces(apply_constraint=False)
    atoms[2].calc = SinglePointCalculator(atoms[2], forces=forces)
    ase.io.write(tmp_path / "frames.extxyz", atoms)
    assert_refused(capsys, tmp_path, build(tmp_path), "frame 2 of system s0", "no energy")
    assert build(tmp_path, labels={"energy": "some", "forces": "all"}) == 0
    assert Store(tmp_path / "store" / "all").meta["counts"]["with_energy"] == 2


def test_missing_forces_where_all_are_declared(tmp_path, capsys) -> None:
    atoms = frames(2)
    atoms[1].calc = SinglePointCalculator(atoms[1], energy=1.0)
    ase.io.write(tmp_path / "frames.traj", atoms)
    parts = {"all": {"format": "ase", "path": "frames.traj"}}
    assert_refused(capsys, tmp_path, build(tmp_path, parts=parts), "frame 1", "no forces")


def test_unknown_element(tmp_path, capsys) -> None:
    atoms = frames(2)
    ase.io.write(tmp_path / "frames.extxyz", atoms)
    text = (tmp_path / "frames.extxyz").read_text().replace("Cu  ", "X   ", 1)
    (tmp_path / "frames.extxyz").write_text(text)
    assert_refused(capsys, tmp_path, build(tmp_path), "frame 0 of system s0", "unknown element")


def test_singular_cell(tmp_path, capsys) -> None:
    atoms = frames(2)
    atoms[1].cell[1] = atoms[1].cell[0]
    ase.io.write(tmp_path / "frames.extxyz", atoms)
    assert_refused(capsys, tmp_path, build(tmp_path), "frame 1 of system s0", "singular cell")


def test_duplicate_frames(tmp_path, capsys) -> None:
    atoms = frames(6)
    atoms[5].info["fid"] = 0
    ase.io.write(tmp_path / "frames.extxyz", atoms)
    assert_refused(capsys, tmp_path, build(tmp_path), "frame 0 of system s1", "more than once")


def test_missing_file_and_missing_key(tmp_path, capsys) -> None:
    assert_refused(capsys, tmp_path, build(tmp_path), "frames.extxyz does not exist", "samples_dir")
    ase.io.write(tmp_path / "frames.extxyz", frames(2))
    parts = {"all": {"format": "ase", "path": "frames.extxyz", "system_id": "name"}}
    assert_refused(capsys, tmp_path, build(tmp_path, parts=parts), "frame 0", "'name'")


def test_unknown_keys_and_parts(tmp_path, capsys) -> None:
    assert_refused(capsys, tmp_path, build(tmp_path, colour="red"), "test_data.yaml", "colour")
    assert_refused(capsys, tmp_path, build(tmp_path, part="other"), "'other'")
    assert_refused(capsys, tmp_path, build(tmp_path, workers=0), "--workers: '0' is no whole number from 1")


def test_full_disk(tmp_path, capsys, monkeypatch) -> None:
    """ENOSPC at the worst moment: the store's last file."""
    ase.io.write(tmp_path / "frames.extxyz", frames(4))
    write_text = Path.write_text

    def no_space(path: Path, *args, **kwargs) -> int:
        if "store.json" in path.name:
            raise OSError(errno.ENOSPC, "No space left on device", path.name)
        return write_text(path, *args, **kwargs)

    with monkeypatch.context() as patch:
        patch.setattr(Path, "write_text", no_space)
        assert_refused(capsys, tmp_path, build(tmp_path), "disk is full", "store.json")
    assert build(tmp_path) == 0


def test_a_folder_of_other_things_is_not_replaced(tmp_path, capsys) -> None:
    ase.io.write(tmp_path / "frames.extxyz", frames(2))
    (tmp_path / "store" / "all").mkdir(parents=True)
    (tmp_path / "store" / "all" / "thesis.tex").write_text("years of work")
    assert build(tmp_path) == 2
    assert "something else than a store" in capsys.readouterr().err
    assert (tmp_path / "store" / "all" / "thesis.tex").read_text() == "years of work"


def test_a_folder_without_store(tmp_path) -> None:
    from leignn.errors import InputError

    with pytest.raises(InputError, match="no readable store"):
        Store(tmp_path)
    ase.io.write(tmp_path / "frames.extxyz", frames(2))
    build(tmp_path)
    meta = tmp_path / "store" / "all" / "store.json"
    write_json(meta, read_json(meta) | {"schema": 99})
    with pytest.raises(InputError, match="schema 99"):
        Store(tmp_path / "store" / "all")
