"""Speed of the paper-size LEIGNN against its plain transcription and against its GEMMs alone.

Slabs of 65 atoms, F=512, L=4, R=128, 20 neighbours. Prints milliseconds per structure: medians
over interleaved repeats, and ratios to the plain transcription. Run from the project's folder:
``python -m benchmarks.speed``.
"""

import argparse
import statistics
import time
from collections.abc import Callable

import numpy as np
import torch
from ase.build import fcc111
from torch import nn
from torch_geometric.data import Batch

from benchmarks.plain import plain_forward
from leignn.data.frames import collate
from leignn.data.structure import Structure
from leignn.graph import GraphSpec
from leignn.model import LEIGNN
from leignn.neighbors import nearest_edges_of
from leignn.provenance import hardware


def slabs(count: int, spec: GraphSpec, seed: int = 0) -> Batch:
    """A batch of ``count`` rattled Cu(111) slabs of 65 atoms (64 and one adsorbed oxygen)."""
    generator = np.random.default_rng(seed)
    structures = []
    for _ in range(count):
        atoms = fcc111("Cu", (4, 4, 4), vacuum=8.0, periodic=True)
        atoms.append("O")
        atoms.positions[-1] = atoms.positions[-2] + [0.0, 0.0, 1.8]
        atoms.positions += generator.normal(0.0, 0.05, atoms.positions.shape)
        structures.append(Structure.from_atoms(atoms))
    edges = [nearest_edges_of(s.pos, s.cell, s.pbc, spec) for s in structures]
    batch = collate(structures, edges)
    batch.energy = torch.zeros(count, dtype=torch.float64)
    batch.forces = torch.zeros_like(batch.pos)
    return batch


def gemms(model: LEIGNN, batch: Batch) -> Callable[[], None]:
    """Every matrix product of one forward pass, on random data, and nothing else."""
    nodes, edges, size = len(batch.pos), batch.edge_index.shape[1], len(batch.natoms)
    rows = {"rbf_proj": edges, "vec_proj": 3 * nodes}
    work = []
    for name, layer in model.named_modules():
        if isinstance(layer, nn.Linear):
            count = rows.get(name.rsplit(".", 1)[-1], nodes)
            if "mlp_vn" in name:
                count = 3 * size if "vector" in name else size
            elif "global_vector" in name or name == "out_forces":
                count = 3 * nodes
            work.append((torch.randn(count, layer.in_features, device=batch.pos.device), layer))

    def run() -> list[torch.Tensor]:
        return [layer(value) for value, layer in work]

    return run


def measure(functions: dict[str, Callable[[], object]], repeats: int) -> dict[str, float]:
    """Median seconds of each function; the functions take turns, so that drift hits all alike."""
    times: dict[str, list[float]] = {name: [] for name in functions}
    for repeat in range(repeats + 1):
        for name, function in functions.items():
            _synchronise()
            start = time.perf_counter()
            function()
            _synchronise()
            if repeat:  # the first round warms up
                times[name].append(time.perf_counter() - start)
    return {name: statistics.median(values) for name, values in times.items()}


def _synchronise() -> None:
    if torch.cuda.is_available():
        torch.cuda.synchronize()


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--device", default="cuda" if torch.cuda.is_available() else "cpu")
    parser.add_argument("--batch-size", type=int, default=16)
    parser.add_argument("--repeats", type=int, default=7)
    args = parser.parse_args()
    torch.manual_seed(0)
    spec = GraphSpec(6.0, 20, "strict")
    model = LEIGNN(spec).to(args.device)
    batch = slabs(args.batch_size, spec).to(args.device)
    floor = gemms(model, batch)

    def training_step(forward: Callable[[], dict[str, torch.Tensor]]) -> Callable[[], None]:
        def step() -> None:
            model.zero_grad(set_to_none=True)
            output = forward()
            (output["energy"].abs().mean() + 50 * output["forces"].abs().mean()).backward()

        return step

    def floor_step() -> None:
        model.zero_grad(set_to_none=True)
        sum(value.sum() for value in floor()).backward()

    @torch.no_grad()
    def inference(forward: Callable[[], object]) -> None:
        forward()

    with torch.no_grad():
        ours, plain = model(batch), plain_forward(model, batch)
        for name in ours:
            difference = (ours[name] - plain[name]).abs().max() / plain[name].abs().max()
            print(f"{name}: largest relative difference to the plain transcription {difference:.1e}")
    variants = {"LEIGNN": lambda: model(batch), "plain": lambda: plain_forward(model, batch)}
    tasks = {
        "inference": {n: lambda f=f: inference(f) for n, f in variants.items()}
        | {"GEMMs alone": lambda: inference(floor)},
        "training": {n: training_step(f) for n, f in variants.items()} | {"GEMMs alone": floor_step},
    }
    print(f"{hardware()}, batch of {args.batch_size}, {batch.edge_index.shape[1]} edges")
    for task, functions in tasks.items():
        medians = measure(functions, args.repeats)
        for name, seconds in medians.items():
            print(
                f"{task:10s} {name:12s} {1e3 * seconds / args.batch_size:8.2f} ms/structure "
                f"{seconds / medians['plain']:6.2f} of plain"
            )


if __name__ == "__main__":
    main()
