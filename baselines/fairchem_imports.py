"""How our adapters import fairchem-core 1.10.0, the last release with PaiNN, DimeNet++ and GemNet."""

import importlib.util
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from types import ModuleType

# Before the stand-ins: torch-geometric looks for the compiled packages once, when it is imported.
import torch_geometric  # noqa: F401

from baselines import scatter_sums

STAND_INS = {"torch_scatter": ("scatter", "segment_coo", "segment_csr"), "torch_sparse": ("SparseTensor",)}


@contextmanager
def fairchem_imports() -> Iterator[None]:
    """Within, ``fairchem.core`` can be imported without the compiled torch_scatter and torch_sparse.

    Each that is not installed is replaced by :mod:`baselines.scatter_sums`, and only here: afterwards no
    other code finds the stand-in.
    """
    missing = [name for name in STAND_INS if importlib.util.find_spec(name) is None]
    try:
        for name in missing:
            sys.modules[name] = ModuleType(name)
            for attribute in STAND_INS[name]:
                setattr(sys.modules[name], attribute, getattr(scatter_sums, attribute))
        yield
    finally:
        for name in missing:
            del sys.modules[name]
