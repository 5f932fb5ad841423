"""The messages of a layer of LEIGNN-C by compiled loops over the edges, with two derivatives.

Forces are a gradient, and training differentiates it again with respect to the parameters:
:class:`MessageSums` has :class:`MessageGradients` for a gradient, which has compiled gradients in turn. Other
second derivatives (twice by positions, twice by weights) and all further ones are the equations' own.
"""

from collections.abc import Callable

import numpy as np
import torch
from torch import Tensor, nn

from leignn import conservative
from leignn.backend.cpu_sums import array, on_all_threads
from leignn.backend.messages import FirstLayer
from leignn.backend.smooth_band import SmoothBand

Plain = Callable[..., tuple[Tensor, Tensor]]


class SmoothMessagePassing(FirstLayer, conservative.SmoothMessagePassing):
    """Eqs. (1) and (2)."""

    def messages(
        self, phi: Tensor, v: Tensor, edge_index: Tensor, u: Tensor, e: Tensor | SmoothBand
    ) -> tuple[Tensor, Tensor]:
        """Σ_j of Eq. (1) (N, F) and of Eq. (2) (N, 3, F), compiled where ``e`` is a band."""
        if isinstance(e, Tensor):
            return super().messages(phi, v, edge_index, u, e)

        def plain(
            phi: Tensor, v: Tensor, u: Tensor, d: Tensor, envelope: Tensor, table: Tensor
        ) -> tuple[Tensor, Tensor]:
            return self.sums(phi, v, edge_index, u, nn.functional.linear(e.whole(d, envelope), table.t()))

        table = torch.cat([self.rbf_proj.weight.t(), self.rbf_proj.bias[None]])
        e.sort(edge_index, len(phi))
        return MessageSums.apply(e, plain, self.first, phi, v, u, e.d, e.envelope, table)


class MessageSums(torch.autograd.Function):
    """Sums of Eqs. (1) and (2) over the neighbours of each atom.

    Args:
        band: sorted, with its Gaussians.
        plain: the same sums by the equations, of the last six arguments.
        first: whether vectors are zero.
        phi: (N, 3F) of the sources, in the order of vectors passed on, force, scalar.
        v: (N, 3, F) vectors.
        u: (E, 3) unit vectors.
        d, envelope: (E,) of the band.
        table: (R + 1, 3F) from Gaussians to filters, the last row the bias.

    Returns:
        (N, F) and (N, 3, F).
    """

    @staticmethod
    def forward(
        ctx, band: SmoothBand, plain: Plain, first: bool,
        phi: Tensor, v: Tensor, u: Tensor, d: Tensor, envelope: Tensor, table: Tensor,
    ) -> tuple[Tensor, Tensor]:  # fmt: skip
        from leignn.backend import smooth_kernels  # Numba takes half a second to import

        ctx.band, ctx.plain, ctx.first = band, plain, first
        ctx.save_for_backward(phi, v, u, d, envelope, table)
        dx, dv = phi.new_zeros(len(phi), phi.shape[1] // 3), phi.new_zeros(_rows(phi).shape)
        kernel = smooth_kernels.message_sums(band.width, vectors=not first)
        inputs = _inputs(band, first, phi, v, u, table)
        on_all_threads(kernel, band.by_target, lambda thread: [*inputs, dv.numpy(), dx.numpy()])
        return dx, dv

    @staticmethod
    def backward(ctx, grad_dx: Tensor, grad_dv: Tensor) -> tuple[Tensor | None, ...]:
        wanted = _wanted(ctx)
        found = MessageGradients.apply(
            ctx.band, ctx.plain, ctx.first, wanted, grad_dx, grad_dv, *ctx.saved_tensors
        )
        return None, None, None, *found


class MessageGradients(torch.autograd.Function):
    """Gradients of :class:`MessageSums` with respect to its last six arguments, where ``wanted``."""

    @staticmethod
    def forward(
        ctx, band: SmoothBand, plain: Plain, first: bool, wanted: tuple[bool, ...], grad_dx: Tensor,
        grad_dv: Tensor, phi: Tensor, v: Tensor, u: Tensor, d: Tensor, envelope: Tensor, table: Tensor,
    ) -> tuple[Tensor | None, ...]:  # fmt: skip
        from leignn.backend import smooth_kernels

        ctx.band, ctx.plain, ctx.first = band, plain, first
        ctx.save_for_backward(grad_dx, grad_dv, phi, v, u, d, envelope, table)
        ctx.set_materialize_grads(False)
        of_atoms = _OfAtoms(first, phi, v, table)
        of_edges = u.new_zeros(u.shape), d.new_zeros(d.shape), d.new_zeros(d.shape)
        kernel = smooth_kernels.message_gradients(band.width, not first, any(wanted[2:5]), wanted[5])
        inputs = _inputs(band, first, phi, v, u, table)
        inputs += [array(value) for value in (band.shapes, band.slopes, envelope, grad_dv, grad_dx)]
        edges = [value.numpy() for value in of_edges]

        def arrays(thread: int) -> list:
            return [*inputs, *of_atoms.atoms(), *edges, of_atoms.table(thread)]

        on_all_threads(kernel, band.by_source, arrays)
        found = (*of_atoms.gradients[:2], *of_edges, of_atoms.whole_table() if wanted[5] else None)
        return tuple(value if want else None for value, want in zip(found, wanted, strict=True))

    @staticmethod
    def backward(ctx, *along: Tensor | None) -> tuple[Tensor | None, ...]:
        wanted = _wanted(ctx)
        phi_dot, v_dot, u_dot, d_dot, envelope_dot, table_dot = along
        if torch.is_grad_enabled() or table_dot is not None or any(wanted[4:7]):
            return None, None, None, None, *_plain_gradients(ctx, along)

        from leignn.backend import smooth_kernels

        band, first = ctx.band, ctx.first
        grad_dx, grad_dv, phi, v, u, d, envelope, table = ctx.saved_tensors

        def direction(value: Tensor, of: Tensor | None) -> Tensor:
            return torch.zeros_like(value) if of is None else of

        values_dot = band.along(direction(d, d_dot), direction(d, envelope_dot))
        parts_dot = array(_rows(direction(phi, phi_dot)))
        dots = [array(values_dot), array(direction(u, u_dot)), parts_dot]
        dots.append(parts_dot if first else array(direction(v, v_dot)))
        inputs = _inputs(band, first, phi, v, u, table)
        dx, dv = grad_dx.new_zeros(grad_dx.shape), grad_dv.new_zeros(grad_dv.shape)
        kernel = smooth_kernels.sums_along(band.width, not first)
        on_all_threads(kernel, band.by_target, lambda thread: [*inputs, *dots, dv.numpy(), dx.numpy()])

        of_atoms = _OfAtoms(first, phi, v, table)
        kernel = smooth_kernels.gradients_along(band.width, not first)
        inputs += [array(grad_dv), array(grad_dx), *dots]
        on_all_threads(
            kernel, band.by_source, lambda thread: [*inputs, *of_atoms.atoms(), of_atoms.table(thread)]
        )
        found = (*of_atoms.gradients, None, None, None, of_atoms.whole_table())
        return None, None, None, None, dx, dv, *found


class _OfAtoms:
    """Room for the gradients of phi, of v and of table, one of these for each thread."""

    def __init__(self, first: bool, phi: Tensor, v: Tensor, table: Tensor) -> None:
        self._phi = phi.new_zeros(phi.shape)
        self._v = None if first else v.new_zeros(v.shape)
        self._tables = table.new_zeros(torch.get_num_threads(), len(table), 3, table.shape[1] // 3)
        self.gradients = self._phi, self._v

    def atoms(self) -> list[np.ndarray]:
        """grad_phi and grad_v of the kernels."""
        rows = _rows(self._phi)
        return [rows.numpy(), (rows if self._v is None else self._v).numpy()]

    def table(self, thread: int) -> np.ndarray:
        """grad_table of the kernels."""
        return self._tables[thread].numpy()

    def whole_table(self) -> Tensor:
        """(R + 1, 3F) of all threads."""
        return self._tables.sum(0).flatten(1)


def _wanted(ctx) -> list[bool]:
    """Of which tensors a gradient is asked for now: not of all that need one, as autograd calls it."""
    tensors = ctx.needs_input_grad[-len(ctx.next_functions) :]
    return [need and _asked_for(node) for need, (node, _) in zip(tensors, ctx.next_functions, strict=True)]


def _asked_for(node: torch.autograd.graph.Node) -> bool:
    try:
        return torch._C._will_engine_execute_node(node)
    except RuntimeError:  # of a leaf whose gradient is what is asked for
        return True


def _plain_gradients(ctx, along: tuple[Tensor | None, ...]) -> list[Tensor | None]:
    """What :class:`MessageGradients` gives back, by the equations, to be differentiated further."""
    with torch.enable_grad():
        # Views: one may be made of another, and a gradient must not reach it by that way, too.
        inputs = [
            value.view_as(value) if value.requires_grad else value.detach().requires_grad_(True)
            for value in ctx.saved_tensors
        ]
        grad_dx, grad_dv, *values = inputs
        sums = ctx.plain(*values)
        gradients = torch.autograd.grad(
            sums, values, (grad_dx, grad_dv), create_graph=True, allow_unused=True
        )
        given = [
            (gradient, dot)
            for gradient, dot in zip(gradients, along, strict=True)
            if gradient is not None and dot is not None
        ]
        if not given:
            return [None] * len(inputs)
        of, dots = zip(*given, strict=True)
        found = torch.autograd.grad(of, inputs, dots, create_graph=True, allow_unused=True)
    return [value if need else None for value, need in zip(found, ctx.needs_input_grad[4:], strict=True)]


def _inputs(band: SmoothBand, first: bool, phi: Tensor, v: Tensor, u: Tensor, table: Tensor) -> list:
    """values, u, table, phi and v of the kernels."""
    parts = array(_rows(phi))
    filters = array(table.view(len(table), 3, -1))
    return [array(band.values), array(u), filters, parts, parts if first else array(v)]


def _rows(phi: Tensor) -> Tensor:
    """(N, 3, F) of (N, 3F)."""
    return phi.reshape(len(phi), 3, -1)
