"""LEIGNN: lightweight equivariant interatomic potentials, and the benchmark they are judged by."""

from typing import Any

__all__ = ["LEIGNN", "LEIGNNCalculator"]
__version__ = "0.1.0"


def __getattr__(name: str) -> Any:
    # Loaded on first use: `python -m leignn --help` and the workflow must not wait for torch.
    if name == "LEIGNN":
        from leignn.model import LEIGNN

        return LEIGNN
    if name == "LEIGNNCalculator":
        from leignn.calculator import LEIGNNCalculator

        return LEIGNNCalculator
    raise AttributeError(f"module 'leignn' has no attribute {name!r}")
