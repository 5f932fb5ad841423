"""A batch of structures: named tensors that are moved together."""

from types import SimpleNamespace
from typing import Self

import torch
from torch import Tensor


class Batch(SimpleNamespace):
    """Joined structures' tensors, and plain numbers: see :meth:`leignn.potential.Potential.forward`.

    It needs PyTorch alone: torch-geometric's class of this name, which would do, takes longer to import
    than most jobs compute.
    """

    def __contains__(self, name: str) -> bool:
        return name in vars(self)

    def to(self, device: torch.device | str) -> Self:
        """The same batch on a device; tensors that are there already are shared."""
        own = vars(self).items()
        return type(self)(**{n: value.to(device) if isinstance(value, Tensor) else value for n, value in own})
