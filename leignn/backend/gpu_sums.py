"""The sums of a layer's messages and their gradients by Triton's kernels, for a GPU."""

import torch
import triton
from torch import Tensor

from leignn.backend import gpu_kernels
from leignn.backend.edges import SortedEdges

BLOCK = 128  # channels of a program: four to a thread of its one warp
UNROLL = 8  # edges that a program of a piece reads at once
PIECE = 64  # edges whose Gaussians' gradients one program adds up


def sums(edges: SortedEdges, first: bool, phi: Tensor, v: Tensor, table: Tensor) -> tuple[Tensor, Tensor]:
    """As :func:`leignn.backend.cpu_sums.sums`."""
    phi, table = phi.contiguous(), table.contiguous()
    v = phi if first else v.contiguous()  # not read where it is zero
    dx, dv = phi.new_empty(phi[:, 0].shape), phi.new_empty(phi.shape)
    launched = gpu_kernels.message_sums[_grid(phi)]
    with torch.cuda.device_of(phi):
        launched(*edges.by_target, table, phi, v, dv, dx, **_constants(edges, table, first))
    return dx, dv


def gradients(
    edges: SortedEdges, first: bool, phi: Tensor, v: Tensor, table: Tensor, grad_dx: Tensor, grad_dv: Tensor
) -> tuple[Tensor, Tensor | None, Tensor]:
    """As :func:`leignn.backend.cpu_sums.gradients`."""
    phi, table = phi.contiguous(), table.contiguous()
    v = phi if first else v.contiguous()
    grad_dx, grad_dv = grad_dx.contiguous(), grad_dv.contiguous()
    grad_phi = torch.empty_like(phi)
    grad_v = grad_phi if first else torch.empty_like(v)  # where vectors are zero it is not written to
    launched = gpu_kernels.message_gradients[_grid(phi)]
    with torch.cuda.device_of(phi):
        arrays = (table, phi, v, grad_dv, grad_dx, grad_phi, grad_v)
        launched(*edges.by_source, *arrays, **_constants(edges, table, first))
        grad_table = _table_gradients(edges, first, phi, v, table, grad_dx, grad_dv)
    return grad_phi, None if first else grad_v, grad_table


def _table_gradients(
    edges: SortedEdges, first: bool, phi: Tensor, v: Tensor, table: Tensor, grad_dx: Tensor, grad_dv: Tensor
) -> Tensor:
    """(R + 1, 3, F): sums over pieces of edges that have the same Gaussians, and of these."""
    first_piece, begin, end = edges.pieces(PIECE)
    parts, channels = 2 if first else 3, phi.shape[2]  # of the filters that are used
    block = _block(channels)
    rows = triton.next_power_of_2(edges.width + 1)  # Gaussians and the bias
    sums = phi.new_empty(len(begin), parts, rows, channels)
    grad_table = table.new_zeros(table.shape)
    sizes = {"F": channels, "PARTS": parts, "ROWS": rows, "WIDTH": edges.width}
    sizes |= {"BLOCK": block, "UNROLL": UNROLL, "num_warps": 1}
    gpu_kernels.filter_gradients[len(begin), triton.cdiv(channels, block), parts](
        begin, end, *edges.by_gaussian[1:], phi, v, grad_dv, grad_dx, sums, **sizes
    )
    gpu_kernels.table_gradients[len(table) - 1, triton.cdiv(channels, block), parts](
        first_piece, sums, grad_table, len(first_piece) - 1, **sizes
    )
    grad_table[-1, 3 - parts :] = sums[:, :, edges.width].sum(0)
    return grad_table


def _grid(phi: Tensor) -> tuple[int, int]:
    return len(phi), triton.cdiv(phi.shape[2], _block(phi.shape[2]))


def _block(channels: int) -> int:
    return min(BLOCK, triton.next_power_of_2(channels))


def _constants(edges: SortedEdges, table: Tensor, first: bool) -> dict[str, int | bool]:
    channels = table.shape[2]
    sizes = {"F": channels, "R": len(table) - 1, "BLOCK": _block(channels), "WIDTH": edges.width}
    return {**sizes, "VECTORS": not first, "num_warps": 1}
