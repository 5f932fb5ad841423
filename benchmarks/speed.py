"""Speed of the paper-size LEIGNN, accelerated, against the model itself and against its products alone.

Slabs of 65 atoms, F=512, L=4, R=128, 20 neighbours. Prints milliseconds per structure over interleaved
repeats and ratios to the model itself. "Products alone" are the matrix products of the equations,
all Gaussians included, by PyTorch's own choice of library. On a GPU there are inference and training as they
are recorded, too. Run from the project's folder: ``python -m benchmarks.speed``.
"""

import argparse
import copy
from collections.abc import Callable
from functools import partial
from pathlib import Path

import numpy as np
import torch
from ase.build import fcc111
from torch import nn

from benchmarks.output import report, training_step
from leignn.backend import accelerate
from leignn.backend.replay import Replay
from leignn.backend.training_replay import TrainingReplay
from leignn.batch import Batch
from leignn.data.frames import collate
from leignn.data.structure import Structure
from leignn.graph import GraphSpec
from leignn.memory import keep_freed_memory
from leignn.model import LEIGNN
from leignn.neighbors import nearest_edges_of
from leignn.profiling.measure import interleaved


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


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--device", default="cuda" if torch.cuda.is_available() else "cpu")
    parser.add_argument("--batch-size", type=int, default=16)
    parser.add_argument("--repeats", type=int, default=7)
    parser.add_argument("--json", type=Path, help="file for the numbers")
    args = parser.parse_args()
    keep_freed_memory()
    torch.manual_seed(0)
    spec = GraphSpec(6.0, 20, "strict")
    model = LEIGNN(spec).to(args.device)
    accelerated = accelerate(copy.deepcopy(model))
    batch = slabs(args.batch_size, spec).to(args.device)
    products = gemms(model, batch)

    def floor() -> dict[str, torch.Tensor]:
        return {"energy": sum(value.sum() for value in products()), "forces": torch.zeros(())}

    forwards = {
        "accelerated": partial(accelerated, batch),
        "model": partial(model, batch),
        "products alone": floor,
    }
    with torch.no_grad():
        ours, plain = forwards["accelerated"](), forwards["model"]()
    for name in ours:
        difference = (ours[name] - plain[name]).abs().max() / plain[name].abs().max()
        print(f"{name}: largest relative difference to the model itself {difference:.1e}")
    inference = {name: torch.no_grad()(f) for name, f in forwards.items()}
    networks = {"accelerated": accelerated, "model": model, "products alone": model}
    training = {name: partial(training_step, networks[name], f) for name, f in forwards.items()}
    if args.device == "cuda":
        inference["recorded"] = torch.no_grad()(partial(Replay(accelerated), batch))
        recorded = partial(TrainingReplay(accelerated), batch)
        training["recorded"] = partial(training_step, accelerated, recorded)
    timings = {
        task: interleaved(functions, args.device, args.repeats, args.repeats, 0.0)
        for task, functions in (("inference", inference), ("training", training))
    }
    report(timings, args.batch_size, "model", args.json)


if __name__ == "__main__":
    main()
