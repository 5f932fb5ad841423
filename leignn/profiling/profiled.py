"""A model as it is profiled: random weights, a step of training, an inference, what they cost."""

import copy
import os
import tempfile
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any, Literal, Self

import numpy as np
import torch
from torch import Tensor

from leignn.backend import compiled, plain
from leignn.backend.replay import Replay
from leignn.backend.training_replay import TrainingReplay
from leignn.batch import Batch
from leignn.config.run import RunConfig
from leignn.data.frames import Frames
from leignn.data.selection import read_manifest
from leignn.profiling.flops import dispatched_flops, energy_flops, opcounter_macs, why_they_differ
from leignn.trained import potential_of
from leignn.training.loss import absolute_errors
from leignn.training.optimizer import adamw

FRAMES = 32  # structures
Form = Literal["accelerated", "plain", "only"]
MEMORY_SHARE = 0.5  # of the device's memory, which a point may take


class Profiled:
    """A model with random weights on a device, as every command computes it.

    Args:
        run: resolved configuration.
        stores, splits: of the data set.
        device: cpu or cuda.

    Raises:
        RunFailedError: a package that the model needs is missing.
    """

    def __init__(self, run: RunConfig, stores: Path, splits: Path, device: str) -> None:
        torch.manual_seed(0)
        self.device, self.training, self.run = device, run.training, run
        self.form: Form = "only"
        self.potential = potential_of(run)
        manifest = read_manifest(splits / "train.csv")
        self.train_structures = len(manifest)
        self.mean_size = Frames(stores, splits / "train.csv", self.potential.graph).gather("natoms").mean()
        with tempfile.TemporaryDirectory() as folder:
            # Across the split: neighbouring rows are frames of one system.
            chosen = manifest.sample(min(FRAMES, len(manifest)), random_state=0)
            chosen.to_csv(Path(folder) / "chosen.csv", index=False)
            self.frames = Frames(stores, Path(folder) / "chosen.csv", self.potential.graph)
            # For the statistics, on which no time depends, the smallest. Training takes the whole split.
            smallest = int(np.argmin(self.frames.gather("natoms")))
            chosen.iloc[[smallest]].to_csv(Path(folder) / "few.csv", index=False)
            few = Frames(stores, Path(folder) / "few.csv", self.potential.graph)
        self.potential.load_statistics(self.potential.compute_statistics(few, 0.0))
        self.potential.to(device)
        self._train: Callable[[Batch], dict[str, Tensor]] = TrainingReplay(self.potential)
        self._predict: Callable[[Batch], dict[str, Tensor]] = Replay(self.potential)
        self.release()

    def plain_form(self) -> Self | None:
        """The same model and weights by the modules of its equations; None where there are no others."""
        potential = copy.deepcopy(self.potential)
        # Of the copy: modules that e3nn generates have a class of their own, in each copy another.
        before = list(map(type, potential.modules()))
        if list(map(type, plain(potential).modules())) == before:
            return None
        other = copy.copy(self)
        self.form, other.form, other.potential = "accelerated", "plain", potential
        other._train = other._predict = potential
        other.release()
        return other

    def batch(self, most: int) -> Batch:
        """``most`` structures at most of the training split, of the mean size, on the device."""
        sizes = self.frames.gather("natoms")
        usual = np.argsort(np.abs(sizes - self.mean_size), kind="stable")
        return self.frames[usual[:most].tolist()].to(self.device)

    def release(self) -> None:
        """Give back gradients and the optimiser's state, four times the memory of the parameters."""
        self.parameters = [p for p in self.potential.parameters() if p.requires_grad]
        for parameter in self.parameters:
            parameter.grad = None
        if self.parameters:
            # A rate of zero, so that every step is the same.
            self.optimizer = adamw(self.parameters, 0.0, self.training.precision)

    def training_step(self, batch: Batch, recorded: bool = True) -> None:
        """Forward, loss, backward, clipping and AdamW, as in training; or without what is recorded there."""
        self.potential.train()
        self.optimizer.zero_grad(set_to_none=True)
        output = (self._train if recorded else self.potential)(batch)
        errors = absolute_errors(output, batch, 0.0)
        loss = self.training.energy_weight * errors.energy + self.training.forces_weight * errors.forces
        loss.backward(inputs=self.parameters)
        torch.nn.utils.clip_grad_norm_(self.parameters, self.training.clip_norm)
        self.optimizer.step()

    def infer(self, batch: Batch, recorded: bool = True) -> None:
        """Energies and forces, as in prediction; or without what is recorded there."""
        self.potential.eval()
        with torch.no_grad():
            (self._predict if recorded else self.potential)(batch)

    def operations(self, batch: Batch) -> dict[str, Any]:
        """GFLOP a structure as dispatched and GMAC as PyTorch-OpCounter counts, and why they differ."""
        giga = 1e9 * len(batch.natoms)
        # What LEIGNN compiles, neither counter sees.
        with compiled(False):
            macs, why = opcounter_macs(self.potential, batch)
            total = dispatched_flops(partial(self.infer, batch, recorded=False))
            forward = energy_flops(self.potential, batch) or total
            trained = dispatched_flops(partial(self.training_step, batch, recorded=False))
        return {
            "opcounter_gmac": None if macs is None else macs / giga,
            "inference_gflop": total / giga,
            "train_gflop": trained / giga,
            "operations_note": why if macs is None else why_they_differ(self.potential, macs, forward, total),
        }


def device_memory(device: str) -> int:
    """Bytes of memory that the device has."""
    if device == "cuda":
        return torch.cuda.get_device_properties(0).total_memory
    return os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")


def too_large(growth: float, seconds: float, memory: float, longest: float, device: str) -> str:
    """Why a point is not tried, or nothing.

    Args:
        growth: its cost in units of the point before, which took ``seconds`` and ``memory`` bytes.
        longest: seconds that are allowed.
        device: whose memory is the limit, to :data:`MEMORY_SHARE`.
    """
    if growth * seconds > longest:
        return f"not tried: would take some {growth * seconds:.1f} s"
    if growth * memory > MEMORY_SHARE * device_memory(device):
        return f"not tried: would take some {growth * memory / 1e9:.0f} GB"
    return ""
