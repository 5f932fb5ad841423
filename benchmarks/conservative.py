"""Speed of LEIGNN-C, whose forces are a gradient, against LEIGNN, both accelerated, in turns.

Slabs of 65 atoms, 20 neighbours at 6 Å. Prints milliseconds of training (forward, loss, backward to the
parameters) and of inference on a batch, and of inference on one structure, as in dynamics. Run from the
project's folder: ``python -m benchmarks.conservative``.
"""

import argparse
from functools import partial
from pathlib import Path

import torch
from torch import Tensor, nn

from benchmarks.output import report, training_step
from benchmarks.speed import slabs
from leignn.backend import accelerate
from leignn.batch import Batch
from leignn.conservative import ConservativeLEIGNN
from leignn.graph import GraphSpec
from leignn.memory import keep_freed_memory
from leignn.model import LEIGNN
from leignn.profiling.measure import interleaved


def infer(model: nn.Module, batch: Batch) -> dict[str, Tensor]:
    """Energies and forces, without gradients of the parameters."""
    model.eval().requires_grad_(False)
    with torch.no_grad():
        return model(batch)


def train(model: nn.Module, batch: Batch) -> None:
    """Forward, loss, backward."""
    training_step(model.train().requires_grad_(True), partial(model, batch))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--sizes", type=int, nargs=3, default=[64, 3, 32], help="F, L and R")
    parser.add_argument("--batch-size", type=int, default=4)
    parser.add_argument("--repeats", type=int, default=15)
    parser.add_argument("--json", type=Path, help="file for the numbers")
    args = parser.parse_args()
    keep_freed_memory()
    torch.manual_seed(0)
    spec = GraphSpec(6.0, 20, "strict")
    models = {
        "LEIGNN": accelerate(LEIGNN(spec, *args.sizes)),
        "LEIGNN-C": accelerate(ConservativeLEIGNN(spec, *args.sizes)),
    }
    timings = {}
    for task, work, count in (
        ("training", train, args.batch_size),
        ("inference", infer, args.batch_size),
        ("one structure", infer, 1),
    ):
        functions = {name: partial(work, model, slabs(count, model.graph)) for name, model in models.items()}
        timings[task] = interleaved(functions, "cpu", args.repeats, args.repeats, 0.0)
    report(timings, 1, "LEIGNN", args.json)


if __name__ == "__main__":
    main()
