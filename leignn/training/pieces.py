"""In how many pieces a step's batch is computed, so that it fits the device's memory."""

import math
from collections.abc import Callable

import numpy as np
import torch

from leignn.batch import Batch
from leignn.data.frames import Frames
from leignn.errors import RunFailedError
from leignn.memory import is_out_of_memory
from leignn.potential import Potential

SHARE = 0.9  # of the device's memory that a trial may use: batches differ, and memory is fragmented
COPIES = 5  # of the weights that a trial lacks: three of AdamW (amsgrad), their average, their gradients' sum


def pieces_that_fit(trial: Callable[[Batch], None], frames: Frames, batch_size: int) -> int:
    """The fewest pieces, by doubling, with which the largest structures fit.

    Args:
        trial: computes a piece; raises when out of memory.
        frames: the training split.
        batch_size: structures in a process's share of a step.

    Raises:
        RunFailedError: a single structure does not fit.
    """
    sizes = frames.gather("natoms")
    largest = np.argsort(sizes)[::-1]
    pieces = 1
    while True:
        size = math.ceil(batch_size / pieces)
        try:
            trial(frames[largest[:size].tolist()])
        except Exception as error:
            if not is_out_of_memory(error):
                raise
            if size == 1:
                natoms = sizes[largest[0]]
                raise RunFailedError(
                    f"out of memory: a step with one structure of {natoms} atoms does not fit; take "
                    " a smaller model, cutoff or max_neighbors, or a device with more memory"
                ) from error
        else:
            return pieces
        pieces = min(2 * pieces, batch_size)


def cuda_trial(potential: Potential, device: torch.device) -> Callable[[Batch], None]:
    """A trial of forward and backward on a CUDA device, with what training keeps besides laid aside."""

    def trial(batch: Batch) -> None:
        torch.cuda.set_per_process_memory_fraction(SHARE, device)
        try:
            weights = sum(p.numel() * p.element_size() for p in potential.parameters())
            aside = torch.empty(COPIES * weights, dtype=torch.uint8, device=device)
            output = potential(batch.to(device))
            (output["energy"].sum() + output["forces"].abs().sum()).backward()
            del aside, output
        finally:
            potential.zero_grad(set_to_none=True)
            torch.cuda.empty_cache()
            torch.cuda.set_per_process_memory_fraction(1.0, device)

    potential.to(device).train()
    return trial
