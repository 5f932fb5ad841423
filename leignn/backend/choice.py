"""Whether a piece of work is compiled, from its size and from what it is asked for."""

from collections.abc import Iterator
from contextlib import contextmanager

import torch
from torch import Tensor
from torch.autograd import forward_ad

PRECISIONS = (torch.float32, torch.float64)

_wanted: bool | None = None  # None: by size


@contextmanager
def compiled(wanted: bool) -> Iterator[None]:
    """Inside, work of any size is compiled where that is possible, or none is."""
    global _wanted
    before, _wanted = _wanted, wanted
    try:
        yield
    finally:
        _wanted = before


def worthwhile(size: int, least: int) -> bool:
    """Whether work of ``size`` is large enough, or wanted anyhow."""
    return size >= least if _wanted is None else _wanted


def possible(value: Tensor) -> bool:
    """Whether there is compiled code for ``value``: where it lies, its precision, how it is differentiated.

    Derivatives in reverse mode only: not in forward mode, nor by the transforms of :mod:`torch.func`.
    """
    return (
        value.device.type == "cpu"
        and value.dtype in PRECISIONS
        and not torch.is_autocast_enabled("cpu")
        and not torch._C._are_functorch_transforms_active()
        and forward_ad._current_level < 0
    )
