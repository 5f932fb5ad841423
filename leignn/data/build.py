"""Convert the raw files of one part of a data set into a store, checking every frame."""

import argparse
import os
import sys
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

import ase
import numpy as np
from tqdm import tqdm

from leignn.arguments import output_folder, positive
from leignn.config.dataset import DATASET_HELP, AsePart, Dataset, LmdbPart, Part, load_dataset
from leignn.data.readers import raw_files, read_part, system_name
from leignn.data.store import write_store
from leignn.data.structure import Structure
from leignn.errors import InputError
from leignn.provenance import sha256


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--dataset", required=True, help=DATASET_HELP)
    parser.add_argument("--part", required=True, help="name of the part in that file")
    parser.add_argument("--raw", type=Path, required=True, help="folder the part's path is relative to")
    parser.add_argument("--output", type=output_folder, required=True, help="the store's folder")
    parser.add_argument("--workers", type=positive, default=os.cpu_count(), help="parsing processes")


def main(args: argparse.Namespace) -> None:
    dataset = load_dataset(args.dataset)
    if args.part not in dataset.parts:
        raise InputError(f"{args.dataset} has no part {args.part!r}: {', '.join(dataset.parts)}")
    if args.workers < 1:
        raise InputError(f"--workers: {args.workers} is less than 1")
    build_store(dataset, args.part, args.raw, args.output, args.workers)


def build_store(dataset: Dataset, part: str, raw: Path, output: Path, workers: int) -> None:
    """Build the store of ``part``; memory does not grow with the number of frames.

    Raises:
        InputError: any bad file or frame (see :mod:`leignn.data.checks`); nothing is left half-written.
    """
    description = dataset.parts[part]
    system = system_name(description, dataset.parts.values())
    chunks = read_part(description, dataset.labels, raw, workers, system)
    meta: dict[str, Any] = {"dataset": dataset.name, "part": part, "level": dataset.level}
    meta["versions"] = {"ase": ase.__version__, "numpy": np.__version__}
    meta["sources"] = _sources(description, raw)
    if isinstance(description, LmdbPart):
        meta["y"] = description.y
    reference = description.energy_reference if isinstance(description, AsePart) else None
    if isinstance(description, AsePart):
        chunks = _with_named_labels(chunks, description, raw)
    write_store(output, _counted(chunks, f"{dataset.name}/{part}"), meta, reference)


def _with_named_labels(
    chunks: Iterable[list[Structure]], part: AsePart, raw: Path
) -> Iterator[list[Structure]]:
    """Refuse, at the end, names of labels that no frame has: they are misspelt."""
    missing = {"energy_key": part.energy_key, "forces_key": part.forces_key}
    for chunk in chunks:
        if any(not np.isnan(s.energy) for s in chunk):
            missing["energy_key"] = None
        if any(not np.isnan(s.forces).all() for s in chunk):
            missing["forces_key"] = None
        yield chunk
    for name, key in missing.items():
        if key is not None and not (name == "energy_key" and part.energy == "ignore"):
            raise InputError(f"{raw / part.path}: no frame has what {name} names, {key!r}")


def _sources(description: Part, raw: Path) -> list[dict[str, Any]]:
    """The raw files with their sizes and checksums."""
    return [
        {"file": str(file.relative_to(raw)), "bytes": file.stat().st_size, "sha256": sha256(file)}
        for file in raw_files(description, raw)
    ]


def _counted(chunks: Iterable[list[Structure]], name: str) -> Iterator[list[Structure]]:
    """A progress bar on a terminal."""
    with tqdm(desc=name, unit="frame", disable=not sys.stderr.isatty()) as bar:
        for chunk in chunks:
            bar.update(len(chunk))
            yield chunk
