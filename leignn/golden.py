"""Compare the models with a golden file, computed with the published code in float64.

Prints the largest relative errors of energies, forces, loss and parameter gradients, and exits
with 1 above 1e-10.
"""

import argparse
from pathlib import Path
from typing import Literal

import numpy as np
import torch
from torch import Tensor

from leignn.backend import accelerate, compiled
from leignn.batch import Batch
from leignn.errors import InputError
from leignn.files import read_arrays
from leignn.graph import GraphSpec
from leignn.model import LEIGNN, load_published

TOLERANCE = 1e-10


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("file", type=Path, help="golden file (.npz)")


def main(args: argparse.Namespace) -> int:
    name, errors = compare_with_golden(args.file)
    print(f"model      {name}")
    for quantity, error in errors.items():
        print(f"{quantity:10s} {error:.2e}")
    worst = max(errors.values())
    print(f"largest relative error {worst:.2e}, tolerance {TOLERANCE:.0e}")
    return 0 if worst <= TOLERANCE else 1


def compare_with_golden(path: Path) -> tuple[str, dict[str, float]]:
    """Name of the model in the file and the largest errors, relative to each golden array's largest value.

    The graph is built by our own search with the rule *ties* and compared as a set of edges: an
    edge more or less is an error of 1. A golden file does not say which of the two ablations
    without global phases it holds, and their parameters have the same shapes: both are tried.

    Raises:
        InputError: the file is missing or is no golden file of LEIGNN.
    """
    golden = read_arrays(path)
    try:
        if "param/vn_emb.weight" in golden:
            return "leignn", _worst_errors(golden, update="nmu")
        tried = {
            "vanilla_nmu": _worst_errors(golden, update="nmu"),
            "vanilla": _worst_errors(golden, update="painn"),
        }
    except KeyError as error:
        raise InputError(f"{path} has no array {error}: it is no golden file of LEIGNN") from error
    return min(tried.items(), key=lambda item: max(item[1].values()))


def _worst_errors(golden: dict[str, np.ndarray], update: Literal["nmu", "painn"]) -> dict[str, float]:
    """The larger error of the model itself and of the accelerated one, compiled wherever it can be."""
    plain = _errors(_model_of(golden, update), golden)
    with compiled(True):
        accelerated = _errors(accelerate(_model_of(golden, update)), golden)
    return {name: max(error, plain[name]) for name, error in accelerated.items()}


def _errors(model: LEIGNN, golden: dict[str, np.ndarray]) -> dict[str, float]:
    batch = _batch_of(golden)
    output = model(batch)
    loss = output["energy"].abs().sum() + 50 * output["forces"].abs().mean()
    loss.backward()

    expected_edges = [golden["edge_source"], golden["edge_target"], *golden["edge_cell_offset"].T]
    found_edges = [*batch.edge_index, *batch.cell_offsets.T]
    errors = {"edges": float(_edge_set(found_edges) != _edge_set(expected_edges))}
    for name, value in {**output, "loss": loss}.items():
        errors[name] = _relative(value.detach(), golden[name])
    parameters = dict(model.named_parameters())
    errors["gradients"] = max(
        _relative(_gradient(parameters[name.removeprefix("grad/")]), value)
        for name, value in golden.items()
        if name.startswith("grad/")
    )
    return errors


def _edge_set(columns: list) -> set[tuple[int, ...]]:
    return set(zip(*(np.asarray(column).astype(int).tolist() for column in columns), strict=True))


def _gradient(parameter: Tensor) -> Tensor:
    return torch.zeros_like(parameter) if parameter.grad is None else parameter.grad


def _relative(found: Tensor, expected: np.ndarray) -> float:
    scale = np.abs(expected).max()
    return float(np.abs(found.numpy() - expected).max() / (scale if scale > 0 else 1.0))


def _model_of(golden: dict[str, np.ndarray], update: Literal["nmu", "painn"]) -> LEIGNN:
    parameters = {name[6:]: torch.tensor(golden[name]) for name in golden if name.startswith("param/")}
    model = LEIGNN(
        graph=GraphSpec(float(golden["cutoff"]), int(golden["max_neighbors"]), "ties"),
        hidden_channels=int(golden["hidden_channels"]),
        num_layers=int(golden["num_layers"]),
        num_rbf=int(golden["num_rbf"]),
        num_elements=len(parameters["atom_emb.embeddings.weight"]),
        update=update,
        global_phases="vn_emb.weight" in parameters,
    ).double()
    load_published(model, parameters)
    return model


def _batch_of(golden: dict[str, np.ndarray]) -> Batch:
    natoms = torch.tensor(golden["natoms"])
    return Batch(
        pos=torch.tensor(golden["pos"]),
        atomic_numbers=torch.tensor(golden["numbers"]),
        cell=torch.tensor(golden["cell"]),
        pbc=torch.ones(len(natoms), 3, dtype=torch.bool),
        natoms=natoms,
        batch=torch.tensor(golden["batch"]),
    )
