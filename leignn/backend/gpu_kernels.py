"""The message sums of LEIGNN and their gradients on a GPU, compiled by Triton.

As on the CPU (:mod:`leignn.backend.kernels`, whose names these are), an edge's filters are made of the
Gaussians next to its distance and forgotten. A program has one atom and a block of its channels: it goes
through the atom's edges in their order and nobody else writes to its rows, so that the same input gives the
same bits. Neighbouring programs have the same channels, whose part of the table stays in the cache.
"""

import triton
import triton.language as tl


@triton.jit
def _filter(table, values, gaussian, e, part, c, inside, F, R, WIDTH: tl.constexpr):
    """g_part of edge e: the bias, which is the table's last row, and WIDTH Gaussians times their rows."""
    column = part * F + c
    total = tl.load(table + R * 3 * F + column, mask=inside, other=0.0)
    for t in tl.static_range(WIDTH):
        row = tl.load(table + (gaussian + t) * 3 * F + column, mask=inside, other=0.0)
        total += tl.load(values + e * WIDTH + t) * row
    return total


@triton.jit
def message_sums(
    first_edge, other, u, first_gaussian, values, table, phi, v, dv, dx,
    F, R, VECTORS: tl.constexpr, WIDTH: tl.constexpr, BLOCK: tl.constexpr,
):  # fmt: skip
    """Eqs. (1) and (2) for edges sorted by target: writes dv (N, 3, F) and dx (N, F)."""
    i = tl.program_id(0).to(tl.int64)
    c = tl.program_id(1) * BLOCK + tl.arange(0, BLOCK)
    inside = c < F
    scalar = tl.full([BLOCK], 0.0, dx.dtype.element_ty)
    along_x, along_y, along_z = scalar, scalar, scalar
    for e in range(tl.load(first_edge + i), tl.load(first_edge + i + 1)):
        source, gaussian = tl.load(other + e) * 3 * F, tl.load(first_gaussian + e)
        x, y, z = tl.load(u + 3 * e), tl.load(u + 3 * e + 1), tl.load(u + 3 * e + 2)
        force = _filter(table, values, gaussian, e, 1, c, inside, F, R, WIDTH)
        force *= tl.load(phi + source + F + c, mask=inside, other=0.0)
        along_x += force * x
        along_y += force * y
        along_z += force * z
        passed = _filter(table, values, gaussian, e, 2, c, inside, F, R, WIDTH)
        scalar += passed * tl.load(phi + source + 2 * F + c, mask=inside, other=0.0)
        if VECTORS:
            gate = _filter(table, values, gaussian, e, 0, c, inside, F, R, WIDTH)
            gate *= tl.load(phi + source + c, mask=inside, other=0.0)
            along_x += gate * tl.load(v + source + c, mask=inside, other=0.0)
            along_y += gate * tl.load(v + source + F + c, mask=inside, other=0.0)
            along_z += gate * tl.load(v + source + 2 * F + c, mask=inside, other=0.0)
    tl.store(dx + i * F + c, scalar, mask=inside)
    tl.store(dv + i * 3 * F + c, along_x, mask=inside)
    tl.store(dv + i * 3 * F + F + c, along_y, mask=inside)
    tl.store(dv + i * 3 * F + 2 * F + c, along_z, mask=inside)


@triton.jit
def message_gradients(
    first_edge, other, u, first_gaussian, values, table, phi, v, grad_dv, grad_dx, grad_phi, grad_v,
    F, R, VECTORS: tl.constexpr, WIDTH: tl.constexpr, BLOCK: tl.constexpr,
):  # fmt: skip
    """Their gradients for edges sorted by source: writes grad_phi and grad_v (N, 3, F).

    Without vectors there is no grad_v.
    """
    j = tl.program_id(0).to(tl.int64)
    c = tl.program_id(1) * BLOCK + tl.arange(0, BLOCK)
    inside = c < F
    own = j * 3 * F + c
    none = tl.full([BLOCK], 0.0, grad_phi.dtype.element_ty)
    phi1, v_x, v_y, v_z = none, none, none, none
    if VECTORS:
        phi1 = tl.load(phi + own, mask=inside, other=0.0)
        v_x = tl.load(v + own, mask=inside, other=0.0)
        v_y = tl.load(v + own + F, mask=inside, other=0.0)
        v_z = tl.load(v + own + 2 * F, mask=inside, other=0.0)
    to_phi1, to_phi2, to_phi3, to_x, to_y, to_z = none, none, none, none, none, none
    for e in range(tl.load(first_edge + j), tl.load(first_edge + j + 1)):
        target, gaussian = tl.load(other + e), tl.load(first_gaussian + e)
        x, y, z = tl.load(u + 3 * e), tl.load(u + 3 * e + 1), tl.load(u + 3 * e + 2)
        place = grad_dv + target * 3 * F + c
        grad_x = tl.load(place, mask=inside, other=0.0)
        grad_y = tl.load(place + F, mask=inside, other=0.0)
        grad_z = tl.load(place + 2 * F, mask=inside, other=0.0)
        grad2 = grad_x * x + grad_y * y + grad_z * z
        to_phi2 += grad2 * _filter(table, values, gaussian, e, 1, c, inside, F, R, WIDTH)
        grad3 = tl.load(grad_dx + target * F + c, mask=inside, other=0.0)
        to_phi3 += grad3 * _filter(table, values, gaussian, e, 2, c, inside, F, R, WIDTH)
        if VECTORS:
            gate = _filter(table, values, gaussian, e, 0, c, inside, F, R, WIDTH)
            to_phi1 += gate * (grad_x * v_x + grad_y * v_y + grad_z * v_z)
            gate *= phi1
            to_x += grad_x * gate
            to_y += grad_y * gate
            to_z += grad_z * gate
    tl.store(grad_phi + own, to_phi1, mask=inside)
    tl.store(grad_phi + own + F, to_phi2, mask=inside)
    tl.store(grad_phi + own + 2 * F, to_phi3, mask=inside)
    if VECTORS:
        tl.store(grad_v + own, to_x, mask=inside)
        tl.store(grad_v + own + F, to_y, mask=inside)
        tl.store(grad_v + own + 2 * F, to_z, mask=inside)


@triton.jit
def filter_gradients(
    begin, end, source, target, u, values, phi, v, grad_dv, grad_dx, sums,
    F, PARTS: tl.constexpr, ROWS: tl.constexpr, WIDTH: tl.constexpr, BLOCK: tl.constexpr,
    UNROLL: tl.constexpr,
):  # fmt: skip
    """What pieces of edges with the same Gaussians add to the gradients of these Gaussians' filters.

    Writes sums (P, PARTS, ROWS, F): of each piece WIDTH rows of Gaussians, then that of the bias. Of two
    PARTS the first is g_2: without vectors there is no g_1.
    """
    piece = tl.program_id(0).to(tl.int64)
    c = tl.program_id(1) * BLOCK + tl.arange(0, BLOCK)
    inside = c < F
    number = tl.program_id(2)
    part = number + 3 - PARTS
    row = tl.arange(0, ROWS)
    total = tl.full([ROWS, BLOCK], 0.0, sums.dtype.element_ty)
    last = tl.load(end + piece)
    for e0 in range(tl.load(begin + piece), last, UNROLL):
        for step in tl.static_range(UNROLL):
            e = e0 + step
            there = inside & (e < last)
            of = tl.load(source + e, mask=e < last, other=0) * 3 * F + c
            to = tl.load(target + e, mask=e < last, other=0) * F
            if part == 2:
                grad = tl.load(grad_dx + to + c, mask=there, other=0.0)
            else:
                place = grad_dv + 3 * to + c
                grad_x = tl.load(place, mask=there, other=0.0)
                grad_y = tl.load(place + F, mask=there, other=0.0)
                grad_z = tl.load(place + 2 * F, mask=there, other=0.0)
                if part == 1:
                    grad = grad_x * tl.load(u + 3 * e, mask=e < last, other=0.0)
                    grad += grad_y * tl.load(u + 3 * e + 1, mask=e < last, other=0.0)
                    grad += grad_z * tl.load(u + 3 * e + 2, mask=e < last, other=0.0)
                else:
                    grad = grad_x * tl.load(v + of, mask=there, other=0.0)
                    grad += grad_y * tl.load(v + of + F, mask=there, other=0.0)
                    grad += grad_z * tl.load(v + of + 2 * F, mask=there, other=0.0)
            grad *= tl.load(phi + of + part * F, mask=there, other=0.0)
            value = tl.load(values + e * WIDTH + row, mask=(row < WIDTH) & (e < last), other=0.0)
            total += tl.where(row == WIDTH, 1.0, value)[:, None] * grad[None, :]
    place = sums + ((piece * PARTS + number) * ROWS + row[:, None]) * F + c[None, :]
    tl.store(place, total, mask=inside[None, :])


@triton.jit
def table_gradients(
    first_piece, sums, grad_table, bands,
    F, PARTS: tl.constexpr, ROWS: tl.constexpr, WIDTH: tl.constexpr, BLOCK: tl.constexpr,
    UNROLL: tl.constexpr,
):  # fmt: skip
    """Adds them up: writes the rows of R Gaussians of grad_table (R + 1, 3, F)."""
    gaussian = tl.program_id(0)
    c = tl.program_id(1) * BLOCK + tl.arange(0, BLOCK)
    inside = c < F
    number = tl.program_id(2)
    total = tl.full([BLOCK], 0.0, sums.dtype.element_ty)
    for t in range(WIDTH):
        first = gaussian - t  # of the bands that have it as their number t
        known = (first >= 0) & (first < bands)
        last = tl.load(first_piece + first + 1, mask=known, other=0)
        for piece in range(tl.load(first_piece + first, mask=known, other=0), last, UNROLL):
            for step in tl.static_range(UNROLL):
                place = sums + (((piece + step) * PARTS + number) * ROWS + t) * F + c
                total += tl.load(place, mask=inside & (piece + step < last), other=0.0)
    tl.store(grad_table + (gaussian * 3 + number + 3 - PARTS) * F + c, total, mask=inside)
