"""The data loader: structures a second of one worker, graph included, and its peak memory.

Writes a store of OC20-size slabs below a temporary folder and reads it once, nothing cached. Run
from the project's folder: ``python -m benchmarks.loader``.
"""

import argparse
import resource
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pandas as pd
import torch
from ase.build import fcc111

from leignn.data.frames import Frames, SequentialBatches
from leignn.data.store import write_store
from leignn.data.structure import Structure
from leignn.graph import GraphSpec


def chunks(count: int) -> Iterator[list[Structure]]:
    """Rattled slabs of 75 atoms, the mean size of OC20's structures."""
    rng = np.random.default_rng(0)
    atoms = fcc111("Pt", (5, 5, 3), vacuum=8.0, periodic=True)
    for start in range(0, count, 128):
        chunk = []
        for number in range(start, min(start + 128, count)):
            structure = Structure.from_atoms(atoms, "slab", number)
            structure.pos = structure.pos + rng.normal(0, 0.05, structure.pos.shape)
            structure.energy, structure.forces = 0.0, rng.normal(size=structure.pos.shape)
            chunk.append(structure)
        yield chunk


def peak_mb() -> float:
    """Peak resident memory of this process in MB."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--frames", type=int, default=20000)
    parser.add_argument("--batch-size", type=int, default=32)
    args = parser.parse_args()
    torch.set_num_threads(1)
    with tempfile.TemporaryDirectory() as folder:
        write_store(Path(folder) / "all", chunks(args.frames), {})
        rows = range(args.frames)
        table = pd.DataFrame({"part": "all", "index": rows, "system_id": "slab", "frame": rows})
        table.to_csv(Path(folder) / "all.csv", index=False)
        print(f"peak memory after writing {args.frames} frames: {peak_mb():.0f} MB")
        frames = Frames(Path(folder), Path(folder) / "all.csv", GraphSpec(6.0, 20, "strict"))
        start, edges = time.perf_counter(), 0
        for indices in SequentialBatches(len(frames), args.batch_size):
            edges += frames[indices].edge_index.shape[1]
        seconds = time.perf_counter() - start
        print(f"{args.frames / seconds:.0f} structures/s with their graphs ({edges} edges), one process")
        print(f"peak memory after the full pass: {peak_mb():.0f} MB")


if __name__ == "__main__":
    main()
