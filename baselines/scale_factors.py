"""The scale factors of fairchem-core's PaiNN and GemNet, fitted on the training split.

Numbers that keep the variance of activations near one; they are fitted once before training and then
stay as they are. They are frozen parameters of the network, so a checkpoint holds them.
"""

from contextlib import suppress
from functools import partial
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from baselines.fairchem_imports import fairchem_imports
from baselines.symmetric_graph import symmetric_graph
from leignn.batch import Batch
from leignn.data.frames import Frames
from leignn.errors import InputError
from leignn.potential import Potential

with fairchem_imports():
    from fairchem.core.modules.scaling import ScaleFactor

BATCHES, BATCH_SIZE = 16, 8  # as many batches as Open Catalyst's fitting program takes


class _Seen(Exception):  # noqa: N818 - no error
    """A scale factor has seen all of a batch that it will."""


class ScaledPotential(Potential):
    """A potential around a ``network`` of fairchem-core on the symmetric graph, with scale factors."""

    network: nn.Module

    def scale_factors(self) -> dict[str, ScaleFactor]:
        """Every scale factor by the name of its module."""
        return {n: module for n, module in self.network.named_modules() if isinstance(module, ScaleFactor)}

    def output(self, batch: Batch) -> dict[str, Tensor]:
        """What the network makes of ``batch``.

        Raises:
            InputError: a scale factor is not fitted.
        """
        for name, factor in self.scale_factors().items():
            if not factor.fitted:
                raise InputError(f"scale factor {name} is not fitted: `python -m leignn train` fits it")
        return self._run(batch)

    def compute_statistics(self, frames: Frames, energy_shift: float) -> dict[str, Any]:
        """Fit all scale factors, one after another in the order in which the network computes them.

        A factor shifts the statistics of all later ones, so each is fitted by passes of its own: the
        procedure of Open Catalyst's fitting program, by the same functions of ScaleFactor. It reads a
        fixed random choice of BATCHES · BATCH_SIZE frames and needs no labels.
        """
        chosen = np.random.default_rng(0).permutation(len(frames))[: BATCHES * BATCH_SIZE].tolist()
        device = next(self.parameters()).device
        batches = [
            frames[chosen[start : start + BATCH_SIZE]].to(device)
            for start in range(0, len(chosen), BATCH_SIZE)
        ]
        factors = self.scale_factors()
        order: list[str] = []
        for name, factor in factors.items():
            factor.reset_()
            factor.initialize_(index_fn=partial(order.append, name))
        with torch.no_grad():
            self._run(batches[0])
            for factor in factors.values():
                factor.initialize_(index_fn=None)
            for name in dict.fromkeys(order):
                with factors[name].fit_context_():
                    for batch in batches:
                        self._run_until(factors[name], order.count(name), batch)
                    try:
                        factors[name].fit_()
                    except AssertionError as error:
                        raise InputError(f"scale factor {name} cannot be fitted: {error}") from error
        return {name: factor.scale_factor.item() for name, factor in factors.items()}

    def load_statistics(self, statistics: dict[str, Any]) -> None:
        """Put fitted scale factors in place.

        Raises:
            InputError: they belong to another network.
        """
        factors = self.scale_factors()
        if other := sorted(set(statistics) ^ set(factors)):
            raise InputError(f"statistics: scale factor {other[0]} is not in both the file and the model")
        for name, factor in factors.items():
            factor.reset_()  # a fitted factor refuses another value
            factor.set_(statistics[name])

    def _run_until(self, factor: ScaleFactor, calls: int, batch: Batch) -> None:
        """Run the network until so many ``calls`` of ``factor``: what follows has no part in its fit."""

        def count(*_: Any) -> None:
            nonlocal calls
            calls -= 1
            if not calls:
                raise _Seen

        with factor.register_forward_hook(count), suppress(_Seen):
            self._run(batch)

    def _run(self, batch: Batch) -> dict[str, Tensor]:
        return self.network(symmetric_graph(self, batch))
