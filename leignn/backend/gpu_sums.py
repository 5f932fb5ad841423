"""The sums of a layer's messages and their gradients by Triton's kernels, for a GPU."""

import torch
import triton
from torch import Tensor

from leignn.backend import gpu_kernels
from leignn.backend.edges import SortedEdges

BLOCK = 128  # channels of a program: four to a thread of its one warp


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
    grad_phi = torch.empty_like(phi)
    grad_v = grad_phi if first else torch.empty_like(v)  # where vectors are zero it is not written to
    parts = 2 if first else 3  # of the filters that are used
    grad_g = phi.new_empty(len(edges.by_source[1]), parts, phi.shape[2])
    grad_bias = phi.new_empty(len(phi), parts, phi.shape[2])
    launched = gpu_kernels.message_gradients[_grid(phi)]
    with torch.cuda.device_of(phi):
        launched(
            *edges.by_source, table, phi, v, grad_dv.contiguous(), grad_dx.contiguous(),
            grad_g, grad_bias, grad_phi, grad_v, **_constants(edges, table, first),
        )  # fmt: skip
    # What every edge adds to the rows of its Gaussians: by a product with all of them, which needs no order.
    grad_table = torch.zeros_like(table)
    grad_table[:-1, 3 - parts :] = (edges.whole_by_source.t() @ grad_g.flatten(1)).view(-1, *grad_g.shape[1:])
    grad_table[-1, 3 - parts :] = grad_bias.sum(0)
    return grad_phi, None if first else grad_v, grad_table


def _grid(phi: Tensor) -> tuple[int, int]:
    return len(phi), triton.cdiv(phi.shape[2], _block(phi.shape[2]))


def _block(channels: int) -> int:
    return min(BLOCK, triton.next_power_of_2(channels))


def _constants(edges: SortedEdges, table: Tensor, first: bool) -> dict[str, int | bool]:
    channels = table.shape[2]
    sizes = {"F": channels, "R": len(table) - 1, "BLOCK": _block(channels), "WIDTH": edges.width}
    return {**sizes, "VECTORS": not first, "num_warps": 1}
