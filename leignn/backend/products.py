"""Matrix products in float32: on the CPU by oneDNN, on a Hopper GPU by its units for TF32, three for one.

oneDNN has kernels for every vendor's CPU; PyTorch's own choice, MKL, is half as fast on AMD. But it makes one
for each shape that it meets, which takes ten times as long as a small product, and batches of structures have
hardly ever the same number of atoms. In training rows are therefore filled up to one of few numbers.
"""

from functools import cache

import torch
from torch import Tensor, nn

from leignn.backend.choice import anywhere, possible, worthwhile
from leignn.backend.rounded_up import rounded_up

LEAST, LEAST_ON_GPU = 1_000_000, 250_000_000  # multiply–accumulates, below which PyTorch's choice is as fast


class Linear(nn.Linear):
    """A linear layer whose large products are not left to PyTorch's choice."""

    def forward(self, value: Tensor) -> Tensor:
        if chosen(value, self.out_features):
            return linear(value, self.weight, self.bias)
        return super().forward(value)


def chosen(value: Tensor, outputs: int) -> bool:
    """Whether the product of ``value`` (…, inputs) with a matrix (outputs, inputs) is :func:`linear`'s."""
    on_cpu = value.device.type == "cpu"
    large = worthwhile(value.numel() * outputs, LEAST if on_cpu else LEAST_ON_GPU)
    if not large or value.dtype != torch.float32 or not possible(value, anywhere()):
        return False
    if on_cpu:
        return torch.backends.mkldnn.is_available()
    # Where TF32 is allowed, PyTorch's choice has a third of the work.
    return not torch.backends.cuda.matmul.allow_tf32 and _hopper(value.device)


@cache
def _hopper(device: torch.device) -> bool:
    return torch.cuda.get_device_capability(device)[0] == 9


def linear(value: Tensor, weight: Tensor, bias: Tensor | None = None) -> Tensor:
    """value · weightᵀ + bias, as :func:`torch.nn.functional.linear`."""
    # oneDNN takes transposed matrices as they are, but for slices it has no kernels worth the name.
    value, weight = value.contiguous(), weight.contiguous()
    if not torch.is_grad_enabled() or not (value.requires_grad or weight.requires_grad):
        return _product(value, weight, bias)
    if not weight.requires_grad:
        return _Product.apply(value, weight, bias)
    rows = value.view(-1, value.shape[-1])
    more = rounded_up(len(rows), 5) - len(rows) if value.device.type == "cpu" else 0
    result = _Product.apply(nn.functional.pad(rows, (0, 0, 0, more)) if more else rows, weight, bias)
    return result[: len(rows)].view(*value.shape[:-1], len(weight))


def _product(value: Tensor, weight: Tensor, bias: Tensor | None) -> Tensor:
    if value.device.type == "cpu":
        return torch.ops.mkldnn._linear_pointwise(value, weight, bias, "none", [], "")
    if not value.is_contiguous():  # a gradient of weights, a sum over many rows
        return nn.functional.linear(value, weight, bias)
    from leignn.backend import gpu_products

    rows = value.view(-1, value.shape[-1])
    return gpu_products.product(rows, weight.contiguous(), bias).view(*value.shape[:-1], len(weight))


class _Product(torch.autograd.Function):
    """Its gradients are such products again, and so on."""

    @staticmethod
    def forward(ctx, value: Tensor, weight: Tensor, bias: Tensor | None) -> Tensor:
        ctx.save_for_backward(value, weight)
        return _product(value, weight, bias)

    @staticmethod
    def backward(ctx, grad: Tensor) -> tuple[Tensor | None, ...]:
        value, weight = ctx.saved_tensors
        rows, inputs = grad.contiguous().view(-1, grad.shape[-1]), value.reshape(-1, value.shape[-1])
        wanted = ctx.needs_input_grad
        return (
            _Product.apply(rows, weight.t(), None).view(value.shape) if wanted[0] else None,
            _Product.apply(rows.t(), inputs.t(), None) if wanted[1] else None,
            rows.sum(0) if wanted[2] else None,
        )
