"""Where a training starts from: seeded weights, the training split, and what a model takes from it."""

import random
from pathlib import Path

import numpy as np
import torch
from pytorch_lightning.utilities.seed import isolate_rng

from leignn.config.run import RunConfig
from leignn.data.frames import Frames
from leignn.files import read_json, write_json
from leignn.potential import Potential
from leignn.trained import dtype_of, potential_of


def starting_point(config: RunConfig, stores: Path, splits: Path) -> tuple[Potential, Frames, float]:
    """The seeded, untrained potential, the training split, and the energy shift in eV."""
    training = config.training
    for seed in (random.seed, np.random.seed, torch.manual_seed):
        seed(config.seed)
    potential = potential_of(config)
    frames = Frames(stores, splits / "train.csv", potential.graph, dtype_of(config))
    shifted = training.energy_target == "minus_train_mean"
    return potential, frames, frames.mean_energy() if shifted else 0.0


def fit_statistics(potential: Potential, frames: Frames, energy_shift: float, kept: Path) -> None:
    """Give a model what it takes from the training split: scale factors, averages.

    They are computed once: a training that resumes, and the processes that share it, take what ``kept``
    holds, a file of numbers only. Random numbers that follow are the same for all of them.
    """
    if not kept.exists():
        with isolate_rng():
            write_json(kept, potential.compute_statistics(frames, energy_shift))
    if statistics := read_json(kept):
        potential.load_statistics(statistics)
