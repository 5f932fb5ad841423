"""The optimiser of every training."""

from collections.abc import Iterable

import torch

from leignn.config.training import Precision


def adamw(parameters: Iterable[torch.nn.Parameter], rate: float, precision: Precision) -> torch.optim.AdamW:
    """AdamW with amsgrad and no weight decay, as the authors' code has it.

    On the CPU in one pass over each parameter: a seventh of the time of PyTorch's loop of operations, which
    at 18.8 million parameters is 116 ms a step. Not with mixed precision, where Lightning takes a fused
    optimiser for one that scales gradients, and clips none. On CUDA as PyTorch chooses.

    Args:
        parameters: on the device on which they are trained.
        rate: learning rate.
        precision: of the training.
    """
    parameters = list(parameters)
    fused = precision != "bf16-mixed" and all(p.device.type == "cpu" for p in parameters)
    return torch.optim.AdamW(parameters, lr=rate, weight_decay=0, amsgrad=True, fused=fused or None)
