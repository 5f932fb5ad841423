"""Reading Open Catalyst's shards into a store: CPU time a frame of each stage, plain frames against ASE's.

Writes shards of OC20-size slabs below a temporary folder. Run from the project's folder:
``python -m benchmarks.ingest``.
"""

import argparse
import io
import lzma
import pickle
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import ase.io
import numpy as np
from ase import Atoms
from ase.build import fcc111
from ase.calculators.singlepoint import SinglePointCalculator
from ase.constraints import FixAtoms

from leignn.config.dataset import Labels, ShardedPart
from leignn.data import extxyz, pool
from leignn.data.checks import check_all, check_distances
from leignn.data.oc20_raw import shard_texts
from leignn.data.store import write_store

PART = ShardedPart(format="oc20_raw", path=".")
ALL = Labels(energy="all", forces="all")


def frames(count: int) -> list[Atoms]:
    """Rattled slabs of 75 atoms, the mean size of OC20's structures."""
    rng = np.random.default_rng(0)
    found = []
    for _ in range(count):
        atoms = fcc111("Pt", (5, 5, 3), vacuum=8.0, periodic=True)
        atoms.positions += rng.normal(0, 0.05, atoms.positions.shape)
        atoms.set_constraint(FixAtoms(range(25)))
        atoms.set_tags([0] * 25 + [1] * 50)
        forces = rng.normal(size=atoms.positions.shape)
        atoms.calc = SinglePointCalculator(atoms, energy=rng.normal(), free_energy=0.5, forces=forces)
        found.append(atoms)
    return found


def write_shard(folder: Path, atoms: list[Atoms]) -> None:
    text = io.StringIO()
    columns = ["symbols", "positions", "move_mask", "tags", "forces"]
    ase.io.write(text, atoms, format="extxyz", columns=columns)
    (folder / "0.extxyz.xz").write_bytes(lzma.compress(text.getvalue().encode()))
    labels = "".join(f"random0,frame{number},-1.5\n" for number in range(len(atoms)))
    (folder / "0.txt.xz").write_bytes(lzma.compress(labels.encode()))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--frames", type=int, default=1000)
    parser.add_argument("--rounds", type=int, default=5)
    args = parser.parse_args()
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        write_shard(folder, frames(args.frames))
        texts = list(shard_texts(folder))
        read = [extxyz._plain(text, PART, ALL, "slab") for text in texts]

        def each(work: Callable[[Any], Any], of: list) -> Callable[[], None]:
            return lambda: [work(one) for one in of] and None

        stages: dict[str, Callable[[], Any]] = {
            "unpack and cut into chunks": lambda: list(shard_texts(folder)),
            "parse with ASE, and check": each(lambda text: extxyz._any(text, PART, ALL, "slab"), texts),
            "parse whole chunks": each(lambda text: extxyz._plain(text, PART, ALL, "slab"), texts),
            "check whole chunks": each(lambda chunk: check_all(chunk, ALL, "slab"), read),
            "look for close atoms": each(lambda chunk: check_distances(chunk, "slab"), read),
            "send to the writer, one by one": each(lambda chunk: pickle.loads(pickle.dumps(chunk, -1)), read),
            "send to the writer, whole arrays": each(
                lambda chunk: pool._unpacked(*pickle.loads(pickle.dumps(pool._packed(lambda: chunk), -1))),
                read,
            ),
            "write": lambda: write_store(folder / "store", read, {}),
        }
        times: dict[str, list[float]] = {stage: [] for stage in stages}
        for _ in range(args.rounds + 1):
            for stage, work in stages.items():
                start = time.process_time()
                work()
                times[stage].append((time.process_time() - start) / args.frames * 1e6)
        for stage, found in times.items():  # the first round warms up
            print(f"{stage:34} {np.median(found[1:]):6.0f} µs a frame, least {min(found[1:]):6.0f}")


if __name__ == "__main__":
    main()
