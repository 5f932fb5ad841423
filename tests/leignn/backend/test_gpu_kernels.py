"""Triton's kernels against others: on a GPU where there is one, otherwise by Triton's interpreter."""

import os

import pytest
import torch
from torch import Tensor, nn

pytest.importorskip("triton")
DEVICE = "cuda" if torch.cuda.is_available() else "cpu"
if DEVICE == "cpu":
    os.environ["TRITON_INTERPRET"] = "1"  # before the kernels are imported, which nothing else here does

from leignn.backend import band, cpu_sums, embedding, gpu_products, gpu_sums  # noqa: E402
from leignn.backend.edges import SortedEdges  # noqa: E402
from leignn.backend.updating import Norms, Updated  # noqa: E402
from leignn.model import NovelMessageUpdating, RadialBasis  # noqa: E402


def case(dtype: torch.dtype, channels: int, rbf: int, shuffled: bool) -> tuple[SortedEdges, list[Tensor]]:
    """Edges among seven atoms, one without any, and phi, v, table, grad_dx and grad_dv."""
    torch.manual_seed(0)
    atoms, count = 7, 23
    ends = torch.randint(0, atoms - 1, (2, count))
    if not shuffled:
        ends = ends[:, torch.argsort(ends[1], stable=True)]
    u = nn.functional.normalize(torch.randn(count, 3, dtype=dtype), dim=1)
    found = band.Band(RadialBasis(rbf, 6.0), 0.3 + 5.9 * torch.rand(count, dtype=dtype))
    shapes = [(atoms, 3, channels)] * 2 + [(rbf + 1, 3, channels), (atoms, channels), (atoms, 3, channels)]
    values = [torch.randn(shape, dtype=dtype) for shape in shapes]
    return SortedEdges(ends, u, found.first_gaussian, found.values, atoms, rbf), values


def on_device(edges: SortedEdges) -> SortedEdges:
    ends, per_edge = edges._ends.to(DEVICE), [value.to(DEVICE) for value in edges._per_edge]
    return SortedEdges(ends, *per_edge, edges.atoms, edges._bands + edges.width - 1)


@pytest.mark.parametrize("first", [False, True])
@pytest.mark.parametrize("shuffled", [False, True])
@pytest.mark.parametrize(
    ("dtype", "channels", "rbf"),
    [(torch.float64, 16, 12), (torch.float32, 130, 24), (torch.float64, 5, 40)],
)
def test_sums_and_gradients_are_those_of_the_cpu(monkeypatch, first, shuffled, dtype, channels, rbf) -> None:
    """Channels that fill no block, edges in any order, an atom without any, no vectors before the first,
    more edges with the same Gaussians than a program adds up."""
    monkeypatch.setattr(gpu_sums, "PIECE", 2)
    edges, (phi, v, table, grad_dx, grad_dv) = case(dtype, channels, rbf, shuffled)
    expected = [*cpu_sums.sums(edges, first, phi, v, table)]
    expected += cpu_sums.gradients(edges, first, phi, v, table, grad_dx, grad_dv)
    there = on_device(edges)
    phi, v, table, grad_dx, grad_dv = (x.to(DEVICE) for x in (phi, v, table, grad_dx, grad_dv))
    found = [*gpu_sums.sums(there, first, phi, v, table)]
    found += gpu_sums.gradients(there, first, phi, v, table, grad_dx, grad_dv)
    assert (found[3] is None) == (expected[3] is None) == first
    rounding = 1e-13 if dtype == torch.float64 else 1e-5
    for ours, theirs in zip(found, expected, strict=True):
        if theirs is not None:
            assert (ours.cpu() - theirs).abs().max() <= rounding * theirs.abs().max()


@pytest.mark.parametrize("channels", [16, 130])
@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_updating_and_its_gradients_are_those_of_the_equations(dtype, channels) -> None:
    """Gradients of gradients, too."""
    torch.manual_seed(0)
    shapes = {"x": (5, channels), "v": (5, 3, channels), "ab": (5, 3, 2 * channels), "s": (5, 3 * channels)}
    values = [torch.randn(size, dtype=dtype, device=DEVICE, requires_grad=True) for size in shapes.values()]
    layer = NovelMessageUpdating(channels)
    results = []
    for compiled in (True, False):
        x, v, ab, s = values
        a, b = ab.chunk(2, dim=-1)
        if compiled:
            norms = Norms.apply(layer.with_norms, layer.softening, x, b)
            new_x, new_v = Updated.apply(layer.updated, x, v, a, s)
        else:
            norms, (new_x, new_v) = layer.with_norms(x, b), layer.updated(x, v, a, s)
        total = (norms.cos() + new_x.sum() * new_x.sin().mean()).sum() + (new_v**3).sum()
        gradients = torch.autograd.grad(total, values, retain_graph=True)
        again = torch.autograd.grad(total, values, create_graph=True)
        seconds = torch.autograd.grad(sum(g.square().sum() for g in again), values)
        results.append([norms, new_x, new_v, *gradients, *again, *seconds])
    rounding = 1e-13 if dtype == torch.float64 else 1e-5
    for ours, theirs in zip(*results, strict=True):
        assert (ours - theirs).abs().max() <= rounding * theirs.abs().max()


@pytest.mark.parametrize("bias", [True, False])
@pytest.mark.parametrize(("rows", "inputs", "outputs"), [(70, 40, 65), (64, 64, 128), (1, 3, 5)])
def test_products_are_those_of_float32(monkeypatch, bias, rows, inputs, outputs) -> None:
    """Blocks that are not full, too, and programs of twice as many rows."""
    torch.manual_seed(0)
    value, weight = torch.randn(rows, inputs, device=DEVICE), torch.randn(outputs, inputs, device=DEVICE)
    added = torch.randn(outputs, device=DEVICE) if bias else None
    exact = nn.functional.linear(value.double(), weight.double(), None if added is None else added.double())
    for least in (gpu_products.FROM, 0):
        monkeypatch.setattr(gpu_products, "FROM", least)
        found = gpu_products.product(value, weight, added)
        assert (found - exact).abs().max() <= 1e-6 * exact.abs().max()


def test_gradients_of_the_embedding_are_those_of_pytorch() -> None:
    torch.manual_seed(0)
    numbers = torch.randint(0, 9, (40,), device=DEVICE)
    weight = torch.randn(9, 6, dtype=torch.float64, device=DEVICE, requires_grad=True)
    results = [embedding.Rows.apply(weight, numbers), nn.functional.embedding(numbers, weight)]
    gradients = [torch.autograd.grad((rows**3).sum(), weight)[0] for rows in results]
    assert torch.equal(*results)
    torch.testing.assert_close(*gradients, rtol=1e-13, atol=1e-13)
