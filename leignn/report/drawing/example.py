"""The trained potential and the structure that the drawn figures show."""

import argparse
from dataclasses import dataclass
from pathlib import Path
from typing import cast

import numpy as np
import torch

from leignn.arguments import name, output_file
from leignn.backend import plain
from leignn.batch import Batch
from leignn.data.frames import Frames, collate
from leignn.data.structure import Structure
from leignn.errors import InputError
from leignn.model import LEIGNN
from leignn.neighbors import nearest_edges_of
from leignn.trained import TrainedPotential, load_trained


class TrainedLEIGNN(TrainedPotential):
    """A trained potential that is known to be a LEIGNN."""

    potential: LEIGNN


@dataclass(frozen=True)
class Example:
    """A trained LEIGNN in double precision and one labelled structure of its data set."""

    trained: TrainedLEIGNN
    structure: Structure

    @property
    def caption(self) -> str:
        """Which model, which data, which frame."""
        config, s = self.trained.config, self.structure
        return (
            f"{config.title} trained on {config.dataset_info.title}, scale {config.scale}, "
            f"seed {config.seed}; structure {s.system_id}, frame {s.frame}"
        )

    def batch(self, structure: Structure, edges: tuple[np.ndarray, np.ndarray] | None = None) -> Batch:
        """A float64 batch of ``structure`` with its own graph, or with the given edges and offsets."""
        if edges is None:
            edges = nearest_edges_of(
                structure.pos, structure.cell, structure.pbc, self.trained.potential.graph
            )
        return collate([structure], [edges], torch.float64)


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--checkpoint", type=Path, required=True, help="RUN/checkpoint.pt of LEIGNN")
    parser.add_argument("--stores", type=Path, required=True, help="folder with one store a part")
    parser.add_argument("--splits", type=Path, required=True, help="folder of the split manifests")
    parser.add_argument("--split", type=name, required=True, help="split whose smallest structure is drawn")
    parser.add_argument("--output", type=output_file, required=True, help="figure (.svg)")


def load_leignn(checkpoint: Path) -> TrainedLEIGNN:
    """Load a trained LEIGNN in double precision, as its equations are written.

    Raises:
        InputError: the checkpoint cannot be loaded, or is of another model.
        RunFailedError: the run had failed.
    """
    trained = load_trained(checkpoint)
    if not isinstance(trained.potential, LEIGNN):
        raise InputError(f"{checkpoint} holds a {type(trained.potential).__name__}, not a LEIGNN")
    return cast(TrainedLEIGNN, plain(trained.double()))


def load_example(args: argparse.Namespace) -> Example:
    """The trained potential and the first of the split's structures with the fewest atoms, two at least.

    Raises:
        InputError: see :func:`load_leignn`; or the split has no such structure.
    """
    trained = load_leignn(args.checkpoint)
    manifest = args.splits / f"{args.split}.csv"
    frames = Frames(args.stores, manifest, None)
    structures = (frames.structure(index) for index in range(len(frames)))
    several = (structure for structure in structures if len(structure.pos) > 1)
    if (smallest := min(several, key=lambda s: len(s.pos), default=None)) is None:
        raise InputError(f"{manifest}: no structure has two atoms")
    return Example(trained, smallest)
