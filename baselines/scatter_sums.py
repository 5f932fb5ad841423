"""The parts of torch_scatter and torch_sparse that fairchem-core's models call, on torch's operations.

Both packages come as source only and take minutes to compile. Where they are not installed,
:mod:`baselines.fairchem_imports` gives fairchem-core these instead. Same names and arguments as there;
an ``index`` counts rows along dimension 0.
"""

from types import SimpleNamespace

import torch
from torch import Tensor


def scatter(
    src: Tensor, index: Tensor, dim: int = 0, dim_size: int | None = None, reduce: str = "sum"
) -> Tensor:
    """Sum or average the rows of ``src`` (E, …) that share an ``index`` (E,) into ``dim_size`` rows."""
    if dim != 0 or index.ndim != 1 or reduce not in ("sum", "add", "mean"):
        raise NotImplementedError(f"scatter along {dim} with an index {tuple(index.shape)} and {reduce!r}")
    if dim_size is None:
        dim_size = int(index.max()) + 1 if len(index) else 0
    total = src.new_zeros((int(dim_size), *src.shape[1:])).index_add_(0, index, src)
    if reduce != "mean":
        return total
    count = torch.bincount(index, minlength=int(dim_size)).clamp(min=1)
    return total / count.view(-1, *[1] * (src.ndim - 1))


def segment_coo(src: Tensor, index: Tensor, dim_size: int | None = None) -> Tensor:
    """:func:`scatter` with a sorted ``index``."""
    return scatter(src, index, 0, dim_size)


def segment_csr(src: Tensor, indptr: Tensor, reduce: str = "sum") -> Tensor:
    """Sum ``src[indptr[k]:indptr[k + 1]]`` for every k."""
    counts = indptr[1:] - indptr[:-1]
    return scatter(src[indptr[0] : indptr[-1]], torch.repeat_interleave(counts), 0, len(counts), reduce)


class SparseTensor:
    """A sparse matrix of ``value`` at (``row``, ``col``), sorted by both; ``matrix[rows]`` selects rows."""

    def __init__(self, row: Tensor, col: Tensor, value: Tensor | None, sparse_sizes: tuple[int, int]) -> None:
        order = torch.argsort(row * sparse_sizes[1] + col, stable=True)
        self._sizes, self._row, self._col = sparse_sizes, row[order], col[order]
        self._value = None if value is None else value[order]
        self.storage = SimpleNamespace(
            row=lambda: self._row, col=lambda: self._col, value=lambda: self._value
        )

    def __getitem__(self, rows: Tensor) -> "SparseTensor":
        count = torch.bincount(self._row, minlength=self._sizes[0])
        first, chosen = count.cumsum(0) - count, count[rows]
        row = torch.repeat_interleave(chosen)
        entry = torch.arange(len(row), device=row.device) - (chosen.cumsum(0) - chosen - first[rows])[row]
        value = None if self._value is None else self._value[entry]
        # Rows come out sorted, and so do the columns within each: sorting again changes nothing.
        return SparseTensor(row, self._col[entry], value, (len(rows), self._sizes[1]))

    def set_value(self, value: None) -> "SparseTensor":
        """The same matrix with ones for its entries."""
        return SparseTensor(self._row, self._col, value, self._sizes)

    def sum(self, dim: int) -> Tensor:
        """Entries in each row, for a matrix of ones."""
        if dim != 1 or self._value is not None:
            raise NotImplementedError("only the number of entries in each row")
        return torch.bincount(self._row, minlength=self._sizes[0])
