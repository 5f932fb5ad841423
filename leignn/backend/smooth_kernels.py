"""The message sums of LEIGNN-C, their gradients, and the gradients of those, edge by edge, compiled by Numba.

The sums are linear in each of what they are made of, so that every derivative is made of the same parts. With
the filters g = W e and what the sources send, φ, an edge from j to i passes on

    Δx_i = g₃ φ₃,    Δv_i = g₁ φ₁ v_j + g₂ φ₂ u.

As in :mod:`leignn.backend.kernels`, filters are made, used and forgotten. Arrays that all kernels take:

- begin, end: the atoms to work on; another thread may have the others.
- first_edge: (N + 1,) first place of each atom, and E; edge: (E,) the edge at each place; other: (E,) its
  other end. Places are sorted by one end.
- first_gaussian: (E,) first Gaussian of each edge; values: (E, T + 1) its Gaussians and its envelope, which
  weights the bias; u: (E, 3) unit vectors from source to target.
- table: (R + 1, 3, F) from Gaussians to filters; its last row is the bias.
- phi: (N, 3, F) φ₁, φ₂ and φ₃ of the sources; v: (N, 3, F) vectors, not read where ``vectors`` is False.
- a name with ``_dot``: the direction in which derivatives are taken, of the shape of what it moves.
"""

from collections.abc import Callable
from functools import cache

import numpy as np
from numba.extending import register_jitable

from leignn.backend.kernels import compiled_kernel, first_part


def _compiled(kernel: Callable[..., None]) -> Callable[..., None]:
    # Sums over channels may be taken in parts, without which they are not vectorised.
    return compiled_kernel(kernel, "reassoc")


@cache
def _make_filters(width: int, vectors: bool) -> Callable[..., None]:
    """Writes the filters (3, F) that ``weights`` (T + 1,), an edge's values, make of the table."""
    parts = first_part(vectors)

    @register_jitable(inline="always")
    def kernel(filters, weights, gaussian, table):
        bias = len(table) - 1
        for part in range(parts, 3):
            for c in range(filters.shape[1]):
                total = weights[width] * table[bias, part, c]
                for t in range(width):
                    total += weights[t] * table[gaussian + t, part, c]
                filters[part, c] = total

    return kernel


@cache
def _make_both_filters(width: int, vectors: bool) -> Callable[..., None]:
    """Filters of the values and of their direction: the table is read once."""
    parts = first_part(vectors)

    @register_jitable(inline="always")
    def kernel(filters, filters_dot, weights, weights_dot, gaussian, table):
        bias = len(table) - 1
        for part in range(parts, 3):
            for c in range(filters.shape[1]):
                entry = table[bias, part, c]
                total, total_dot = weights[width] * entry, weights_dot[width] * entry
                for t in range(width):
                    entry = table[gaussian + t, part, c]
                    total += weights[t] * entry
                    total_dot += weights_dot[t] * entry
                filters[part, c], filters_dot[part, c] = total, total_dot

    return kernel


@cache
def message_sums(width: int, vectors: bool) -> Callable[..., None]:
    """Kernel for edges sorted by target: adds to dv (N, 3, F) and dx (N, F)."""
    parts, make_filters = first_part(vectors), _make_filters(width, vectors)

    @_compiled
    def kernel(begin, end, first_edge, edge, other, first_gaussian, values, u, table, phi, v, dv, dx):
        channels = dx.shape[1]
        filters, weights = np.empty((3, channels), dx.dtype), np.empty(width + 1, dx.dtype)
        for i in range(begin, end):
            for place in range(first_edge[i], first_edge[i + 1]):
                e, j = edge[place], other[place]
                for t in range(width + 1):
                    weights[t] = values[e, t]
                make_filters(filters, weights, first_gaussian[e], table)
                for part in range(parts, 3):
                    for c in range(channels):
                        filters[part, c] *= phi[j, part, c]
                for c in range(channels):
                    dx[i, c] += filters[2, c]
                for a in range(3):
                    along = u[e, a]
                    if vectors:
                        for c in range(channels):
                            dv[i, a, c] += filters[0, c] * v[j, a, c] + filters[1, c] * along
                    else:
                        for c in range(channels):
                            dv[i, a, c] += filters[1, c] * along

    return kernel


@cache
def message_gradients(width: int, vectors: bool, of_edges: bool, of_table: bool) -> Callable[..., None]:
    """Kernel of their gradients for edges sorted by source, so that no two atoms write to the same row.

    It takes what the values are made of: shapes (E, T + 1), under envelopes (E,), and their derivatives by
    distance, slopes (E, T + 1). From grad_dv (N, 3, F) and grad_dx (N, F) it adds to grad_phi and, with
    vectors, to grad_v. Where it is wanted, it writes grad_u, grad_d (E,) and grad_envelope (E,),
    ``of_edges``, and adds to the thread's own grad_table.
    """
    parts = first_part(vectors)
    make_filters, make_both_filters = _make_filters(width, vectors), _make_both_filters(width, vectors)

    @_compiled
    def kernel(
        begin, end, first_edge, edge, other, first_gaussian, values, u, table, phi, v,
        shapes, slopes, envelope, grad_dv, grad_dx, grad_phi, grad_v,
        grad_u, grad_d, grad_envelope, grad_table,
    ):  # fmt: skip
        channels, bias, kind = grad_dx.shape[1], len(table) - 1, grad_dx.dtype
        # Filters without the envelope and their derivatives; gradients of filter · φ, then of the filter.
        filters, filters_dot = np.empty((3, channels), kind), np.empty((3, channels), kind)
        grads = np.empty((3, channels), kind)
        weights, weights_dot = np.empty(width + 1, kind), np.empty(width + 1, kind)
        for j in range(begin, end):
            for place in range(first_edge[j], first_edge[j + 1]):
                e, i = edge[place], other[place]
                gaussian, x, y, z, env = first_gaussian[e], u[e, 0], u[e, 1], u[e, 2], envelope[e]
                for t in range(width + 1):
                    weights[t], weights_dot[t] = shapes[e, t], slopes[e, t]
                if of_edges:
                    make_both_filters(filters, filters_dot, weights, weights_dot, gaussian, table)
                else:
                    make_filters(filters, weights, gaussian, table)
                if of_edges:
                    along_x = along_y = along_z = kind.type(0)
                    for c in range(channels):
                        force = filters[1, c] * phi[j, 1, c]
                        along_x += grad_dv[i, 0, c] * force
                        along_y += grad_dv[i, 1, c] * force
                        along_z += grad_dv[i, 2, c] * force
                    grad_u[e, 0], grad_u[e, 1], grad_u[e, 2] = env * along_x, env * along_y, env * along_z
                for c in range(channels):
                    grads[1, c] = grad_dv[i, 0, c] * x + grad_dv[i, 1, c] * y + grad_dv[i, 2, c] * z
                for c in range(channels):
                    grads[2, c] = grad_dx[i, c]
                if vectors:
                    for c in range(channels):
                        p, q, r = grad_dv[i, 0, c], grad_dv[i, 1, c], grad_dv[i, 2, c]
                        grads[0, c] = p * v[j, 0, c] + q * v[j, 1, c] + r * v[j, 2, c]
                        passed_on = env * filters[0, c] * phi[j, 0, c]
                        grad_v[j, 0, c] += p * passed_on
                        grad_v[j, 1, c] += q * passed_on
                        grad_v[j, 2, c] += r * passed_on
                by_envelope = by_distance = kind.type(0)
                for part in range(parts, 3):
                    for c in range(channels):
                        grad, weighted = grads[part, c], grads[part, c] * filters[part, c]
                        grad_phi[j, part, c] += env * weighted
                        by_envelope += weighted * phi[j, part, c]
                        grads[part, c] = env * grad * phi[j, part, c]
                        if of_edges:
                            by_distance += grads[part, c] * filters_dot[part, c]
                if of_edges:
                    grad_d[e], grad_envelope[e] = by_distance, by_envelope
                if of_table:
                    for part in range(parts, 3):
                        for t in range(width + 1):
                            row = gaussian + t if t < width else bias
                            for c in range(channels):
                                grad_table[row, part, c] += weights[t] * grads[part, c]

    return kernel


@cache
def sums_along(width: int, vectors: bool) -> Callable[..., None]:
    """Kernel for edges sorted by target: adds to dv and dx the derivatives of the sums along a direction."""
    make_both_filters = _make_both_filters(width, vectors)

    @_compiled
    def kernel(
        begin, end, first_edge, edge, other, first_gaussian, values, u, table, phi, v,
        values_dot, u_dot, phi_dot, v_dot, dv, dx,
    ):  # fmt: skip
        channels = dx.shape[1]
        filters, filters_dot = np.empty((3, channels), dx.dtype), np.empty((3, channels), dx.dtype)
        weights, weights_dot = np.empty(width + 1, dx.dtype), np.empty(width + 1, dx.dtype)
        for i in range(begin, end):
            for place in range(first_edge[i], first_edge[i + 1]):
                e, j = edge[place], other[place]
                for t in range(width + 1):
                    weights[t], weights_dot[t] = values[e, t], values_dot[e, t]
                make_both_filters(filters, filters_dot, weights, weights_dot, first_gaussian[e], table)
                for c in range(channels):
                    dx[i, c] += filters_dot[2, c] * phi[j, 2, c] + filters[2, c] * phi_dot[j, 2, c]
                for c in range(channels):
                    filters_dot[1, c] = filters_dot[1, c] * phi[j, 1, c] + filters[1, c] * phi_dot[j, 1, c]
                    filters[1, c] *= phi[j, 1, c]
                if vectors:
                    for c in range(channels):
                        filters_dot[0, c] = (
                            filters_dot[0, c] * phi[j, 0, c] + filters[0, c] * phi_dot[j, 0, c]
                        )
                        filters[0, c] *= phi[j, 0, c]
                for a in range(3):
                    along, along_dot = u[e, a], u_dot[e, a]
                    for c in range(channels):
                        dv[i, a, c] += filters_dot[1, c] * along + filters[1, c] * along_dot
                    if vectors:
                        for c in range(channels):
                            dv[i, a, c] += filters_dot[0, c] * v[j, a, c] + filters[0, c] * v_dot[j, a, c]

    return kernel


@cache
def gradients_along(width: int, vectors: bool) -> Callable[..., None]:
    """Kernel for edges sorted by source: the derivatives of :func:`message_gradients` along a direction.

    It adds to grad_phi, to grad_v with vectors, and to grad_table, the thread's own.
    """
    parts, make_both_filters = first_part(vectors), _make_both_filters(width, vectors)

    @_compiled
    def kernel(
        begin, end, first_edge, edge, other, first_gaussian, values, u, table, phi, v, grad_dv, grad_dx,
        values_dot, u_dot, phi_dot, v_dot, grad_phi, grad_v, grad_table,
    ):  # fmt: skip
        channels, bias, kind = grad_dx.shape[1], len(table) - 1, grad_dx.dtype
        filters, filters_dot = np.empty((3, channels), kind), np.empty((3, channels), kind)
        # Gradients of filter · φ and their derivatives, then the gradients of both filters.
        grads, grads_dot = np.empty((3, channels), kind), np.zeros((3, channels), kind)
        weights, weights_dot = np.empty(width + 1, kind), np.empty(width + 1, kind)
        for j in range(begin, end):
            for place in range(first_edge[j], first_edge[j + 1]):
                e, i = edge[place], other[place]
                gaussian, x, y, z = first_gaussian[e], u[e, 0], u[e, 1], u[e, 2]
                x_dot, y_dot, z_dot = u_dot[e, 0], u_dot[e, 1], u_dot[e, 2]
                for t in range(width + 1):
                    weights[t], weights_dot[t] = values[e, t], values_dot[e, t]
                make_both_filters(filters, filters_dot, weights, weights_dot, gaussian, table)
                for c in range(channels):
                    p, q, r = grad_dv[i, 0, c], grad_dv[i, 1, c], grad_dv[i, 2, c]
                    grads[1, c] = p * x + q * y + r * z
                    grads_dot[1, c] = p * x_dot + q * y_dot + r * z_dot
                for c in range(channels):
                    grads[2, c] = grad_dx[i, c]
                    grads_dot[2, c] = 0
                if vectors:
                    for c in range(channels):
                        p, q, r = grad_dv[i, 0, c], grad_dv[i, 1, c], grad_dv[i, 2, c]
                        grads[0, c] = p * v[j, 0, c] + q * v[j, 1, c] + r * v[j, 2, c]
                        grads_dot[0, c] = p * v_dot[j, 0, c] + q * v_dot[j, 1, c] + r * v_dot[j, 2, c]
                        passed_on = filters_dot[0, c] * phi[j, 0, c] + filters[0, c] * phi_dot[j, 0, c]
                        grad_v[j, 0, c] += p * passed_on
                        grad_v[j, 1, c] += q * passed_on
                        grad_v[j, 2, c] += r * passed_on
                for part in range(parts, 3):
                    for c in range(channels):
                        grad, grad_dot = grads[part, c], grads_dot[part, c]
                        grad_phi[j, part, c] += grad * filters_dot[part, c] + grad_dot * filters[part, c]
                        grads[part, c] = grad * phi_dot[j, part, c] + grad_dot * phi[j, part, c]
                        grads_dot[part, c] = grad * phi[j, part, c]
                for part in range(parts, 3):
                    for t in range(width + 1):
                        row = gaussian + t if t < width else bias
                        for c in range(channels):
                            grad_table[row, part, c] += (
                                weights[t] * grads[part, c] + weights_dot[t] * grads_dot[part, c]
                            )

    return kernel
