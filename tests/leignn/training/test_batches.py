"""Order of training, and steps that are computed in pieces and by several processes."""

import numpy as np
import pandas as pd
import pytest
import torch
import yaml
from conftest import copper_frames
from training_runs import config

from leignn.cli import main
from leignn.data.frames import Frames
from leignn.data.store import write_store
from leignn.errors import RunFailedError
from leignn.training.batches import Piece, ShuffledBatches, TrainingBatches
from leignn.training.module import TrainingModule
from leignn.training.pieces import pieces_that_fit
from leignn.training.train import train


def test_batches_are_a_stream_of_permutations() -> None:
    batches = ShuffledBatches(size=10, batch_size=3, steps=5, seed=0)
    stream = []
    for block in range(4):
        batches.set_epoch(block)
        assert len(list(batches)) == len(batches) == 5
        stream += [row for piece in batches for row in piece.rows]
        assert all(piece.rows == piece.step for piece in batches)
    passes = np.array(stream).reshape(6, 10)
    for one in passes:
        assert sorted(one) == list(range(10))
    assert (passes[0] != passes[1]).any()


@pytest.mark.parametrize(("pieces", "world"), [(2, 1), (1, 2), (2, 2), (3, 1), (5, 1)])
def test_pieces_and_processes_share_the_same_batches(pieces, world) -> None:
    whole = list(ShuffledBatches(10, 5, 4, 0))
    shares = [list(ShuffledBatches(10, 5, 4, 0, pieces, rank, world)) for rank in range(world)]
    for step, batch in enumerate(whole):
        parts = [p for share in shares for p in share[step * pieces : (step + 1) * pieces]]
        assert [row for part in parts for row in part.rows] == batch.rows
        assert all(part.rows and part.step == batch.rows for part in parts)


@pytest.fixture
def uneven(copper, tmp_path):
    """Copper, with energies and forces missing: pieces have unlike numbers of labels."""
    stores, splits = copper
    frames = copper_frames()
    for number, structure in enumerate(frames):
        if number % 3 == 0:
            structure.energy = np.nan
        if number % 4 == 1:
            structure.forces[:] = np.nan
    write_store(tmp_path / "stores" / "all", [frames], {})
    return tmp_path / "stores", splits


def test_labels_of_a_step_are_counted_from_any_piece(uneven) -> None:
    stores, splits = uneven
    batches = TrainingBatches(Frames(stores, splits / "train.csv", None))
    step = list(range(7))
    whole = batches[Piece(step, step)]
    part = batches[Piece(step[2:4], step)]
    assert 0 < whole.step_energies < 7
    assert whole.step_energies == part.step_energies
    assert whole.step_components == part.step_components
    assert whole.step_components == 3 * (torch.isfinite(whole.forces).all(1) & ~whole.fixed).sum()


@pytest.mark.parametrize("pieces", [2, 4])
def test_training_in_pieces_is_training(uneven, tmp_path, pieces, monkeypatch) -> None:
    """The first gradient to rounding; what follows to what AdamW makes of that (its epsilon is 1e-8)."""
    stores, splits = uneven
    gradients: list[torch.Tensor] = []

    def note(module, optimizer) -> None:
        found = [p.grad.flatten() for p in module.potential.parameters() if p.grad is not None]
        gradients.append(torch.cat(found).clone())

    monkeypatch.setattr(TrainingModule, "on_before_optimizer_step", note)
    for name, number in (("one", 1), ("some", pieces)):
        settings = config(precision="64-true", clip_norm=0.5)
        train(settings, stores, splits, tmp_path / name, "cpu", pieces=number)
    assert len(gradients) == 2 * 60
    scale = gradients[0].abs().max().item()
    torch.testing.assert_close(gradients[60], gradients[0], rtol=1e-9, atol=1e-13 * scale)
    one, some = (pd.read_csv(tmp_path / name / "log.csv").drop(columns="seconds") for name in ("one", "some"))
    assert one["step"].tolist() == [20, 40, 60]
    pd.testing.assert_frame_equal(one, some, rtol=1e-5)


def test_more_pieces_than_structures(copper, tmp_path, capsys) -> None:
    stores, splits = copper
    (tmp_path / "config.yaml").write_text(yaml.safe_dump(config().plain()))
    command = ["train", "--config", str(tmp_path / "config.yaml"), "--stores", str(stores)]
    command += ["--splits", str(splits), "--output", str(tmp_path / "run"), "--pieces", "5"]
    assert main(command) == 2
    assert "1 processes with 5 pieces each cannot share a batch of 4" in capsys.readouterr().err


def test_as_few_pieces_as_fit_the_largest_structures(uneven) -> None:
    """A device that holds three structures: a batch of eight needs four pieces, by doubling."""
    stores, splits = uneven
    frames = Frames(stores, splits / "train.csv", None)
    tried = []

    def trial(batch) -> None:
        tried.append(batch.natoms.tolist())
        if len(batch.natoms) > 3:
            raise torch.OutOfMemoryError("CUDA out of memory")

    assert pieces_that_fit(trial, frames, 8) == 4
    assert [len(sizes) for sizes in tried] == [8, 4, 2]
    assert all(min(sizes) >= np.sort(frames.gather("natoms"))[-8] for sizes in tried)


def test_a_structure_that_never_fits(uneven) -> None:
    stores, splits = uneven
    frames = Frames(stores, splits / "train.csv", None)

    def trial(batch) -> None:
        raise RuntimeError("DefaultCPUAllocator: can't allocate memory: you tried to allocate 9 bytes")

    with pytest.raises(RunFailedError, match=r"out of memory: a step with one structure of \d+ atoms"):
        pieces_that_fit(trial, frames, 8)
