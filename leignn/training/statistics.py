"""Compute what a model takes from the training split before training: scale factors, averages.

The file holds numbers only and stays with the run; a model without statistics needs none.
"""

import argparse
import random
from pathlib import Path
from typing import Any

import numpy as np
import torch

from leignn.arguments import add_threads, output_file
from leignn.config.run import RunConfig
from leignn.data.frames import Frames
from leignn.errors import RunFailedError
from leignn.files import read_json, write_json
from leignn.potential import Potential
from leignn.trained import dtype_of, potential_of
from leignn.training.failure import add_argument, recorded

FAILURE = "failure"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    add_starting_arguments(parser)
    parser.add_argument("--output", type=output_file, required=True, help="RUN/statistics.json")


def add_starting_arguments(parser: argparse.ArgumentParser) -> None:
    """What :func:`starting_point` needs, and how to run it."""
    parser.add_argument("--config", type=Path, required=True, help="RUN/config.yaml")
    parser.add_argument("--stores", type=Path, required=True, help="folder with a store for each part")
    parser.add_argument("--splits", type=Path, required=True, help="folder with the split manifests")
    add_threads(parser)
    add_argument(parser)


def main(args: argparse.Namespace) -> None:
    if args.threads:
        torch.set_num_threads(args.threads)

    def write(content: dict[str, Any]) -> None:
        write_json(args.output, content)

    with recorded(args.record_failure, lambda message: write({FAILURE: message})):
        potential, frames, energy_shift = starting_point(
            RunConfig.load(args.config), args.stores, args.splits
        )
        write(potential.compute_statistics(frames, energy_shift))


def starting_point(config: RunConfig, stores: Path, splits: Path) -> tuple[Potential, Frames, float]:
    """The seeded, untrained potential, the training split, and the energy shift in eV.

    Equal for :mod:`leignn.training.train` and for the statistics, which depend on the weights.
    """
    training = config.training
    for seed in (random.seed, np.random.seed, torch.manual_seed):
        seed(config.seed)
    potential = potential_of(config)
    frames = Frames(stores, splits / "train.csv", potential.graph, dtype_of(config))
    shifted = training.energy_target == "minus_train_mean"
    return potential, frames, frames.mean_energy() if shifted else 0.0


def read_statistics(path: Path) -> dict[str, Any]:
    """Statistics as :func:`main` wrote them.

    Raises:
        InputError: the file cannot be read.
        RunFailedError: computing them had failed.
    """
    statistics = read_json(path)
    if FAILURE in statistics:
        raise RunFailedError(statistics[FAILURE])
    return statistics
