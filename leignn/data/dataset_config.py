"""The YAML file that describes a data set: sources, labels, splits, graph and protocol."""

from pathlib import Path
from typing import Any

from leignn.config import load_yaml, validate
from leignn.errors import InputError
from leignn.resources import config_file

DATASET_HELP = "a YAML file, or the name of one in config/datasets"
OC20_TESTS = ["id", "ood_ads", "ood_cat", "ood_both"]


def find_dataset(name: str) -> Path:
    """File of the data set called ``name``; a YAML file is itself."""
    return Path(name) if name.endswith(".yaml") else config_file(f"datasets/{name}.yaml")


def load_dataset(path: Path) -> dict[str, Any]:
    """Read and validate ``config/datasets/<name>.yaml``.

    Keys that it lacks come from its ``base``: ``bases/<base>.yaml`` beside it, or the shipped one.

    Raises:
        InputError: a file cannot be read, or a key or value is not in the schema.
    """
    path = Path(path)
    if not path.exists():
        known = ", ".join(sorted(p.stem for p in path.parent.glob("*.yaml")))
        raise InputError(f"unknown data set {path.stem!r}: {path.parent} has {known}")
    dataset = {}
    for file in [*base_files(path), path]:
        dataset |= load_yaml(file)
    dataset.pop("base", None)
    validate(dataset, "dataset", path)
    dataset["name"] = path.stem
    return dataset


def base_files(path: Path) -> list[Path]:
    """The file that a data set's ``base`` names, if it has one."""
    base = load_yaml(path).get("base")
    if base is None:
        return []
    own = Path(path).parent / "bases" / f"{base}.yaml"
    return [own if own.exists() else config_file(f"datasets/bases/{base}.yaml")]


def stores_of(dataset: dict[str, Any]) -> str:
    """Name of the data set whose stores this one reads: its own, or ``source: {dataset: …}``."""
    return dataset["source"].get("dataset", dataset["name"])


def test_splits(dataset: dict[str, Any]) -> list[str]:
    """Names of the splits that are evaluated, in the tables' order."""
    splits = dataset["splits"]
    if splits["rule"] == "parts":
        return list(splits["tests"])
    if splits["rule"] == "oc20":
        return OC20_TESTS
    if splits["rule"] == "manifest":
        return list(splits.get("tests", ["test"]))
    return ["test"]
