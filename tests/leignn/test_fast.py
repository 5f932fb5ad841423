"""The fast form against the plain one: values, gradients, precision, and where it steps back."""

import os
import subprocess
import sys
from collections.abc import Iterator
from functools import partial

import numpy as np
import pytest
import torch
from ase import Atoms
from ase.build import bulk, fcc111
from conftest import make_batch, random_crystal
from torch import Tensor, nn
from torch_geometric.data import Batch

from leignn import fast
from leignn.graph import GraphSpec
from leignn.model import LEIGNN, RadialBasis

SPEC = GraphSpec(6.0, 20)


def structures() -> list[Atoms]:
    """With an isolated atom, and atoms of unequal numbers of neighbours."""
    slab = fcc111("Cu", (3, 3, 3), vacuum=6.0, periodic=True)
    slab.rattle(0.1, seed=0)
    return [
        slab,
        Atoms("O", positions=[[0.0, 0.0, 0.0]]),
        random_crystal(2, 9),
        Atoms("H2", [[0, 0, 0], [0, 0, 1]]),
    ]


def batch_of(dtype: torch.dtype) -> Batch:
    batch = make_batch(structures(), SPEC)
    batch.pos, batch.cell = batch.pos.to(dtype), batch.cell.to(dtype)
    return batch


@pytest.fixture
def threads_restored() -> Iterator[None]:
    threads = torch.get_num_threads()
    yield
    torch.set_num_threads(threads)


def run(model: LEIGNN, batch: Batch, form: str) -> list[Tensor]:
    """Energies, forces and every gradient of a loss of both."""
    model.zero_grad(set_to_none=True)
    with fast.form(form):
        output = model(batch)
        (output["energy"].square().sum() + 50 * output["forces"].square().sum()).backward()
    gradients = [torch.zeros_like(p) if p.grad is None else p.grad for p in model.parameters()]
    return [value.detach() for value in (output["energy"], output["forces"], *gradients)]


def largest_error(found: list[Tensor], expected: list[Tensor]) -> float:
    """Relative to the largest value of each tensor."""
    return max(
        float((f.double() - e).abs().max() / e.abs().max().clamp(min=1e-30))
        for f, e in zip(found, expected, strict=True)
        if e.any() or f.any()
    )


@pytest.mark.parametrize("update", ["nmu", "painn"])
@pytest.mark.parametrize("num_rbf", [12, 64])
@pytest.mark.parametrize("threads", [1, 2, 7])
def test_float64_agrees_to_rounding(threads_restored, update, num_rbf, threads) -> None:
    """With fewer Gaussians than it would touch, and with more; a thread may have one atom alone."""
    torch.set_num_threads(threads)
    torch.manual_seed(0)
    model = LEIGNN(SPEC, 16, 3, num_rbf, update=update).double()
    batch = batch_of(torch.float64)
    found, expected = run(model, batch, "fast"), run(model, batch, "plain")
    assert largest_error(found, expected) < 1e-12
    assert any(not torch.equal(f, e) for f, e in zip(found, expected, strict=True))  # two forms indeed


def test_float32_is_as_good_as_the_plain_form() -> None:
    """At paper size, against float64: values to 1e-5, and no worse than the plain form in float32."""
    torch.manual_seed(0)
    model, batch = LEIGNN(SPEC), batch_of(torch.float32)
    reference = run(in_float64(model), batch_of(torch.float64), "plain")
    found, plain = run(model, batch, "fast"), run(model, batch, "plain")
    assert largest_error(found[:2], reference[:2]) < 1e-5
    assert largest_error(found[:2], reference[:2]) < 2 * largest_error(plain[:2], reference[:2])
    assert largest_error(found[2:], reference[2:]) < 2 * largest_error(plain[2:], reference[2:]) < 2e-3


def in_float64(model: LEIGNN) -> LEIGNN:
    other = LEIGNN(SPEC).double()
    other.load_state_dict(model.state_dict())
    return other


def test_edges_in_any_order() -> None:
    torch.manual_seed(0)
    model, batch = LEIGNN(SPEC, 16, 2, 24).double(), batch_of(torch.float64)
    expected = run(model, batch, "fast")
    order = torch.randperm(batch.edge_index.shape[1])
    batch.edge_index, batch.cell_offsets = batch.edge_index[:, order], batch.cell_offsets[order]
    assert largest_error(run(model, batch, "fast"), expected) < 1e-12


@pytest.mark.parametrize("vectors", ["contiguous", "transposed", None])
def test_gradients_of_the_messages_are_numeric_ones(vectors) -> None:
    torch.manual_seed(0)
    atoms, channels, rbf = 5, 2, 24
    ends = torch.tensor([[0, 2, 1, 4, 0, 3, 1, 2], [1, 1, 2, 2, 2, 4, 0, 4]])
    direction = nn.functional.normalize(torch.randn(8, 3, dtype=torch.float64), dim=1)
    basis = RadialBasis(rbf, 6.0).nonzero(torch.linspace(0.5, 5.9, 8, dtype=torch.float64), 4)
    edges = fast.Edges(ends, direction, *basis, atoms)
    weight = torch.randn(3 * channels, rbf, dtype=torch.float64, requires_grad=True)
    bias = torch.randn(3 * channels, dtype=torch.float64, requires_grad=True)
    phi = torch.randn(atoms, 3 * channels, dtype=torch.float64, requires_grad=True)
    v = torch.randn(atoms, 3, channels, dtype=torch.float64)
    v = {"contiguous": v, "transposed": v.mT.contiguous().mT, None: None}[vectors]
    if vectors:
        v.requires_grad_(True)
    assert torch.autograd.gradcheck(partial(fast.message_sums, edges), (weight, bias, phi, v))


def test_products_by_onednn_agree() -> None:
    torch.manual_seed(0)
    layer = nn.Linear(300, 200)
    value = torch.randn(50, 3, 300, requires_grad=True)
    results = []
    for form in ("plain", "fast"):
        with fast.form(form):
            output = fast.apply(layer, value)
        gradients = torch.autograd.grad(output.square().sum(), [value, layer.weight, layer.bias])
        results.append([output.detach(), *gradients])
    assert type(output.grad_fn).__name__ == "_LinearBackward"
    assert largest_error(results[1], [r.double() for r in results[0]]) < 1e-5


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_gaussians_left_out_are_below_the_precision(dtype) -> None:
    basis, distance = RadialBasis(128, 6.0), torch.linspace(0.01, 6.2, 4000, dtype=dtype)
    first, values = basis.nonzero(distance, fast.REACH[dtype])
    numbers = first[:, None] + torch.arange(values.shape[1])
    left = basis(distance).scatter(1, numbers, 0)
    assert left.abs().max() < torch.finfo(dtype).eps / 100
    torch.testing.assert_close(basis(distance).gather(1, numbers), values, rtol=0, atol=0)
    assert numbers.shape[1] < 20 and numbers.min() == 0 and numbers.max() == 127


def test_it_steps_back() -> None:
    """Small work, autocast, and gradients of positions are left to the plain form."""
    small, large = torch.zeros(3), torch.zeros(fast.LEAST)
    assert fast.chosen(large, fast.LEAST, fast.LEAST) and not fast.chosen(small, 3, fast.LEAST)
    with torch.autocast("cpu", dtype=torch.bfloat16):
        assert not fast.chosen(large, fast.LEAST, fast.LEAST)
    assert not fast.chosen(large.half(), fast.LEAST, fast.LEAST)
    with fast.form("plain"):
        assert not fast.chosen(large, fast.LEAST, fast.LEAST)

    torch.manual_seed(0)
    model, batch = LEIGNN(SPEC, 16, 2, 24).double(), batch_of(torch.float64)
    batch.pos.requires_grad_(True)
    gradients = []
    for form in ("plain", "fast"):
        with fast.form(form):
            (gradient,) = torch.autograd.grad(model(batch)["energy"].sum(), batch.pos)
        gradients.append(gradient.numpy())
    assert np.abs(gradients[0]).max() > 1e-3
    np.testing.assert_allclose(gradients[1], gradients[0], atol=1e-12)


def test_large_work_is_fast_unasked() -> None:
    model = LEIGNN(SPEC, 512, 1, 128)
    crystal = bulk("Cu", cubic=True).repeat(3)
    batch = make_batch([crystal], SPEC)
    batch.pos, batch.cell = batch.pos.float(), batch.cell.float()
    names = set()
    seen = fast.message_sums
    try:
        fast.message_sums = lambda *arguments: names.add("messages") or seen(*arguments)
        with torch.no_grad():
            model(batch)
    finally:
        fast.message_sums = seen
    assert names == {"messages"}


def test_kernels_where_nothing_can_be_written() -> None:
    """An installation that is read-only: Numba finds no folder for its cache."""
    command = "from leignn.kernels import message_sums; print(message_sums(13, True).stats.cache_path)"
    environment = os.environ | {"NUMBA_CACHE_LOCATOR_CLASSES": "IPythonCacheLocator"}
    output = subprocess.run([sys.executable, "-c", command], env=environment, capture_output=True, text=True)
    assert output.stdout.strip() == "None", output.stderr
