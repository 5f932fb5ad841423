"""The novel message updating on a GPU: what is between its products in one kernel each, and its gradients."""

from collections.abc import Callable

import torch
from torch import Tensor

from leignn import model
from leignn.backend.choice import anywhere, possible
from leignn.backend.plain_gradients import plain_gradients


class NovelMessageUpdating(model.NovelMessageUpdating):
    """Eqs. (3) and (4)."""

    def with_norms(self, x: Tensor, b: Tensor) -> Tensor:
        """As :meth:`leignn.model.NovelMessageUpdating.with_norms`: (N, 2F)."""
        plain = super().with_norms
        return Norms.apply(plain, self.softening, x, b) if _on_gpu(x, b) else plain(x, b)

    def updated(self, x: Tensor, v: Tensor, a: Tensor, s: Tensor) -> tuple[Tensor, Tensor]:
        """As :meth:`leignn.model.NovelMessageUpdating.updated`: (N, F) and (N, 3, F)."""
        plain = super().updated
        return Updated.apply(plain, x, v, a, s) if _on_gpu(x, v, a, s) else plain(x, v, a, s)


def _on_gpu(*values: Tensor) -> bool:
    first = values[0]
    return (
        first.device.type == "cuda"
        and all(value.dtype == first.dtype for value in values)
        and possible(first, anywhere())
    )


class Norms(torch.autograd.Function):
    """[x, √(Σ b² + softening)] of x (N, F) and b (N, 3, F); ``plain`` is the same by the equations."""

    @staticmethod
    def forward(
        ctx, plain: Callable[[Tensor, Tensor], Tensor], softening: float, x: Tensor, b: Tensor
    ) -> Tensor:
        from leignn.backend import gpu_updating

        result = gpu_updating.with_norms(x.contiguous(), b, softening)
        ctx.plain, ctx.result = plain, result.detach()
        ctx.save_for_backward(x, b)
        return result

    @staticmethod
    def backward(ctx, grad: Tensor) -> tuple[Tensor | None, ...]:
        from leignn.backend import gpu_updating

        if torch.is_grad_enabled():  # these gradients will be differentiated again
            return None, None, *plain_gradients(ctx, ctx.plain, grad)
        x, b = ctx.saved_tensors
        grad = grad.contiguous()
        return None, None, grad[:, : x.shape[1]], gpu_updating.norm_gradients(b, ctx.result, grad)


class Updated(torch.autograd.Function):
    """Eqs. (3) and (4) of x (N, F), v and a (N, 3, F), and s (N, 3F); ``plain`` by the equations."""

    @staticmethod
    def forward(
        ctx, plain: Callable[..., tuple[Tensor, Tensor]], x: Tensor, v: Tensor, a: Tensor, s: Tensor
    ) -> tuple[Tensor, Tensor]:
        from leignn.backend import gpu_updating

        ctx.plain = plain
        ctx.save_for_backward(x, v, a, s)
        return gpu_updating.updated(x.contiguous(), v.contiguous(), a, s.contiguous())

    @staticmethod
    def backward(ctx, grad_x: Tensor, grad_v: Tensor) -> tuple[Tensor | None, ...]:
        from leignn.backend import gpu_updating

        if torch.is_grad_enabled():
            return None, *plain_gradients(ctx, ctx.plain, grad_x, grad_v)
        x, _, a, s = ctx.saved_tensors
        grad_v = grad_v.contiguous()
        of_x, of_a, of_s = gpu_updating.update_gradients(
            x.contiguous(), a, s.contiguous(), grad_x.contiguous(), grad_v
        )
        return None, of_x, grad_v, of_a, of_s
