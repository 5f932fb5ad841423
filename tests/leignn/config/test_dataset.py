"""The data sets' YAML files: a wrong key is named; the protocols are the published ones."""

from pathlib import Path

import pytest
import yaml

from leignn.config.dataset import dataset_names, load_dataset
from leignn.errors import InputError
from leignn.resources import CONFIG

DATASETS = CONFIG / "datasets"
OOD = ["id", "ood_ads", "ood_cat", "ood_both"]


@pytest.mark.parametrize(
    ("place", "key", "value", "words"),
    [
        ((), "colour", "red", ["colour"]),
        (("md",), "barostat", "none", ["md", "barostat"]),
        (("md", "simulation"), "timestep", 0, ["md.simulation.timestep", "0"]),
        (("labels",), "stress", "all", ["labels", "stress"]),
        (("labels",), "energy", "most", ["labels.energy", "most"]),
        (("parts", "all"), "tags", 3, ["parts.all", "tags"]),
        (("parts", "all"), "format", "lmdb", ["parts.all.format", "lmdb"]),
        (("splits",), "colour", 1, ["splits", "colour"]),
        (("splits",), "rule", "kfold", ["splits.rule", "kfold"]),
        (("splits", "counts"), "holdout", 5, ["splits.counts", "holdout"]),
        (("splits", "counts"), "val", 0, ["splits.counts.val", "0"]),
        (("splits", "counts"), "test", "all", ["splits.counts.test", "all"]),
        (("graph",), "radius", 5.0, ["graph", "radius"]),
        (("source",), "ftp", True, ["source", "ftp"]),
    ],
)
def test_a_wrong_key_or_value_is_named(tmp_path, place, key, value, words) -> None:
    content = load_dataset("lips_sample").plain()
    target = content
    for name in place:
        target = target[name]
    target[key] = value
    (tmp_path / "mine.yaml").write_text(yaml.safe_dump(content))
    with pytest.raises(InputError) as error:
        load_dataset(tmp_path / "mine.yaml")
    assert len(str(error.value).splitlines()) == 1
    for word in ["mine.yaml", *words]:
        assert word in str(error.value)


def test_an_unknown_data_set_lists_the_known() -> None:
    with pytest.raises(InputError, match="'oc20_20k'.*lips_sample"):
        load_dataset("oc20_20k")


def test_names_of_stores_and_splits() -> None:
    half = load_dataset("oc20_50k")
    assert (half.name, half.stores, half.test_splits) == ("oc20_50k", "oc20_200k", OOD)
    for name, splits in [("oc20_sample", OOD), ("lips_sample", ["test"]), ("rmd17_ethanol", ["test"])]:
        dataset = load_dataset(name)
        assert (dataset.stores, dataset.test_splits) == (name, splits)


MD = {
    "learning_rate": 5e-4,
    "min_learning_rate": 5e-5,
    "batch_size": 32,
    "energy_weight": 0.001,
    "forces_weight": 0.999,
    "energy_target": "minus_train_mean",
    "clip_norm": 100,
    "evaluate_every": 2500,
    "early_stopping": 10,
}
OC20 = {
    "learning_rate": 2e-4,
    "min_learning_rate": 1e-6,
    "batch_size": 32,
    "energy_weight": 1,
    "forces_weight": 50,
    "energy_target": "as_is",
    "clip_norm": 50,
    "early_stopping": 20,
}


def test_published_protocols() -> None:
    """The training-protocol table of the paper's authors."""
    found = {name: load_dataset(name) for name in dataset_names()}
    assert len(found) == 45
    for name, dataset in found.items():
        if name == "iso17":
            continue
        is_md = not name.startswith("oc20")
        protocol = MD if is_md else OC20
        training = {key: getattr(dataset.training, key) for key in protocol}
        if name == "oc20_sample":  # few energies: deviates, and its file says why
            training["energy_weight"] = 1
        assert training == protocol, name
        graph = (5.0, 50, "ties") if is_md else (6.0, 20, "strict")
        assert tuple(dataset.graph.model_dump().values()) == graph, name
    assert found["oc20_50k"].training.evaluate_every == 2000
    assert found["oc20_200k"].training.evaluate_every == 5000
    generated = {name for name, d in found.items() if d.stand_in}
    assert generated == {"oc20_standin", "melt_standin", "solid_standin", "gas_standin"}
    published = {d.published_as for d in found.values()}
    assert published == {None, "OC20-50K", "OC20-200K", "MD17", "rMD17", "ISO17", "LiPS"}
    iso17 = found["iso17"].training.plain()
    protocol = OC20 | {"energy_target": "minus_train_mean", "batch_size": 64, "clip_norm": 100}
    protocol |= {"early_stopping": 10, "evaluate_every": 20000}
    assert {key: iso17[key] for key in protocol} == protocol
    assert tuple(found["iso17"].graph.model_dump().values()) == (6.0, 20, "ties")


def test_the_ten_molecules_in_each_family() -> None:
    members = {}
    for name in dataset_names():
        family, _, molecule = name.rpartition("_")
        if "md17" not in family:
            continue
        dataset = load_dataset(name)
        assert dataset.name == name and dataset.files[0].resolve() == DATASETS / f"{family}.yaml"
        assert dataset.member == molecule and molecule in dataset.title
        assert all(molecule in part.path for part in dataset.parts.values())
        members.setdefault(family, set()).add(molecule)
    assert set(members) == {"md17", "rmd17", "rmd17_full"}
    assert len(members["md17"]) == 10 and all(found == members["md17"] for found in members.values())


def test_a_base_that_is_not_there(tmp_path) -> None:
    content = yaml.safe_load((DATASETS / "lips.yaml").read_text())
    content["base"] = "nowhere"
    (tmp_path / "mine.yaml").write_text(yaml.safe_dump(content))
    with pytest.raises(InputError, match=r"bases/nowhere\.yaml cannot be read"):
        load_dataset(tmp_path / "mine.yaml")


def test_a_family_of_data_sets_is_one_file(tmp_path, monkeypatch) -> None:
    with pytest.raises(InputError, match=r"has several data sets: name one, such as md17_aspirin"):
        load_dataset(DATASETS / "md17.yaml")
    with pytest.raises(InputError, match="unknown data set 'md17_water'"):
        load_dataset("md17_water")
    folder = tmp_path / "config" / "datasets"
    folder.mkdir(parents=True)
    family = (DATASETS / "md17.yaml").read_text().replace("members: [aspirin", "members: [water")
    (folder / "md17.yaml").write_text(family)
    monkeypatch.chdir(tmp_path)
    water = load_dataset("md17_water")
    assert (water.name, water.title, water.parts["all"].path) == (
        "md17_water",
        "MD17 water",
        "md17_water.npz",
    )
    assert water.files == [Path("config/datasets/md17.yaml")]


def test_the_part_of_the_reference_is_there(tmp_path) -> None:
    content = load_dataset("melt_standin").plain()
    content["md"]["reference"]["part"] = "aimd"
    (tmp_path / "mine.yaml").write_text(yaml.safe_dump(content))
    with pytest.raises(InputError, match="no part 'aimd'"):
        load_dataset(tmp_path / "mine.yaml")
