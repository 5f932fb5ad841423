"""Split manifests: seeded, independent of the order of the data, whole systems held out."""

import json
import tracemalloc
from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import yaml
from ase import Atoms
from ase.build import bulk
from pydantic import TypeAdapter

from leignn.cli import main
from leignn.config.dataset import load_dataset
from leignn.config.splits import ByMDSim, Splits
from leignn.data.splits import _by_mdsim, make_splits
from leignn.data.store import Store, write_store
from leignn.data.structure import Structure
from leignn.errors import InputError

DATASETS = Path(__file__).parents[3] / "config" / "datasets"


def make_store(path: Path, structures: list[Structure]) -> Store:
    write_store(path, [structures], {"dataset": "test", "part": path.name})
    return Store(path)


def split_by(rule: dict, stores: dict[str, Store]) -> tuple[dict[str, pd.DataFrame], dict]:
    return make_splits(TypeAdapter(Splits).validate_python(rule), stores)


def numbered(count: int, prefix: str = "s") -> list[Structure]:
    return [Structure.from_atoms(bulk("Cu"), f"{prefix}{n // 4:03d}", n % 4) for n in range(count)]


def keys(table: pd.DataFrame) -> set:
    return set(zip(table["part"], table["system_id"], table["frame"], strict=True))


def test_parts_do_not_depend_on_the_order_of_the_store(tmp_path) -> None:
    structures = numbered(100)
    shuffled = [structures[i] for i in np.random.default_rng(3).permutation(100)]
    rule = {"rule": "parts", "seed": 5, "train": "train", "validation_fraction": 0.2, "tests": ["id"]}
    results = []
    for name, order in (("a", structures), ("b", shuffled)):
        stores = {
            "train": make_store(tmp_path / name / "train", order),
            "id": make_store(tmp_path / name / "id", numbered(8, "i")),
        }
        splits, _ = split_by(rule, stores)
        results.append({split: keys(table) for split, table in splits.items()})
        for part, index, system in zip(
            *(splits["val"][c] for c in ("part", "index", "system_id")), strict=True
        ):
            assert stores[part].system_id[index] == system
    assert results[0] == results[1]
    assert {k: len(v) for k, v in results[0].items()} == {"train": 80, "val": 20, "id": 8}
    assert not results[0]["train"] & results[0]["val"]
    other, _ = split_by({**rule, "seed": 6}, stores)
    assert keys(other["val"]) != results[0]["val"]


def test_the_quarter_subset_is_a_subset(tmp_path) -> None:
    stores = {"train": make_store(tmp_path / "train", numbered(400))}
    stores["id"] = make_store(tmp_path / "id", numbered(4, "i"))
    rules = {
        name: load_dataset(name).splits.plain() | {"tests": ["id"]} for name in ("oc20_200k", "oc20_50k")
    }
    whole, _ = split_by(rules["oc20_200k"], stores)
    quarter, _ = split_by(rules["oc20_50k"], stores)
    assert len(quarter["train"]) == 80 and len(quarter["val"]) == 20
    everything = keys(whole["train"]) | keys(whole["val"])
    assert len(everything) == 400
    assert keys(quarter["train"]) | keys(quarter["val"]) < everything


def test_consecutive_blocks_do_not_interleave(tmp_path) -> None:
    structures = [Structure.from_atoms(bulk("Cu"), "md", n) for n in range(30)]
    counts = {"train": 20, "val": 5, "test": 5}
    rule = {"rule": "consecutive", "seed": 0, "counts": counts}
    splits, _ = split_by(rule, {"all": make_store(tmp_path / "all", structures)})
    assert list(splits["train"]["frame"]) == list(range(20))
    assert list(splits["test"]["frame"]) == list(range(25, 30))


def adsorbed(adsorbate: str, slab: str, system: str, frame: int) -> Structure:
    atoms = Atoms(slab + adsorbate, pbc=True, cell=[5, 5, 5], positions=np.zeros((3, 3)))
    atoms.set_tags([0, 1, 2])
    return Structure.from_atoms(atoms, system, frame)


def test_oc20_rule_holds_out_whole_systems_adsorbates_and_compositions(tmp_path) -> None:
    rng = np.random.default_rng(0)
    structures, kinds = [], {}
    for number in range(200):
        adsorbate, slab = (
            rng.choice(list("HCNOFS")),
            rng.choice(["CuAg", "AgCu", "PtNi", "PdAu", "AlCu", "NiAl"]),
        )
        kinds[f"sys{number}"] = (adsorbate, frozenset([slab[:2], slab[2:]]))
        structures += [adsorbed(adsorbate, slab, f"sys{number}", frame) for frame in range(3)]
    rule = {
        "rule": "oc20",
        "seed": 1,
        "fractions": {"val": 0.1, "id": 0.1, "adsorbates": 0.2, "compositions": 0.2},
    }
    splits, details = split_by(rule, {"all": make_store(tmp_path / "all", structures)})
    systems = {name: set(table["system_id"]) for name, table in splits.items()}
    assert sum(map(len, systems.values())) == 200 == len(set.union(*systems.values()))
    train = [kinds[s] for s in systems["train"]]
    seen_adsorbates, seen_slabs = {a for a, _ in train}, {c for _, c in train}
    for name, adsorbate_seen, slab_seen in [
        ("id", True, True),
        ("ood_ads", False, True),
        ("ood_cat", True, False),
        ("ood_both", False, False),
    ]:
        assert systems[name]
        for system in systems[name]:
            assert (kinds[system][0] in seen_adsorbates) == adsorbate_seen
            assert (kinds[system][1] in seen_slabs) == slab_seen
    assert details["systems"]["train"] == len(systems["train"])
    assert not seen_adsorbates & set(details["held_out_adsorbates"])


@pytest.mark.parametrize("seed", range(5))
def test_id_systems_keep_their_kinds_in_train_when_validation_takes_its_share(tmp_path, seed) -> None:
    """Most slabs are one of a pair: validation must not take the other one away."""
    rng = np.random.default_rng(seed)
    metals = ["Cu", "Ag", "Au", "Pt", "Pd", "Ni", "Al", "Ti", "Zr", "Fe", "Co", "Mo"]
    pairs = [a + b for number, a in enumerate(metals) for b in metals[:number]]
    kinds = {f"sys{n}": (rng.choice(list("HCNO")), pairs[n % len(pairs)]) for n in range(130)}
    structures = [adsorbed(*kind, name, 0) for name, kind in kinds.items()]
    fractions = {"val": 0.4, "id": 0.3, "adsorbates": 0.2, "compositions": 0.1}
    rule = {"rule": "oc20", "seed": seed, "fractions": fractions}
    splits, _ = split_by(rule, {"all": make_store(tmp_path / "all", structures)})
    train = [kinds[system] for system in splits["train"]["system_id"]]
    held = [kinds[system] for system in splits["id"]["system_id"]]
    assert len(held) > 5 and len(splits["val"]) > 5
    for position in (0, 1):
        assert {kind[position] for kind in held} <= {kind[position] for kind in train}


def run_split(folder: Path, **changes) -> int:
    content = load_dataset("lips_sample").plain() | changes
    (folder / "data.yaml").write_text(yaml.safe_dump(content))
    arguments = [
        "--dataset",
        folder / "data.yaml",
        "--stores",
        folder / "stores",
        "--output",
        folder / "splits",
    ]
    return main(["split", *map(str, arguments)])


def test_manifests_of_an_earlier_rule_are_removed_and_users_files_stay(tmp_path) -> None:
    make_store(tmp_path / "stores" / "all", numbered(12))
    (tmp_path / "splits").mkdir()
    (tmp_path / "splits" / "mine.csv").write_text("mine")
    manifest = tmp_path / "manifest.csv"
    manifest.write_text("split,system_id,frame\ntrain,s000,0\nval,s001,1\nhard,s001,2\n")
    assert run_split(tmp_path, splits={"rule": "manifest", "path": str(manifest), "tests": ["hard"]}) == 0
    assert (tmp_path / "splits" / "hard.csv").exists()
    manifest.write_text("split,system_id,frame\ntrain,s000,0\nval,s001,1\ntest,s001,2\n")
    assert run_split(tmp_path, splits={"rule": "manifest", "path": str(manifest)}) == 0
    found = {path.name for path in (tmp_path / "splits").iterdir()}
    assert found == {"train.csv", "val.csv", "test.csv", "mine.csv", "splits.json"}


def test_a_manifest_of_the_users(tmp_path, capsys) -> None:
    make_store(tmp_path / "stores" / "all", numbered(12))
    manifest = tmp_path / "manifest.csv"
    rows = [("train", "s000", 0), ("train", "s002", 3), ("val", "s001", 1), ("test", "s001", 2)]
    pd.DataFrame(rows, columns=["split", "system_id", "frame"]).to_csv(manifest, index=False)
    splits = {"rule": "manifest", "path": str(manifest)}
    assert run_split(tmp_path, splits=splits) == 0
    train = pd.read_csv(tmp_path / "splits" / "train.csv")
    assert train[["system_id", "frame", "index"]].values.tolist() == [["s000", 0, 0], ["s002", 3, 11]]
    assert json.loads((tmp_path / "splits" / "splits.json").read_text())["structures"]["train"] == 2

    pd.DataFrame([("train", "s009", 7)], columns=["split", "system_id", "frame"]).to_csv(
        manifest, index=False
    )
    assert run_split(tmp_path, splits=splits) == 2
    assert "frame 7 of system s009" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("rows", "words"),
    [
        ([("train", "s000", 0), ("val", "s000", 1)], "split 'test' is empty"),
        ([("train", "s000", 0), ("val", "s000", 0), ("test", "s000", 1)], "frame 0 of system s000"),
        ([("train", "s000", 0), ("holdout", "s000", 1)], "split 'holdout'"),
    ],
)
def test_a_manifest_is_held_to_its_splits(tmp_path, capsys, rows, words) -> None:
    make_store(tmp_path / "stores" / "all", numbered(12))
    manifest = tmp_path / "manifest.csv"
    pd.DataFrame(rows, columns=["split", "system_id", "frame"]).to_csv(manifest, index=False)
    assert run_split(tmp_path, splits={"rule": "manifest", "path": str(manifest)}) == 2
    assert words in capsys.readouterr().err
    assert not (tmp_path / "splits").exists()


def test_a_manifest_with_test_splits_of_its_own_and_parts(tmp_path) -> None:
    for part in ("train", "val_id"):
        make_store(tmp_path / part, numbered(8))
    rows = [("train", "train", "s000", 0), ("val", "train", "s000", 1), ("id", "val_id", "s000", 0)]
    pd.DataFrame(rows, columns=["split", "part", "system_id", "frame"]).to_csv(
        tmp_path / "manifest.csv", index=False
    )
    rule = {"rule": "manifest", "path": str(tmp_path / "manifest.csv"), "tests": ["id"]}
    stores = {part: Store(tmp_path / part) for part in ("train", "val_id")}
    splits, _ = split_by(rule, stores)
    assert {name: keys(table) for name, table in splits.items()} == {
        "train": {("train", "s000", 0)},
        "val": {("train", "s000", 1)},
        "id": {("val_id", "s000", 0)},
    }


def test_empty_split(tmp_path, capsys) -> None:
    make_store(tmp_path / "stores" / "all", numbered(4))
    make_store(tmp_path / "stores" / "other", numbered(4, "t"))
    parts = {name: {"format": "ase", "path": "a.traj"} for name in ("all", "other")}
    rule = {"rule": "parts", "seed": 0, "train": "all", "validation_fraction": 0.01, "tests": ["other"]}
    assert run_split(tmp_path, splits=rule, parts=parts) == 2
    assert "split 'val' is empty" in capsys.readouterr().err
    assert not (tmp_path / "splits").exists()


def test_validation_that_is_a_part_of_its_own(tmp_path) -> None:
    """As ISO17 is published: every split is given; only a frame in two of them is refused."""
    stores = {name: make_store(tmp_path / name, numbered(8, name)) for name in ("train", "held", "test")}
    rule = {"rule": "parts", "seed": 0, "train": "train", "validation": "held", "tests": ["test"]}
    splits, _ = split_by(rule, stores)
    assert {name: set(table["part"]) for name, table in splits.items()} == {
        "train": {"train"},
        "val": {"held"},
        "test": {"test"},
    }
    assert all(len(table) == 8 for table in splits.values())
    stores["test"] = make_store(tmp_path / "twice", [*numbered(4, "test"), numbered(7, "train")[-1]])
    with pytest.raises(InputError, match="frame 2 of system train001 is in the splits train and test"):
        split_by(rule, stores)


def test_a_frame_takes_little_memory(tmp_path, monkeypatch) -> None:
    """ISO17 has 635 000 of them; a string and its place in a column would already take 60 bytes each."""
    monkeypatch.setattr("leignn.data.splits.BLOCK", 256)
    rule = {"rule": "parts", "seed": 0, "train": "train", "validation": "held", "tests": ["test"]}
    one = Structure.from_atoms(Atoms("H"))

    def peak(count: int) -> int:
        stores = {}
        for part in ("train", "held", "test"):
            frames = [replace(one, system_id=f"{part}{n % 5}", frame=n) for n in range(count // 3)]
            stores[part] = make_store(tmp_path / str(count) / part, frames)
        tracemalloc.start()
        split_by(rule, stores)
        _, highest = tracemalloc.get_traced_memory()
        tracemalloc.stop()
        return highest

    peak(30)  # imports
    assert peak(12_000) - peak(3_000) < 100 * 9_000


def test_all_the_rest_tests(tmp_path) -> None:
    stores = {"all": make_store(tmp_path / "all", numbered(40))}
    rule = {"rule": "random", "seed": 0, "counts": {"train": 20, "val": 4, "test": "rest"}}
    splits, _ = split_by(rule, stores)
    assert {name: len(table) for name, table in splits.items()} == {"train": 20, "val": 4, "test": 16}
    assert len(set.union(*(keys(table) for table in splits.values()))) == 40
    rule["counts"]["train"] = 50
    with pytest.raises(InputError, match="ask for 54 frames, the data set has 40"):
        split_by(rule, stores)


def test_more_frames_asked_for_than_there_are(tmp_path) -> None:
    counts = {"train": 20, "val": 5, "test": 5}
    with pytest.raises(InputError, match="30 frames, the data set has 12"):
        split_by(
            {"rule": "random", "seed": 0, "counts": counts},
            {"all": make_store(tmp_path / "all", numbered(12))},
        )


def test_mdsim_splits_are_those_of_scikit_learn(tmp_path) -> None:
    """Indices that ``train_test_split`` of scikit-learn 1.9.1 gives, called as MDSim and the authors do."""
    structures = [Structure.from_atoms(bulk("Cu"), "s", n) for n in range(47)]
    stores = {"all": make_store(tmp_path / "all", structures)}
    splits, _ = split_by({"rule": "mdsim", "seed": 123, "test": 0.2, "validation": 0.1}, stores)
    assert splits["test"]["frame"].tolist() == sorted([8, 11, 44, 18, 43, 31, 42, 10, 5, 1])
    assert splits["val"]["frame"].tolist() == [3, 15, 20, 21]
    assert len(splits["train"]) == 33
    lips = pd.DataFrame({"part": "all", "index": range(25001), "system_id": "lips", "frame": range(25001)})
    found = _by_mdsim(ByMDSim(rule="mdsim", seed=123, test=5001, validation=1000), lips)
    ends = {name: (table["frame"].iloc[0], table["frame"].iloc[-1]) for name, table in found.items()}
    assert ends == {"train": (22841, 23728), "val": (13592, 3639), "test": (20000, 9064)}
    with pytest.raises(InputError, match="ask for 47 frames for test, of 47"):
        split_by({"rule": "mdsim", "seed": 123, "test": 47, "validation": 0.1}, stores)
