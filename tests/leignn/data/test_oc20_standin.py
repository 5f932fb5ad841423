import errno
import json
import lzma
from collections import defaultdict
from pathlib import Path

import numpy as np
import pytest
from ase import Atoms
from ase.build import molecule
from ase.calculators.emt import EMT
from ase.constraints import FixAtoms
from ase.io import read
from ase.optimize import BFGS

from leignn.cli import main
from leignn.data import oc20_standin
from leignn.data.oc20_standin import VALIDATION_SPLITS, generate, plan

SPLITS = ("train", *VALIDATION_SPLITS)
TRAIN, VALIDATION = 55, 10


def text_of(path: Path) -> str:
    return lzma.decompress(path.read_bytes()).decode()


@pytest.fixture(scope="module")
def standin(tmp_path_factory) -> Path:
    folder = tmp_path_factory.mktemp("raw") / "oc20_standin"
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(oc20_standin, "SHARD_FRAMES", 30)
        generate(folder, TRAIN, VALIDATION, seed=3, workers=2)
    return folder


@pytest.fixture(scope="module")
def systems(standin) -> dict[str, dict[str, list[tuple[Atoms, float]]]]:
    """split -> system_id -> (atoms, reference energy), as anyone would read them."""
    found = {}
    for split in SPLITS:
        found[split] = defaultdict(list)
        for shard in sorted((standin / split).glob("*.extxyz.xz")):
            frames = read(shard, ":")
            lines = text_of(shard.with_name(shard.name.replace("extxyz", "txt"))).splitlines()
            assert len(frames) == len(lines) <= 30
            for atoms, line in zip(frames, lines, strict=True):
                system_id, number, reference = line.split(",")
                assert number == f"frame{len(found[split][system_id])}"
                found[split][system_id].append((atoms, float(reference)))
    return found


def all_systems(systems) -> list[list[tuple[Atoms, float]]]:
    return [frames for split in SPLITS for frames in systems[split].values()]


def adsorbate_of(atoms: Atoms) -> str:
    return atoms[atoms.get_tags() == 2].symbols.formula.format("hill")


def composition_of(atoms: Atoms) -> str:
    return atoms[atoms.get_tags() != 2].symbols.formula.reduce()[0].format("hill")


def test_number_of_workers_changes_nothing(standin, tmp_path, monkeypatch):
    monkeypatch.setattr(oc20_standin, "SHARD_FRAMES", 30)
    generate(tmp_path / "again", TRAIN, VALIDATION, seed=3, workers=1)

    def contents(folder: Path) -> dict[str, str]:
        shards = {str(p.relative_to(folder)): text_of(p) for p in folder.rglob("*.xz")}
        return shards | {"generation": (folder / "generation.json").read_text()}

    assert contents(tmp_path / "again") == contents(standin)


def test_counts_and_unique_ids(standin, systems):
    counts = {split: sum(map(len, systems[split].values())) for split in SPLITS}
    assert counts == {"train": TRAIN} | dict.fromkeys(VALIDATION_SPLITS, VALIDATION)
    assert json.loads((standin / "generation.json").read_text())["frames"] == counts
    assert len(list((standin / "train").glob("*.extxyz.xz"))) == 2
    ids = [system_id for split in SPLITS for system_id in systems[split]]
    assert len(set(ids)) == len(ids) == 10


def test_labels_are_emt_of_the_positions_in_the_file(systems):
    for frames in all_systems(systems):
        for atoms, _ in frames:
            again = Atoms(atoms.numbers, atoms.positions, cell=atoms.cell, pbc=True, calculator=EMT())
            assert atoms.get_potential_energy() == pytest.approx(again.get_potential_energy(), abs=1e-6)
            # Also the forces on fixed atoms, as in OC20.
            forces = atoms.get_forces(apply_constraint=False)
            np.testing.assert_allclose(forces, again.get_forces(), atol=1e-6)


def relaxed_energy(atoms: Atoms) -> float:
    atoms.calc = EMT()
    assert BFGS(atoms, logfile=None).run(fmax=0.003, steps=500)
    return atoms.get_potential_energy()


def test_target_is_the_adsorption_energy(systems):
    gas = {name: relaxed_energy(molecule(name)) for name in ("H2", "H2O", "CO", "N2")}
    per_atom = {"H": gas["H2"] / 2, "N": gas["N2"] / 2, "O": gas["H2O"] - gas["H2"]}
    per_atom["C"] = gas["CO"] - per_atom["O"]
    for frames in all_systems(systems):
        atoms, reference = frames[0]
        slab = atoms[atoms.get_tags() != 2]
        slab.set_constraint(FixAtoms(mask=slab.get_tags() == 0))
        adsorbate = atoms[atoms.get_tags() == 2]
        expected = relaxed_energy(slab) + sum(per_atom[symbol] for symbol in adsorbate.symbols)
        assert reference == pytest.approx(expected, abs=0.01)
        assert {value for _, value in frames} == {reference}


def test_bottom_layers_are_fixed(systems):
    for frames in all_systems(systems):
        first = frames[0][0]
        tags = first.get_tags()
        assert set(tags) == {0, 1, 2}
        heights = first.positions[:, 2]
        assert heights[tags == 0].max() < heights[tags == 1].min() - 0.1
        for atoms, _ in frames:
            np.testing.assert_array_equal(atoms.constraints[0].index, np.flatnonzero(tags == 0))
            np.testing.assert_array_equal(atoms.positions[tags == 0], first.positions[tags == 0])
            assert atoms.pbc.all()


def test_frames_are_sane(systems):
    frames = [frame for frames in all_systems(systems) for frame in frames]
    energies = np.array([atoms.get_potential_energy() - reference for atoms, reference in frames])
    forces = [atoms.get_forces()[atoms.get_tags() > 0] for atoms, _ in frames]
    norms = np.linalg.norm(np.concatenate(forces), axis=1)
    assert np.abs(energies).max() < 8
    assert energies.std() > 0.2
    assert norms.max() < 15
    assert 0.1 < np.abs(np.concatenate(forces)).mean() < 1
    for atoms, _ in frames:
        distances = atoms.get_all_distances(mic=True)
        assert distances[np.triu_indices(len(atoms), 1)].min() > 0.6


def test_split_rule_holds_in_the_files(systems):
    adsorbates, compositions = (
        {split: {of(frames[0][0]) for frames in systems[split].values()} for split in SPLITS}
        for of in (adsorbate_of, composition_of)
    )
    for split in ("id", "ood_cat"):
        assert adsorbates[split] <= adsorbates["train"]
    for split in ("id", "ood_ads"):
        assert compositions[split] <= compositions["train"]
    for split in ("ood_ads", "ood_both"):
        assert not adsorbates[split] & adsorbates["train"]
    for split in ("ood_cat", "ood_both"):
        assert not compositions[split] & compositions["train"]


@pytest.mark.parametrize("seed", [0, 1, 2])
def test_split_rule_holds_at_full_size(seed):
    systems, held_out = plan(train=2400, validation=220, seed=seed)
    adsorbates, sites = defaultdict(set), defaultdict(set)
    for system in systems:
        adsorbates[system.split].add(system.adsorbate)
        sites[system.split].add(system.sites)
    assert not adsorbates["train"] & set(held_out.adsorbates)
    assert not sites["train"] & set(held_out.compositions)
    assert adsorbates["id"] | adsorbates["ood_cat"] <= adsorbates["train"]
    assert sites["id"] | sites["ood_ads"] <= sites["train"]
    assert adsorbates["ood_ads"] | adsorbates["ood_both"] == set(held_out.adsorbates)
    assert sites["ood_cat"] | sites["ood_both"] <= set(held_out.compositions)
    # The out-of-domain splits ask for new combinations, never for an unknown element.
    elements = {
        symbol
        for names in (*sites["train"], *adsorbates["train"])
        for symbol in Atoms("".join(names)).symbols
    }
    assert elements == {"Al", "Cu", "Ag", "Au", "Ni", "Pd", "Pt", "H", "C", "N", "O"}


def test_seed_changes_the_systems():
    assert plan(100, 20, seed=0) != plan(100, 20, seed=1)


@pytest.mark.parametrize("option", ["--train", "--validation", "--workers"])
def test_count_below_one(option, tmp_path, capsys):
    arguments = ["generate-oc20-standin", "--output", str(tmp_path / "out"), option, "0"]
    assert main(arguments) == 2
    assert f"{option}: '0' is no whole number from 1" in capsys.readouterr().err
    assert not list(tmp_path.iterdir())


def test_full_disk_leaves_nothing(tmp_path, monkeypatch, capsys):
    def full(path, *_, **__):
        raise OSError(errno.ENOSPC, "No space left on device", str(path))

    monkeypatch.setattr(oc20_standin.lzma, "open", full)
    arguments = ["generate-oc20-standin", "--output", str(tmp_path / "out")]
    assert main([*arguments, "--train", "1", "--validation", "1", "--workers", "1"]) == 2
    assert "disk is full" in capsys.readouterr().err
    assert not list(tmp_path.iterdir())
