"""Write the split manifests of a data set: which frames train, validate and test.

Frames are sorted by part, system and frame number before a seeded permutation, so that a split
depends neither on the order of shards nor on the file system nor on the number of workers.
"""

import argparse
import math
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from ase.data import chemical_symbols
from ase.formula import Formula
from pandas.api.types import union_categoricals

from leignn.arguments import output_folder
from leignn.config.dataset import DATASET_HELP, load_dataset
from leignn.config.splits import ByCounts, ByManifest, ByMDSim, ByOC20, ByParts, Splits
from leignn.data.store import BLOCK, Store
from leignn.errors import InputError
from leignn.files import read_csv, read_json, replacing, write_json
from leignn.provenance import sha256

COLUMNS = ["part", "index", "system_id", "frame"]


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--dataset", required=True, help=DATASET_HELP)
    parser.add_argument("--stores", type=Path, required=True, help="folder with a store for each part")
    parser.add_argument("--output", type=output_folder, required=True, help="folder for <split>.csv")


def main(args: argparse.Namespace) -> None:
    dataset = load_dataset(args.dataset)
    stores = {part: Store(args.stores / part) for part in dataset.parts}
    splits, details = make_splits(dataset.splits, stores)
    for name, table in splits.items():
        if table.empty:
            raise InputError(f"{args.dataset}: split {name!r} is empty: {dataset.splits.plain()}")
    for name in _written_before(args.output):
        if name not in splits:  # of another rule; Frames would find it
            (args.output / f"{name}.csv").unlink(missing_ok=True)
    for name, table in splits.items():
        with replacing(args.output / f"{name}.csv") as temporary:
            table.to_csv(temporary, index=False, columns=COLUMNS)
    summary = {
        "dataset": dataset.name,
        **dataset.splits.plain(),
        **details,
        "structures": {name: len(table) for name, table in splits.items()},
        "stores": {part: sha256(store.path / "store.json") for part, store in stores.items()},
    }
    write_json(args.output / "splits.json", summary)


def _written_before(folder: Path) -> list[str]:
    """Splits whose manifests are in a folder because this command wrote them; users' own are left alone."""
    try:
        names = read_json(folder / "splits.json")["structures"]
    except (InputError, KeyError):
        return []
    return [name for name in names if Path(name).name == name]


def make_splits(rule: Splits, stores: dict[str, Store]) -> tuple[dict[str, pd.DataFrame], dict[str, Any]]:
    """Frames of every split (columns part, index, system_id, frame; sorted), and what the rule chose.

    Args:
        rule: the ``splits`` entry of the data set's YAML.
        stores: the store of every part.

    Raises:
        InputError: more frames asked for than there are, an unknown part, an unknown frame.
    """
    details: dict[str, Any] = {}
    match rule:
        case ByParts():
            splits = _by_parts(rule, stores)
        case ByOC20():
            splits, details = _by_oc20_rule(rule, _frames(stores), stores)
        case ByManifest():
            splits = _by_manifest(Path(rule.path), ["train", "val", *rule.tests], _frames(stores))
        case ByMDSim():
            splits = _by_mdsim(rule, _frames(stores))
        case ByCounts():
            splits = _by_counts(rule, _frames(stores))
    return {name: _sorted(table) for name, table in splits.items()}, details


def _frames(stores: dict[str, Store]) -> pd.DataFrame:
    """Every frame of the stores, sorted; parts and systems are categories, since strings take memory."""
    lengths = [len(store) for store in stores.values()]
    systems = [
        pd.Categorical(block)
        for store in stores.values()
        for block in np.array_split(store.system_id, len(store) // BLOCK + 1)
    ]
    table = pd.DataFrame(
        {
            "part": pd.Categorical(list(stores)).repeat(lengths),
            "index": np.concatenate([np.arange(length) for length in lengths]),
            "system_id": union_categoricals(systems, sort_categories=True),
            "frame": np.concatenate([store.frame for store in stores.values()]),
        }
    )
    return _sorted(table)


def _sorted(table: pd.DataFrame) -> pd.DataFrame:
    return table.sort_values(["part", "system_id", "frame"], ignore_index=True)


def _by_parts(rule: ByParts, stores: dict[str, Store]) -> dict[str, pd.DataFrame]:
    """Every split a part of its own; validation may be a fraction of the training part instead."""
    named = [rule.train, *rule.tests, *([rule.validation] if rule.validation else [])]
    for part in named:
        if part not in stores:
            raise InputError(f"splits name the part {part!r}, the data set has {', '.join(stores)}")
    frames = _frames({part: stores[part] for part in named})
    rows = {part: np.flatnonzero(frames["part"] == part) for part in named}
    order = np.random.default_rng(rule.seed).permutation(rows[rule.train])
    order = order[: round(rule.subset * len(order))]
    validation = round((rule.validation_fraction or 0.0) * len(order))
    splits = {"train": order[validation:], "val": order[:validation]}
    if rule.validation:
        splits["val"] = rows[rule.validation]
    splits |= {name: rows[name] for name in rule.tests}
    _refuse_shared_frames(frames, splits)
    return {name: frames.iloc[chosen] for name, chosen in splits.items()}


def _refuse_shared_frames(frames: pd.DataFrame, splits: dict[str, np.ndarray]) -> None:
    """Raise InputError if two of the splits, rows of ``frames``, have a frame in common."""
    rows = np.concatenate(list(splits.values()))
    systems, numbers = frames["system_id"].cat.codes.to_numpy()[rows], frames["frame"].to_numpy()[rows]
    order = np.lexsort((numbers, systems))
    systems, numbers = systems[order], numbers[order]
    shared = np.flatnonzero((systems[1:] == systems[:-1]) & (numbers[1:] == numbers[:-1]))
    if len(shared):
        row = frames.iloc[rows[order[shared + 1].min()]]
        same = (frames["system_id"] == row["system_id"]) & (frames["frame"] == row["frame"])
        names = " and ".join(name for name, chosen in splits.items() if same[chosen].any())
        raise InputError(f"frame {row['frame']} of system {row['system_id']} is in the splits {names}")


def _by_counts(rule: ByCounts, frames: pd.DataFrame) -> dict[str, pd.DataFrame]:
    """Frames at random, or in consecutive blocks: training first, then validation, then test."""
    counts = rule.counts.model_dump()
    if counts["test"] == "rest":
        counts["test"] = max(len(frames) - counts["train"] - counts["val"], 0)
    if sum(counts.values()) > len(frames):
        raise InputError(f"splits ask for {sum(counts.values())} frames, the data set has {len(frames)}")
    order = np.arange(len(frames))
    if rule.rule == "random":
        order = np.random.default_rng(rule.seed).permutation(len(frames))
    ends = np.cumsum([counts[name] for name in ("train", "val", "test")])
    blocks = np.split(order[: ends[-1]], ends[:-1])
    return {name: frames.iloc[block] for name, block in zip(("train", "val", "test"), blocks, strict=True)}


def _by_mdsim(rule: ByMDSim, frames: pd.DataFrame) -> dict[str, pd.DataFrame]:
    """MDSim's and the authors' splits of MD trajectories, to the frame.

    They call scikit-learn's ``train_test_split`` twice with one seed: first for the test split, then
    for the validation split of what is left. Sizes are counts or fractions, rounded up.
    """
    left, found = np.arange(len(frames)), {}
    for name, size in (("test", rule.test), ("val", rule.validation)):
        order = np.random.RandomState(rule.seed).permutation(len(left))
        size = math.ceil(size * len(left)) if size < 1 else size
        if size >= len(left):
            raise InputError(f"splits ask for {size} frames for {name}, of {len(left)} that are left")
        found[name], left = left[order[:size]], left[order[size:]]
    return {name: frames.iloc[rows] for name, rows in {"train": left, **found}.items()}


def _by_oc20_rule(
    rule: ByOC20, frames: pd.DataFrame, stores: dict[str, Store]
) -> tuple[dict[str, pd.DataFrame], dict[str, Any]]:
    """Hold out adsorbates and slab compositions, then whole systems, as Open Catalyst does.

    A composition is the set of elements of a slab: what a catalyst is made of, whatever the facet
    and the stoichiometry. ``id`` systems keep both their adsorbate and their composition in train.
    """
    first = frames.drop_duplicates(["part", "system_id"]).reset_index(drop=True)
    kinds = [
        _adsorbate_and_composition(stores[part], index)
        for part, index in zip(first["part"], first["index"], strict=True)
    ]
    adsorbate, composition = (np.array(column) for column in zip(*kinds, strict=True))
    fractions = rule.fractions
    rng = np.random.default_rng(rule.seed)
    held_adsorbates = _hold_out(adsorbate, fractions.adsorbates, rng)
    held_compositions = _hold_out(composition, fractions.compositions, rng)
    new_adsorbate = np.isin(adsorbate, held_adsorbates)
    new_composition = np.isin(composition, held_compositions)
    split = np.select(
        [new_adsorbate & new_composition, new_adsorbate, new_composition],
        ["ood_both", "ood_ads", "ood_cat"],
        default="train",
    )
    seen = np.flatnonzero(split == "train")
    for name, fraction in (("id", fractions.id), ("val", fractions.val)):
        wanted = round(fraction * len(seen))
        for system in rng.permutation(seen):
            if wanted == 0:
                break
            if split[system] != "train":
                continue
            rest = (split == "train") & (np.arange(len(split)) != system)
            needed = split == "id"  # whose adsorbates and compositions train has to keep
            needed[system] |= name == "id"
            if all(
                kind[system] in kind[rest] or kind[system] not in kind[needed]
                for kind in (adsorbate, composition)
            ):
                split[system], wanted = name, wanted - 1
    first["split"] = split
    table = frames.merge(first[["part", "system_id", "split"]], on=["part", "system_id"])
    names = ["train", "val", "id", "ood_ads", "ood_cat", "ood_both"]
    details = {
        "held_out_adsorbates": sorted(held_adsorbates),
        "held_out_compositions": sorted(held_compositions),
        "systems": {name: int((split == name).sum()) for name in names},
    }
    return {name: table[table["split"] == name] for name in names}, details


def _adsorbate_and_composition(store: Store, index: int) -> tuple[str, str]:
    structure = store[index]
    symbols = np.array(chemical_symbols)[structure.atomic_numbers]
    adsorbate = Formula.from_list(symbols[structure.tags == 2]).format("hill")
    return adsorbate, "-".join(sorted(set(symbols[structure.tags != 2])))


def _hold_out(kinds: np.ndarray, fraction: float, rng: np.random.Generator) -> list[str]:
    """Kinds drawn at random until they cover ``fraction`` of the systems."""
    held: list[str] = []
    for kind in rng.permutation(np.unique(kinds)):
        if np.isin(kinds, held).mean() >= fraction:
            break
        held.append(str(kind))
    return held


def _by_manifest(path: Path, names: list[str], frames: pd.DataFrame) -> dict[str, pd.DataFrame]:
    """The splits ``names`` as a user's CSV has them."""
    manifest = read_csv(path, dtype={"split": str, "system_id": str, "part": str, "frame": np.int64})
    keys = ["part", "system_id", "frame"] if "part" in manifest else ["system_id", "frame"]
    if missing := [name for name in ("split", *keys) if name not in manifest]:
        raise InputError(f"{path} is no manifest with split, system_id and frame: no {missing[0]!r}")
    merged = manifest[["split", *keys]].merge(frames, on=keys, how="left")
    unknown = merged[merged["index"].isna()]
    if len(unknown):
        row = unknown.iloc[0]
        raise InputError(f"{path}: frame {row['frame']} of system {row['system_id']} is in no store")
    if len(merged) != len(manifest):
        raise InputError(f"{path}: a frame is in several parts; add a column part")
    if manifest.duplicated(keys).any():
        row = manifest[manifest.duplicated(keys)].iloc[0]
        raise InputError(f"{path}: frame {row['frame']} of system {row['system_id']} is there twice")
    others = sorted(set(manifest["split"].astype(str)) - set(names))
    if others:
        raise InputError(f"{path}: split {others[0]!r} is none of {', '.join(names)}")
    merged["index"] = merged["index"].astype(int)
    return {name: merged[merged["split"] == name] for name in names}
