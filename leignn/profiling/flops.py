"""Floating-point operations: as PyTorch-OpCounter counts them, and as PyTorch dispatches them."""

import copy
from collections.abc import Callable

import torch
from thop import profile
from thop.vision.basic_hooks import count_linear
from torch.utils.flop_counter import FlopCounterMode

from leignn.backend.products import Linear
from leignn.batch import Batch
from leignn.potential import EnergyPotential, Potential


class NoModules:
    """Stands in for the counter's module tracker, whose hooks do not survive gradients inside a forward."""

    parents = frozenset({"Global"})

    def __enter__(self) -> None:
        pass

    def __exit__(self, *exception: object) -> None:
        pass


def dispatched_flops(function: Callable[[], object]) -> int:
    """Operations of the matrix products and convolutions in one call, gradients included."""
    counter = FlopCounterMode(display=False)
    counter.mod_tracker = NoModules()  # type: ignore[assignment]
    with counter:
        function()
    return counter.get_total_flops()


def opcounter_macs(potential: Potential, batch: Batch) -> tuple[float | None, str]:
    """Multiply–accumulates by PyTorch-OpCounter, as in the paper; or None and why it fails.

    It hooks the layers it knows (``nn.Linear``, normalisations, …): one that has two names gets two hooks
    and is added up under both, and products in functions are not seen.
    """
    try:
        # A copy: where a layer has two names, a hook of the counter stays behind.
        copied = copy.deepcopy(potential)
        # It knows layers by their very class, subclasses not.
        macs, _ = profile(copied, (batch,), custom_ops={Linear: count_linear}, verbose=False)
    except Exception as error:  # whatever the counter or the model raises under its hooks
        return None, f"PyTorch-OpCounter fails: {type(error).__name__}: {str(error).splitlines()[0][:120]}"
    if not macs:
        return None, "PyTorch-OpCounter knows none of its layers"
    return macs, ""


def energy_flops(potential: Potential, batch: Batch) -> int | None:
    """Dispatched operations of the energies without the gradient that the forces are; None without one."""
    if not isinstance(potential, EnergyPotential):
        return None
    with torch.no_grad():
        return dispatched_flops(lambda: potential.energies(batch))


def why_they_differ(potential: Potential, macs: float, forward: int, total: int) -> str:
    """One line on PyTorch-OpCounter's ``macs`` beside the dispatched operations.

    Args:
        potential: the model counted.
        macs: multiply–accumulates by PyTorch-OpCounter, two operations each.
        forward: dispatched operations without the forces' gradient.
        total: with it.
    """
    reasons, ratio = [], 2 * macs / forward
    names = sum(1 for _ in potential.named_modules(remove_duplicate=False))
    if ratio > 1.01:
        shared = names > sum(1 for _ in potential.named_modules())
        why = "layers with two names count up to four times" if shared else "more than matrix products"
        reasons.append(f"PyTorch-OpCounter has {ratio:.2f} times the products of the forward pass ({why})")
    elif ratio < 0.99:
        reasons.append(
            f"PyTorch-OpCounter has {ratio:.2f} of the products of the forward pass "
            "(those outside nn.Linear layers are missing)"
        )
    if total > forward:
        reasons.append(f"the forces' gradient ({1 - forward / total:.0%} of all) is beyond PyTorch-OpCounter")
    return "; ".join(reasons)
