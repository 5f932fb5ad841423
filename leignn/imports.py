"""Modules that are imported on demand: commands, and the models that they work with."""

import gc
import sys
from importlib import import_module
from types import ModuleType


def imported(name: str) -> ModuleType:
    """A module, at whose import the garbage collector rests, and which it never looks through.

    Of what PyTorch and its like make when they are imported nothing is garbage. To look through it again and
    again, and once more when the process ends, takes a third of a short command's time.

    Raises:
        ImportError: there is no such module, or it cannot be imported.
    """
    if name in sys.modules:
        return sys.modules[name]
    enabled = gc.isenabled()
    gc.disable()
    try:
        return import_module(name)
    finally:
        gc.freeze()
        if enabled:
            gc.enable()
