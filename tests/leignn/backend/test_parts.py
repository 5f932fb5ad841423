"""The parts of the back end: gradients of the compiled messages, products, the band, the kernels' cache."""

import os
import subprocess
import sys
from functools import partial

import pytest
import torch
from torch import nn

from leignn.backend import band, compiled
from leignn.backend.edges import SortedEdges
from leignn.backend.messages import MessageSums
from leignn.backend.products import Linear
from leignn.model import LocalMessagePassing, RadialBasis


@pytest.mark.parametrize("vectors", ["contiguous", "transposed", None])
def test_gradients_of_the_messages_are_numeric_ones(vectors) -> None:
    """Of the compiled sums; of their gradients, which the plain form makes, too."""
    torch.manual_seed(0)
    atoms, channels, rbf = 5, 2, 24
    ends = torch.tensor([[0, 2, 1, 4, 0, 3, 1, 2], [1, 1, 2, 2, 2, 4, 0, 4]])
    u = nn.functional.normalize(torch.randn(8, 3, dtype=torch.float64), dim=1)
    found = band.Band(RadialBasis(rbf, 6.0), torch.linspace(0.5, 5.9, 8, dtype=torch.float64))
    weight = torch.randn(3 * channels, rbf, dtype=torch.float64, requires_grad=True)
    bias = torch.randn(3 * channels, dtype=torch.float64, requires_grad=True)
    phi = torch.randn(atoms, 3 * channels, dtype=torch.float64, requires_grad=True)
    v = torch.randn(atoms, 3, channels, dtype=torch.float64)
    v = {"contiguous": v, "transposed": v.mT.contiguous().mT, None: torch.zeros_like(v)}[vectors]
    if vectors:
        v.requires_grad_(True)
    layer = LocalMessagePassing(channels, rbf)

    def plain(phi, v, weight, bias):
        return layer.sums(phi, v, ends, u, nn.functional.linear(found.whole(), weight, bias))

    edges = SortedEdges(ends, u, found.first_gaussian, found.values, atoms, rbf)
    sums = partial(MessageSums.apply, edges, plain, vectors is None)
    assert torch.autograd.gradcheck(sums, (phi, v, weight, bias))
    assert torch.autograd.gradgradcheck(sums, (phi, v, weight, bias))
    values = sums(phi, v, weight, bias), plain(phi, v, weight, bias)
    torch.testing.assert_close(*values, rtol=1e-12, atol=1e-12)


@pytest.mark.parametrize("count", [48, 50])  # 144 rows stay, 150 are filled up to 152
def test_products_chosen_agree(count: int) -> None:
    torch.manual_seed(0)
    layer = nn.Linear(300, 200)
    other = Linear(300, 200)
    other.load_state_dict(layer.state_dict())
    value = torch.randn(count, 3, 300, requires_grad=True)
    results = []
    for product in (layer, other):
        with compiled(True):
            output = product(value)
        of = [value, product.weight, product.bias]
        gradients = torch.autograd.grad(output.square().sum(), of, create_graph=True)
        seconds = torch.autograd.grad(gradients[0].square().sum(), of[:2])
        results.append([output, *gradients, *seconds])
    assert "_ProductBackward" in _functions(output.grad_fn)
    for found, expected in zip(results[1], results[0], strict=True):
        assert (found - expected).abs().max() < 1e-5 * expected.abs().max()


def _functions(node) -> set[str]:
    return {type(node).__name__}.union(*(_functions(other) for other, _ in node.next_functions if other))


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_gaussians_left_out_are_below_the_precision(dtype) -> None:
    basis, distance = RadialBasis(128, 6.0), torch.linspace(0.01, 6.2, 4000, dtype=dtype)
    found = band.Band(basis, distance)
    numbers = found.first_gaussian[:, None] + torch.arange(found.values.shape[1])
    left = basis(distance).scatter(1, numbers, 0)
    assert left.abs().max() < torch.finfo(dtype).eps / 100
    torch.testing.assert_close(basis(distance).gather(1, numbers), found.values, rtol=0, atol=0)
    assert numbers.shape[1] < 20 and numbers.min() == 0 and numbers.max() == 127


def test_kernels_where_nothing_can_be_written() -> None:
    """An installation that is read-only: Numba finds no folder for its cache."""
    command = (
        "from leignn.backend.kernels import message_sums; print(message_sums(13, True).stats.cache_path)"
    )
    environment = os.environ | {"NUMBA_CACHE_LOCATOR_CLASSES": "IPythonCacheLocator"}
    output = subprocess.run([sys.executable, "-c", command], env=environment, capture_output=True, text=True)
    assert output.stdout.strip() == "None", output.stderr


TRAINED_ONCE = """
from ase.build import fcc111
from leignn.backend import accelerate, compiled
from leignn.conservative import ConservativeLEIGNN
from leignn.data.frames import collate
from leignn.data.structure import Structure
from leignn.graph import GraphSpec
from leignn.model import LEIGNN

slab = Structure.from_atoms(fcc111("Cu", (2, 2, 2), vacuum=6.0), "cu", 0)
for model in (LEIGNN(GraphSpec(6.0, 20), 8, 2, 8), ConservativeLEIGNN(GraphSpec(6.0, 20), 8, 2, 8)):
    with compiled(True):
        output = accelerate(model)(collate([slab]))
        (output["energy"].sum() + output["forces"].square().sum()).backward()
"""


def test_a_second_process_compiles_nothing(tmp_path) -> None:
    environment = os.environ | {"NUMBA_CACHE_DIR": str(tmp_path)}
    kept = []
    for _ in range(2):
        subprocess.run([sys.executable, "-c", TRAINED_ONCE], env=environment, check=True)
        kept.append(sorted(path.name for path in tmp_path.rglob("*.nbc")))
    assert len(kept[0]) >= 8 and kept[1] == kept[0]
