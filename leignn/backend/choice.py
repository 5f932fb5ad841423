"""Whether a piece of work is compiled, from its size and from what it is asked for."""

import os
import sysconfig
from collections.abc import Collection, Iterator
from contextlib import contextmanager
from functools import cache
from importlib.util import find_spec
from pathlib import Path
from shutil import which

import torch
from torch import Tensor
from torch.autograd import forward_ad

PRECISIONS = (torch.float32, torch.float64)
CPU = ("cpu",)

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


@cache
def anywhere() -> tuple[str, ...]:
    """The types of devices that there is code for: GPUs, too, where Triton can make it.

    PyTorch for GPUs brings Triton along. It starts its kernels by code in C, which it compiles here.
    """
    compiler = os.environ.get("CC") or which("gcc") or which("clang")
    headers = Path(sysconfig.get_paths()["include"], "Python.h").exists()
    return ("cpu", "cuda") if find_spec("triton") and compiler and headers else CPU


def worthwhile(size: int, least: int) -> bool:
    """Whether work of ``size`` is large enough, or wanted anyhow."""
    return size >= least if _wanted is None else _wanted


def possible(value: Tensor, devices: Collection[str] = CPU) -> bool:
    """Whether there is compiled code for ``value``: where it lies, its precision, how it is differentiated.

    Derivatives in reverse mode only: not in forward mode, nor by the transforms of :mod:`torch.func`.

    Args:
        value: what is to be worked on.
        devices: the types of those that there is code for.
    """
    return (
        value.device.type in devices
        and value.dtype in PRECISIONS
        and not torch.is_autocast_enabled(value.device.type)
        and not torch._C._are_functorch_transforms_active()
        and forward_ad._current_level < 0
    )
