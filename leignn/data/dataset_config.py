"""The YAML file that describes a data set: sources, labels, splits, graph and protocol."""

from pathlib import Path
from typing import Any

from leignn.config import load_validated
from leignn.errors import InputError

OC20_TESTS = ["id", "ood_ads", "ood_cat", "ood_both"]


def load_dataset(path: Path) -> dict[str, Any]:
    """Read and validate ``config/datasets/<name>.yaml``.

    Raises:
        InputError: the file cannot be read, or a key or value is not in the schema.
    """
    if not Path(path).exists():
        known = ", ".join(sorted(p.stem for p in Path(path).parent.glob("*.yaml")))
        raise InputError(f"unknown data set {Path(path).stem!r}: {Path(path).parent} has {known}")
    dataset = load_validated(path, "dataset")
    dataset["name"] = Path(path).stem
    return dataset


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
