"""Gradients of a compiled function by the equations, where they will be differentiated again."""

from collections.abc import Callable, Sequence
from typing import Any

import torch
from torch import Tensor


def plain_gradients(
    ctx: Any, plain: Callable[..., Tensor | Sequence[Tensor]], *given: Tensor
) -> list[Tensor | None]:
    """Of the tensors that ``ctx`` has saved, the last arguments of its function.

    Args:
        ctx: the context of a :class:`torch.autograd.Function`.
        plain: computes what the function does, by the equations.
        given: the gradients of what it returns.
    """
    values = ctx.saved_tensors
    wanted = ctx.needs_input_grad[-len(values) :]
    with torch.enable_grad():
        result = plain(*values)
    of = [value for value, want in zip(values, wanted, strict=True) if want]
    found = iter(torch.autograd.grad(result, of, given, create_graph=True, allow_unused=True))
    return [next(found) if want else None for want in wanted]
