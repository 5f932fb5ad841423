"""Generate the EMT stand-in for OC20: adsorption energies and forces in OC20's raw format.

Five folders of shards, split by OC20's rule: train; id (other systems of adsorbates and
compositions that train has); ood_ads, ood_cat and ood_both (adsorbates, slab compositions, or both,
that train has not). Each shard is N.extxyz.xz and N.txt.xz; a line of the latter is
``system_id,frame<number>,reference energy in eV`` for a frame of the former.
"""

import argparse
import lzma
import multiprocessing
import sys
from collections.abc import Iterable, Iterator
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from io import StringIO
from itertools import islice
from pathlib import Path

import ase
import numpy as np
from ase.io import write
from tqdm import tqdm

from leignn.arguments import non_negative, output_folder, positive
from leignn.data.emt_adsorption import ADSORBATES, METALS, compositions, formula, sample_frames
from leignn.errors import InputError
from leignn.files import replacing_folder, write_json

VALIDATION_SPLITS = ("id", "ood_ads", "ood_cat", "ood_both")
HELD_OUT_ADSORBATES = 3
HELD_OUT_ALLOYS = 14
FRAMES_PER_SYSTEM = 10
SHARD_FRAMES = 300
COLUMNS = ["symbols", "positions", "move_mask", "tags", "forces"]


@dataclass(frozen=True)
class System:
    """One adsorbate on one slab, still to be computed."""

    split: str
    number: int  # unique over the splits
    sites: tuple[str, ...]
    adsorbate: str
    frames: int
    seed: int

    @property
    def system_id(self) -> str:
        return f"emt{self.number:06d}"


@dataclass(frozen=True)
class HeldOut:
    """What train must not contain."""

    adsorbates: list[str]
    compositions: list[tuple[str, ...]]


def plan(train: int, validation: int, seed: int) -> tuple[list[System], HeldOut]:
    """Choose the systems of every split.

    Args:
        train: frames in train.
        validation: frames in each of the four validation splits.
        seed: of every choice.
    """
    rng = np.random.default_rng(seed)
    adsorbates = [str(name) for name in rng.permutation(list(ADSORBATES))]
    # A pure metal is never held out: train knows every element.
    alloys = [sites for sites in compositions() if len(set(sites)) > 1]
    adsorbates, unseen = adsorbates[HELD_OUT_ADSORBATES:], adsorbates[:HELD_OUT_ADSORBATES]
    held_out = HeldOut(
        adsorbates=sorted(unseen),
        compositions=[alloys[i] for i in sorted(rng.permutation(len(alloys))[:HELD_OUT_ALLOYS])],
    )
    kept = [sites for sites in compositions() if sites not in held_out.compositions]
    order = rng.permutation(len(kept))
    pairs = [
        (kept[order[i % len(kept)]], adsorbates[i % len(adsorbates)])
        for i in range(-(-train // FRAMES_PER_SYSTEM))
    ]
    seen_sites = list(dict.fromkeys(sites for sites, _ in pairs))
    seen_adsorbates = list(dict.fromkeys(adsorbate for _, adsorbate in pairs))

    systems: list[System] = []

    def add(split: str, frames: int, pairs: Iterable[tuple[tuple[str, ...], str]]) -> None:
        remaining = frames
        for sites, adsorbate in pairs:
            count = min(FRAMES_PER_SYSTEM, remaining)
            systems.append(System(split, len(systems), sites, adsorbate, count, seed))
            remaining -= count

    def draw(sites: list[tuple[str, ...]], names: list[str]) -> list[tuple[tuple[str, ...], str]]:
        return [
            (sites[rng.integers(len(sites))], names[rng.integers(len(names))])
            for _ in range(-(-validation // FRAMES_PER_SYSTEM))
        ]

    add("train", train, pairs)
    add("id", validation, draw(seen_sites, seen_adsorbates))
    add("ood_ads", validation, draw(seen_sites, held_out.adsorbates))
    add("ood_cat", validation, draw(held_out.compositions, seen_adsorbates))
    add("ood_both", validation, draw(held_out.compositions, held_out.adsorbates))
    return systems, held_out


def compute(system: System) -> list[tuple[str, str]]:
    """The system's frames as OC20 writes them: (extended XYZ, line of the text file) of each."""
    # One stream a system: the result does not depend on which worker computes it, or when.
    rng = np.random.default_rng([system.seed, system.number])
    frames, reference = sample_frames(system.sites, system.adsorbate, system.frames, rng)
    texts = []
    for number, atoms in enumerate(frames):
        text = StringIO()
        write(text, atoms, format="extxyz", columns=COLUMNS)
        texts.append((text.getvalue(), f"{system.system_id},frame{number},{reference!r}\n"))
    return texts


def generate(output: Path, train: int, validation: int, seed: int, workers: int) -> None:
    """Write the stand-in to the folder ``output``, which appears when it is whole.

    Args:
        output: replaced if it exists.
        train, validation: frames in train, and in each validation split.
        seed: determines every byte of the (decompressed) files.
        workers: processes.

    Raises:
        InputError: a count or the number of workers below 1.
    """
    for name, value in (("train", train), ("validation", validation), ("workers", workers)):
        if value < 1:
            raise InputError(f"--{name}: {value} is less than 1")
    systems, held_out = plan(train, validation, seed)
    with replacing_folder(output) as temporary:
        # Not forked: the parent may hold threads.
        context = multiprocessing.get_context("spawn")
        with ProcessPoolExecutor(workers, mp_context=context) as pool:
            results = pool.map(compute, systems)
            progress = tqdm(results, total=len(systems), unit="system", disable=not sys.stderr.isatty())
            counts = _write_splits(temporary, systems, progress)
        description = {
            "level": "ASE EMT (stand-in for OC20)",
            "seed": seed,
            "ase": ase.__version__,
            "numpy": np.__version__,
            "frames": counts,
            "elements": sorted({*METALS, *"CHNO"}),
            "held_out_adsorbates": held_out.adsorbates,
            "held_out_compositions": [formula(sites) for sites in held_out.compositions],
        }
        write_json(temporary / "generation.json", description)


def _write_splits(
    folder: Path, systems: list[System], results: Iterable[list[tuple[str, str]]]
) -> dict[str, int]:
    """Write the shards of every split as results arrive; return the frames in each."""
    computed = zip(systems, results, strict=True)
    counts = {}
    for split in ("train", *VALIDATION_SPLITS):
        (folder / split).mkdir()
        number = sum(system.split == split for system in systems)
        frames = (frame for _, result in islice(computed, number) for frame in result)
        counts[split] = _write_shards(folder / split, frames)
    return counts


def _write_shards(folder: Path, frames: Iterator[tuple[str, str]]) -> int:
    written = 0
    while shard := list(islice(frames, SHARD_FRAMES)):
        for column, suffix in enumerate(("extxyz", "txt")):
            path = folder / f"{written // SHARD_FRAMES}.{suffix}.xz"
            with lzma.open(path, "wt", encoding="utf-8", newline="\n", preset=1) as file:
                file.writelines(frame[column] for frame in shard)
        written += len(shard)
    return written


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--output", type=output_folder, required=True, help="folder to write")
    parser.add_argument("--train", type=positive, default=2400, help="frames in train")
    parser.add_argument("--validation", type=positive, default=220, help="frames in each other split")
    parser.add_argument("--seed", type=non_negative, default=0, help="determines every frame")
    parser.add_argument("--workers", type=positive, default=2, help="processes")


def main(args: argparse.Namespace) -> None:
    generate(args.output, args.train, args.validation, args.seed, args.workers)
