"""The atoms' embedding on a GPU, whose gradient is a product there: PyTorch's own goes through the atoms."""

import torch
from torch import Tensor

from leignn import model


class AtomEmbedding(model.AtomEmbedding):
    """One trainable row for each atomic number."""

    def forward(self, atomic_numbers: Tensor) -> Tensor:
        if atomic_numbers.device.type == "cpu":
            return super().forward(atomic_numbers)
        return Rows.apply(self.embeddings.weight, atomic_numbers)


class Rows(torch.autograd.Function):
    """Rows (N, F) of (elements, F), by their numbers (N,)."""

    @staticmethod
    def forward(ctx, weight: Tensor, numbers: Tensor) -> Tensor:
        ctx.save_for_backward(numbers)
        ctx.elements = len(weight)
        return weight.index_select(0, numbers)

    @staticmethod
    def backward(ctx, grad: Tensor) -> tuple[Tensor, None]:
        (numbers,) = ctx.saved_tensors
        one_hot = torch.arange(ctx.elements, device=grad.device).unsqueeze(1) == numbers
        return one_hot.to(grad.dtype) @ grad, None
