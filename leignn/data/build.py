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

from leignn.data.dataset_config import load_dataset
from leignn.data.readers import raw_files, read_part
from leignn.data.store import write_store
from leignn.data.structure import Structure
from leignn.errors import InputError
from leignn.provenance import sha256


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--dataset", type=Path, required=True, help="config/datasets/<name>.yaml")
    parser.add_argument("--part", required=True, help="name of the part in that file")
    parser.add_argument("--raw", type=Path, required=True, help="folder the part's path is relative to")
    parser.add_argument("--output", type=Path, required=True, help="the store's folder")
    parser.add_argument("--workers", type=int, default=os.cpu_count(), help="parsing processes")


def main(args: argparse.Namespace) -> None:
    dataset = load_dataset(args.dataset)
    if args.part not in dataset["parts"]:
        raise InputError(f"{args.dataset} has no part {args.part!r}: {', '.join(dataset['parts'])}")
    build_store(dataset, args.part, args.raw, args.output, args.workers)


def build_store(dataset: dict[str, Any], part: str, raw: Path, output: Path, workers: int) -> None:
    """Build the store of ``part``; memory does not grow with the number of frames.

    Raises:
        InputError: any bad file or frame (see :func:`check`); nothing is left half-written.
    """
    description = dataset["parts"][part]
    chunks = read_part(description, raw, workers)
    meta = {"dataset": dataset["name"], "part": part, "level": dataset["level"]}
    meta["versions"] = {"ase": ase.__version__, "numpy": np.__version__}
    meta["sources"] = _sources(description, raw)
    write_store(output, _checked(chunks, dataset, part), meta, description.get("energy_reference"))


def _sources(description: dict[str, Any], raw: Path) -> list[dict[str, Any]]:
    """The raw files with their sizes and checksums."""
    return [
        {"file": str(file.relative_to(raw)), "bytes": file.stat().st_size, "sha256": sha256(file)}
        for file in raw_files(description, raw)
    ]


def _checked(
    chunks: Iterable[list[Structure]], dataset: dict[str, Any], part: str
) -> Iterator[list[Structure]]:
    with tqdm(desc=f"{dataset['name']}/{part}", unit="frame", disable=not sys.stderr.isatty()) as bar:
        for chunk in chunks:
            for structure in chunk:
                check(structure, dataset["labels"], f"{dataset['name']}/{part}")
            bar.update(len(chunk))
            yield chunk


def check(structure: Structure, labels: dict[str, str], where: str) -> None:
    """Refuse what no model can be trained on.

    Args:
        structure: the frame to look at.
        labels: the data set's declaration, {"energy": all|some|none, "forces": all|some}.
        where: names the source in messages.

    Raises:
        InputError: positions, energy or forces that are not finite; a label missing where the data
            set declares it for all; an unknown element; a singular cell.
    """
    name = f"{where}: frame {structure.frame} of system {structure.system_id}"
    if not np.isfinite(structure.pos).all():
        atom = int(np.argmin(np.isfinite(structure.pos).all(1)))
        raise InputError(f"{name} has position {structure.pos[atom]} at atom {atom}")
    if not ((structure.atomic_numbers > 0) & (structure.atomic_numbers < 118)).all():
        wrong = structure.atomic_numbers[(structure.atomic_numbers == 0) | (structure.atomic_numbers >= 118)][
            0
        ]
        raise InputError(f"{name} has an unknown element, atomic number {wrong}")
    if np.isinf(structure.energy):
        raise InputError(f"{name} has energy {structure.energy}")
    finite = np.isfinite(structure.forces)
    if not finite.all() and not np.isnan(structure.forces).all():
        atom = int(np.argmin(finite.all(1)))
        raise InputError(f"{name} has force {structure.forces[atom]} at atom {atom}")
    if labels["energy"] == "all" and np.isnan(structure.energy):
        raise InputError(f"{name} has no energy, which the data set declares for all frames")
    if labels["forces"] == "all" and not finite.all():
        raise InputError(f"{name} has no forces, which the data set declares for all frames")
    periodic = structure.cell[structure.pbc]
    if np.linalg.matrix_rank(periodic, tol=1e-6) < len(periodic):
        raise InputError(f"{name} has a singular cell {structure.cell.tolist()}")
