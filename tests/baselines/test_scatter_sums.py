"""The stand-in for torch_scatter and torch_sparse against loops, values and gradients."""

import pytest
import torch

from baselines.scatter_sums import SparseTensor, scatter, segment_coo, segment_csr


@pytest.fixture
def rows() -> torch.Tensor:
    return torch.randn(9, 2, 3, dtype=torch.float64, generator=torch.Generator().manual_seed(0))


INDEX = torch.tensor([4, 0, 0, 2, 4, 4, 1, 0, 2])  # row 3 and row 5 get nothing


def looped(src: torch.Tensor, index: torch.Tensor, size: int, mean: bool) -> torch.Tensor:
    """Rows of ``src`` added one by one."""
    total = [torch.zeros_like(src[0]) for _ in range(size)]
    for row, place in zip(src, index.tolist(), strict=True):
        total[place] = total[place] + (row / index.tolist().count(place) if mean else row)
    return torch.stack(total)


@pytest.mark.parametrize("reduce", ["sum", "add", "mean"])
def test_scatter_and_its_gradients(rows, reduce) -> None:
    weight = torch.nn.Parameter(torch.randn(3, 3, dtype=torch.float64))
    ours = scatter(rows @ weight, INDEX, dim=0, dim_size=6, reduce=reduce)
    expected = looped(rows @ weight, INDEX, 6, mean=reduce == "mean")
    torch.testing.assert_close(ours, expected)
    (gradient,) = torch.autograd.grad((ours**3).sum(), weight, create_graph=True)
    (known,) = torch.autograd.grad((expected**3).sum(), weight, create_graph=True)
    torch.testing.assert_close(gradient, known)
    torch.testing.assert_close(
        torch.autograd.grad(gradient.square().sum(), weight),
        torch.autograd.grad(known.square().sum(), weight),
    )


def test_number_of_rows_follows_the_index(rows) -> None:
    assert scatter(rows, INDEX).shape == (5, 2, 3)
    assert scatter(rows[:0], INDEX[:0]).shape == (0, 2, 3)


def test_other_reductions_are_refused(rows) -> None:
    with pytest.raises(NotImplementedError, match="max"):
        scatter(rows, INDEX, reduce="max")


def test_segments(rows) -> None:
    ordered = INDEX.sort().values
    torch.testing.assert_close(segment_coo(rows, ordered, dim_size=6), looped(rows, ordered, 6, mean=False))
    bounds = torch.tensor([1, 4, 4, 8])
    expected = torch.stack([rows[1:4].sum(0), torch.zeros_like(rows[0]), rows[4:8].sum(0)])
    torch.testing.assert_close(segment_csr(rows, bounds), expected)


def test_rows_of_a_sparse_matrix() -> None:
    """Against a list of entries, with two entries at one place and an empty row."""
    entries = [(2, 1, 10), (0, 3, 11), (2, 0, 12), (3, 3, 13), (2, 1, 14), (0, 0, 15)]
    row, col, value = torch.tensor(entries).T
    wanted = [2, 1, 2, 0]
    found = SparseTensor(row=row, col=col, value=value, sparse_sizes=(4, 4))[torch.tensor(wanted)].storage
    expected = [
        (place, c, v)
        for place, r in enumerate(wanted)
        for c, v in sorted(e[1:] for e in entries if e[0] == r)
    ]
    assert (
        list(zip(found.row().tolist(), found.col().tolist(), found.value().tolist(), strict=True)) == expected
    )
    ones = SparseTensor(row=row, col=col, value=value, sparse_sizes=(4, 4)).set_value(None)
    assert ones.sum(dim=1).tolist() == [2, 0, 3, 1]
