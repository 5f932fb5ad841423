"""Neighbour graphs: the loader's search, the device's search and ASE's, on a slab and a large cell.

Prints the median milliseconds of interleaved repeats and the ratio to ASE. Run from the project's
folder: ``python -m benchmarks.neighbours``.
"""

import argparse
import statistics
import time
from collections.abc import Callable

import numpy as np
import torch
from ase import Atoms
from ase.build import bulk, fcc111
from ase.neighborlist import neighbor_list

from leignn.graph import GraphSpec, nearest_edges
from leignn.neighbors import nearest_edges_of
from leignn.provenance import hardware


def systems() -> dict[str, tuple[Atoms, int]]:
    """Structures with the number of repeats that is reasonable for each."""
    slab = fcc111("Cu", (4, 4, 5), vacuum=8.0, periodic=True)
    large = bulk("Cu", cubic=True).repeat((14, 14, 13))
    for atoms in (slab, large):
        atoms.rattle(0.05, seed=0)
    return {"slab of 80 atoms": (slab, 30), f"cell of {len(large)} atoms": (large, 3)}


def searches(atoms: Atoms, spec: GraphSpec, device: str) -> dict[str, Callable[[], object]]:
    """Each search as a function of nothing. ASE's finds all pairs, without the cut to K."""
    tensors = (
        torch.tensor(atoms.positions, device=device),
        torch.tensor(atoms.cell.array, device=device)[None],
        torch.tensor(atoms.pbc, device=device)[None],
        torch.tensor([len(atoms)], device=device),
    )
    return {
        "loader (vesin)": lambda: nearest_edges_of(atoms.positions, atoms.cell.array, atoms.pbc, spec),
        f"device ({device})": lambda: nearest_edges(*tensors, spec),
        "ase.neighborlist": lambda: neighbor_list("ijS", atoms, spec.cutoff),
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--device", default="cuda" if torch.cuda.is_available() else "cpu")
    args = parser.parse_args()
    spec = GraphSpec(6.0, 20, "strict")
    print(hardware())
    for title, (atoms, repeats) in systems().items():
        functions = searches(atoms, spec, args.device)
        loader, device = functions["loader (vesin)"](), functions[f"device ({args.device})"]()
        assert np.array_equal(loader[0], device[0].cpu()) and np.array_equal(loader[1], device[1].cpu())
        times: dict[str, list[float]] = {name: [] for name in functions}
        for _ in range(repeats):
            for name, function in functions.items():
                start = time.perf_counter()
                function()
                if torch.cuda.is_available():
                    torch.cuda.synchronize()
                times[name].append(time.perf_counter() - start)
        reference = statistics.median(times["ase.neighborlist"])
        for name, values in times.items():
            median = statistics.median(values)
            print(f"{title:24s} {name:18s} {1e3 * median:10.2f} ms {reference / median:8.1f} x ASE")


if __name__ == "__main__":
    main()
