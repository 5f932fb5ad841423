"""The message sums of LEIGNN and their gradients, edge by edge, compiled by Numba.

An edge's filters are made, used and forgotten: nothing has a row for every edge. The number of Gaussians
that an edge touches and whether there are vectors yet are fixed in each compiled form, which lets the
compiler unroll and vectorise; the machine code is kept beside this file (Numba's cache), if that may be.

N atoms, E edges sorted by one end, F channels, R radial functions, T of them next to each distance.
Arrays that all kernels take:

- begin, end: the atoms to work on; another thread may have the others.
- first_edge: (N + 1,) first edge of each atom, and E.
- other: (E,) each edge's other end; u: (E, 3) unit vectors from source to target.
- first_gaussian: (E,) first Gaussian of each edge; values: (E, T) the Gaussians' values.
- table: (R + 1, 3, F) from Gaussians to the filters g₁, g₂ and g₃; its last row is the bias.
- phi: (N, 3, F) φ₁, φ₂ and φ₃ of the sources; v: (N, 3, F) vectors, not read where ``vectors`` is False.
"""

from collections.abc import Callable
from functools import cache
from typing import Any

import numba
import numpy as np
from numba.extending import register_jitable


def compiled_kernel(kernel: Callable[..., None], *freedoms: str) -> Callable[..., None]:
    """``kernel`` as machine code, with further ``freedoms`` of LLVM's for its arithmetic."""
    # Products and sums may be contracted to one rounding; nothing else is reordered.
    options: dict[str, Any] = {"nogil": True, "fastmath": {"contract", *freedoms}, "error_model": "numpy"}
    try:
        return numba.njit(cache=True, **options)(kernel)
    except RuntimeError:  # no folder can be written to: compiled anew in every process
        return numba.njit(**options)(kernel)


def first_part(vectors: bool) -> int:
    """The first of g₁, g₂ and g₃ that is needed: without vectors there is nothing to pass on."""
    return 0 if vectors else 1


@cache
def _make_filters(width: int, vectors: bool) -> Callable[..., None]:
    """Writes the filters (3, F) of edge e; weights (T,) is room for its Gaussians."""
    parts = first_part(vectors)

    # Inlined: as a call it would cost a fifth of the sums at F = 64. Not by numba.njit: what that makes has
    # another identity in each process, and the kernels around it would never be found in the cache.
    @register_jitable(inline="always")
    def kernel(filters, weights, e, first_gaussian, values, table):
        gaussian, bias = first_gaussian[e], len(table) - 1
        for t in range(width):
            weights[t] = values[e, t]
        for part in range(parts, 3):
            for c in range(filters.shape[1]):
                total = table[bias, part, c]
                for t in range(width):
                    total += weights[t] * table[gaussian + t, part, c]
                filters[part, c] = total

    return kernel


@cache
def message_sums(width: int, vectors: bool) -> Callable[..., None]:
    """Kernel of Eqs. (1) and (2) for edges sorted by target: adds to dv (N, 3, F) and dx (N, F)."""
    parts, make_filters = first_part(vectors), _make_filters(width, vectors)

    @compiled_kernel
    def kernel(begin, end, first_edge, other, u, first_gaussian, values, table, phi, v, dv, dx):
        channels = dx.shape[1]
        filters, weights = np.empty((3, channels), dx.dtype), np.empty(width, dx.dtype)
        for i in range(begin, end):
            for e in range(first_edge[i], first_edge[i + 1]):
                j, (x, y, z) = other[e], (u[e, 0], u[e, 1], u[e, 2])
                make_filters(filters, weights, e, first_gaussian, values, table)
                for part in range(parts, 3):
                    for c in range(channels):
                        filters[part, c] *= phi[j, part, c]
                for c in range(channels):
                    dx[i, c] += filters[2, c]
                if vectors:
                    for c in range(channels):
                        dv[i, 0, c] += filters[0, c] * v[j, 0, c] + filters[1, c] * x
                        dv[i, 1, c] += filters[0, c] * v[j, 1, c] + filters[1, c] * y
                        dv[i, 2, c] += filters[0, c] * v[j, 2, c] + filters[1, c] * z
                else:
                    for c in range(channels):
                        dv[i, 0, c] += filters[1, c] * x
                        dv[i, 1, c] += filters[1, c] * y
                        dv[i, 2, c] += filters[1, c] * z

    return kernel


@cache
def message_gradients(width: int, vectors: bool) -> Callable[..., None]:
    """Kernel of their gradients for edges sorted by source, so that no two atoms write to the same row.

    From grad_dv (N, 3, F) and grad_dx (N, F) it adds to grad_table, which is the thread's own, to grad_phi
    and, with vectors, to grad_v; their shapes are those of table, phi and v.
    """
    parts, make_filters = first_part(vectors), _make_filters(width, vectors)

    @compiled_kernel
    def kernel(
        begin, end, first_edge, other, u, first_gaussian, values, table, phi, v,
        grad_dv, grad_dx, grad_table, grad_phi, grad_v,
    ):  # fmt: skip
        channels, bias = grad_dx.shape[1], len(table) - 1
        # Gradients of filter · φ, then of the filter.
        filters, grads = np.empty((3, channels), grad_dx.dtype), np.empty((3, channels), grad_dx.dtype)
        weights = np.empty(width, grad_dx.dtype)
        for j in range(begin, end):
            for e in range(first_edge[j], first_edge[j + 1]):
                i, gaussian, (x, y, z) = other[e], first_gaussian[e], (u[e, 0], u[e, 1], u[e, 2])
                make_filters(filters, weights, e, first_gaussian, values, table)
                for c in range(channels):
                    grads[1, c] = grad_dv[i, 0, c] * x + grad_dv[i, 1, c] * y + grad_dv[i, 2, c] * z
                for c in range(channels):
                    grads[2, c] = grad_dx[i, c]
                if vectors:
                    for c in range(channels):
                        grads[0, c] = (
                            grad_dv[i, 0, c] * v[j, 0, c]
                            + grad_dv[i, 1, c] * v[j, 1, c]
                            + grad_dv[i, 2, c] * v[j, 2, c]
                        )
                    for a in range(3):
                        for c in range(channels):
                            grad_v[j, a, c] += grad_dv[i, a, c] * filters[0, c] * phi[j, 0, c]
                for part in range(parts, 3):
                    for c in range(channels):
                        grad_phi[j, part, c] += grads[part, c] * filters[part, c]
                        grads[part, c] *= phi[j, part, c]
                    for c in range(channels):
                        grad_table[bias, part, c] += grads[part, c]
                    for t in range(width):
                        for c in range(channels):
                            grad_table[gaussian + t, part, c] += weights[t] * grads[part, c]

    return kernel
