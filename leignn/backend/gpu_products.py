"""Matrix products in float32 by a GPU's units for TF32, compiled by Triton.

A number is taken apart into what TF32 holds of it and the rest, and a product of two into three: the result
is closer to the exact one than that of the units for float32, which on a Hopper GPU do an eighth of the
operations a second (benchmarks/README.md).
"""

import torch
import triton
import triton.language as tl
from torch import Tensor

ROWS, COLUMNS, DEPTH = 64, 64, 32  # of a program's result, and of what it reads at a time
FROM = 600  # programs, from which on each has twice as many rows


def product(value: Tensor, weight: Tensor, bias: Tensor | None) -> Tensor:
    """value · weightᵀ + bias of (rows, inputs), (outputs, inputs) and (outputs,), contiguous."""
    rows, inputs = value.shape
    outputs = len(weight)
    result = value.new_empty(rows, outputs)
    columns = triton.cdiv(outputs, COLUMNS)
    block = 2 * ROWS if triton.cdiv(rows, 2 * ROWS) * columns > FROM else ROWS
    with torch.cuda.device_of(value):
        _product[triton.cdiv(rows, block) * columns,](
            value, weight, value if bias is None else bias, result, rows, outputs, inputs,
            HAS_BIAS=bias is not None, ROWS=block, COLUMNS=COLUMNS, DEPTH=DEPTH, num_warps=4, num_stages=3,
        )  # fmt: skip
    return result


@triton.jit
def _product(
    value, weight, bias, result, rows, outputs, inputs,
    HAS_BIAS: tl.constexpr, ROWS: tl.constexpr, COLUMNS: tl.constexpr, DEPTH: tl.constexpr,
):  # fmt: skip
    blocks = (outputs + COLUMNS - 1) // COLUMNS
    row = (tl.program_id(0) // blocks) * ROWS + tl.arange(0, ROWS)
    column = (tl.program_id(0) % blocks) * COLUMNS + tl.arange(0, COLUMNS)
    total = tl.full([ROWS, COLUMNS], 0.0, tl.float32)
    for begin in range(0, inputs, DEPTH):
        k = begin + tl.arange(0, DEPTH)
        there = (row[:, None] < rows) & (k[None, :] < inputs)
        left = tl.load(value + row[:, None].to(tl.int64) * inputs + k[None, :], mask=there, other=0.0)
        there = (k[:, None] < inputs) & (column[None, :] < outputs)
        right = tl.load(weight + column[None, :] * inputs + k[:, None], mask=there, other=0.0)
        total = tl.dot(left, right, total, input_precision="tf32x3")
    if HAS_BIAS:
        total += tl.load(bias + column, mask=column < outputs, other=0.0)[None, :]
    place = result + row[:, None].to(tl.int64) * outputs + column[None, :]
    tl.store(place, total, mask=(row[:, None] < rows) & (column[None, :] < outputs))
