"""Triton's kernels against Numba's: on a GPU where there is one, otherwise by Triton's interpreter."""

import os

import pytest
import torch
from torch import Tensor, nn

pytest.importorskip("triton")
DEVICE = "cuda" if torch.cuda.is_available() else "cpu"
if DEVICE == "cpu":
    os.environ["TRITON_INTERPRET"] = "1"  # before Triton is imported, of which nothing else here does

from leignn.backend import band, cpu_sums, gpu_sums  # noqa: E402
from leignn.backend.edges import SortedEdges  # noqa: E402
from leignn.model import RadialBasis  # noqa: E402


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
    return SortedEdges(ends, u, found.first_gaussian, found.values, found.whole, atoms), values


def on_device(edges: SortedEdges) -> SortedEdges:
    other = SortedEdges.__new__(SortedEdges)
    other.atoms, other.width = edges.atoms, edges.width
    other._ends, other._whole = edges._ends.to(DEVICE), lambda: edges._whole().to(DEVICE)
    other._per_edge = [value.to(DEVICE) for value in edges._per_edge]
    return other


@pytest.mark.parametrize("first", [False, True])
@pytest.mark.parametrize("shuffled", [False, True])
@pytest.mark.parametrize(
    ("dtype", "channels", "rbf"),
    [(torch.float64, 16, 12), (torch.float32, 130, 24), (torch.float64, 5, 40)],
)
def test_sums_and_gradients_are_those_of_the_cpu(first, shuffled, dtype, channels, rbf) -> None:
    """Channels that fill no block, edges in any order, an atom without any, no vectors before the first."""
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
