"""LEIGNN and its peers from PyPI at equal width and neighbours: inference and training, as ratios.

Slabs of 65 atoms, the 20 nearest neighbours within 6 Å. Every model has the same number of channels and,
but for MACE and GemNet-dT, of layers; these two have their published depth. Run from the project's folder:
``python -m benchmarks.peers``.
"""

import argparse
import typing
from functools import partial
from pathlib import Path

import torch
import torch.utils.data.dataloader
from torch import Tensor, nn

from baselines.gemnet import GemNetDT
from baselines.mace import MACE
from baselines.painn import PaiNN, PaiNNDirect
from baselines.scale_factors import ScaledPotential
from benchmarks.output import report, training_step
from benchmarks.speed import slabs
from leignn.backend import accelerate
from leignn.batch import Batch
from leignn.graph import GraphSpec
from leignn.memory import keep_freed_memory
from leignn.model import LEIGNN
from leignn.potential import EnergyPotential, Potential
from leignn.profiling.measure import interleaved

# schnetpack 2.0.4 imports this name, which PyTorch has dropped.
torch.utils.data.dataloader.T_co = typing.TypeVar("T_co", covariant=True)
import schnetpack.representation  # noqa: E402
from schnetpack.nn import CosineCutoff, GaussianRBF  # noqa: E402

LAYERS, RBF = 4, 128


class SchNetPackPaiNN(EnergyPotential):
    """schnetpack's PaiNN with a linear read-out; forces are the gradient, as there."""

    def __init__(self, graph: GraphSpec, channels: int) -> None:
        super().__init__()
        self.graph = graph
        self.network = schnetpack.representation.PaiNN(
            channels, LAYERS, GaussianRBF(RBF, graph.cutoff), CosineCutoff(graph.cutoff)
        )
        self.readout = nn.Linear(channels, 1)

    def energies(self, batch: Batch) -> Tensor:
        """(B,)"""
        (source, target), vector = self.edges(batch)
        inputs = {"_atomic_numbers": batch.atomic_numbers, "_Rij": vector, "_idx_i": target, "_idx_j": source}
        atoms = self.readout(self.network(inputs)["scalar_representation"]).squeeze(1)
        return atoms.new_zeros(len(batch.natoms)).index_add(0, batch.batch, atoms)


def contestants(channels: int, graph: GraphSpec) -> dict[str, Potential]:
    """Every model with random weights, ready to run."""
    gemnet = dict(
        num_blocks=3, emb_size_trip=64, emb_size_rbf=16, emb_size_cbf=16, emb_size_bil_trip=64,
        num_radial=RBF, num_spherical=7, num_before_skip=1, num_after_skip=2, num_concat=1, num_atom=3,
    )  # fmt: skip
    mace = dict(
        max_l=1, max_ell=3, correlation=3, num_interactions=2, num_bessel=8, radial_layers=[64, 64, 64],
        readout_channels=16,
    )  # fmt: skip
    models: dict[str, Potential] = {
        "LEIGNN": accelerate(LEIGNN(graph, channels, LAYERS, RBF)),
        "LEIGNN, not accelerated": LEIGNN(graph, channels, LAYERS, RBF),
        "PaiNN, direct forces (fairchem)": PaiNNDirect(graph, channels, LAYERS, RBF),
        "PaiNN (fairchem)": PaiNN(graph, channels, LAYERS, RBF),
        "PaiNN (schnetpack)": SchNetPackPaiNN(graph, channels),
        "GemNet-dT (fairchem)": GemNetDT(graph, emb_size_atom=channels, emb_size_edge=channels, **gemnet),
        "MACE (mace-torch)": MACE(graph, channels=channels, **mace),
    }
    for model in models.values():
        if isinstance(model, ScaledPotential):  # any value takes the same time
            model.load_statistics(dict.fromkeys(model.scale_factors(), 1.0))
    models["MACE (mace-torch)"].load_statistics(
        {"atomic_energies": {}, "scale": 1.0, "average_neighbors": float(graph.max_neighbors)}
    )
    return models


def infer(model: Potential, batch: Batch) -> None:
    model.eval()
    with torch.no_grad():
        model(batch)


def train(model: Potential, batch: Batch) -> None:
    training_step(model.train(), partial(model, batch))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--device", default="cuda" if torch.cuda.is_available() else "cpu")
    parser.add_argument("--channels", type=int, default=128)
    parser.add_argument("--batch-size", type=int, default=4)
    parser.add_argument("--repeats", type=int, default=5)
    parser.add_argument("--json", type=Path, help="file for the numbers")
    args = parser.parse_args()
    keep_freed_memory()
    torch.manual_seed(0)
    spec = GraphSpec(6.0, 20, "strict")
    models = {name: model.to(args.device) for name, model in contestants(args.channels, spec).items()}
    batch = slabs(args.batch_size, spec).to(args.device)

    timings = {}
    for title, task in (("inference", infer), ("training", train)):
        functions = {name: partial(task, model, batch) for name, model in models.items()}
        timings[title] = interleaved(functions, args.device, args.repeats, args.repeats, 0.0)
    print(f"{args.channels} channels, {args.batch_size} structures")
    report(timings, args.batch_size, "LEIGNN", args.json)


if __name__ == "__main__":
    main()
