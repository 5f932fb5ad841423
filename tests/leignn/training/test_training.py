"""Training: the loss, what is free and labelled, averaged weights, precisions, a mean taken off."""

import numpy as np
import pandas as pd
import pytest
import pytorch_lightning as pl
import torch
from ase import Atoms
from ase.build import bulk
from ase.optimize import BFGS
from conftest import copper_frames, make_batch
from training_runs import config

from leignn import LEIGNNCalculator
from leignn.data.frames import Frames
from leignn.evaluation.predict import predict
from leignn.trained import load_trained, potential_of
from leignn.training.callbacks import ExponentialMovingAverage
from leignn.training.loss import absolute_errors
from leignn.training.train import train


def test_loss_counts_free_and_labelled_atoms_only() -> None:
    structures = copper_frames()[:3]
    batch = make_batch([bulk("Cu", cubic=True).repeat((2, 1, 1))] * 3, None)
    batch.energy = torch.tensor([s.energy for s in structures], dtype=torch.float64)
    batch.forces = torch.tensor(np.concatenate([s.forces for s in structures])).double()
    batch.fixed = torch.tensor(np.concatenate([s.fixed for s in structures]))
    output = {"energy": torch.zeros(3).double(), "forces": torch.zeros_like(batch.forces)}
    errors = absolute_errors(output, batch, energy_shift=1.0)
    assert (errors.energy_count, errors.forces_count) == (2, 2 * 7 * 3)
    by_hand = np.mean([abs(s.energy - 1.0) for s in structures[1:]])
    assert errors.energy.item() == pytest.approx(by_hand)
    forces = np.concatenate([structures[0].forces[1:], structures[2].forces[1:]])
    assert errors.forces.item() == pytest.approx(np.abs(forces).mean(), rel=1e-6)


def test_a_batch_without_labels_has_no_loss() -> None:
    batch = make_batch([bulk("Cu")], None)
    output = {"energy": torch.ones(1, requires_grad=True), "forces": torch.ones(1, 3, requires_grad=True)}
    errors = absolute_errors(output, batch, 0.0)
    assert errors.energy.item() == errors.forces.item() == 0
    assert errors.energy_count == errors.forces_count == 0


class Squares(pl.LightningModule):
    """Its weight is n² after n steps, and a buffer counts batches."""

    def __init__(self) -> None:
        super().__init__()
        self.weight = torch.nn.Parameter(torch.zeros(()))
        self.register_buffer("batches", torch.zeros(()))

    def training_step(self, batch: torch.Tensor, batch_idx: int) -> torch.Tensor:
        self.batches += 1
        return -(2 * self.trainer.global_step + 1) * self.weight

    def configure_optimizers(self) -> torch.optim.Optimizer:
        return torch.optim.SGD(self.parameters(), lr=1.0)


@pytest.mark.parametrize("pieces", [1, 2])
@pytest.mark.parametrize("warmup", [True, False])
def test_moving_average_against_its_recursion(warmup, pieces, tmp_path) -> None:
    module, average = Squares(), ExponentialMovingAverage(0.999, warmup)
    trainer = pl.Trainer(
        accelerator="cpu",
        max_steps=30,
        accumulate_grad_batches=pieces,
        callbacks=[average],
        default_root_dir=tmp_path,
        logger=False,
        enable_checkpointing=False,
        enable_progress_bar=False,
        enable_model_summary=False,
    )
    trainer.fit(module, torch.utils.data.DataLoader(torch.zeros(30 * pieces)))
    expected = 1.0
    for n in range(1, 30):
        decay = min(0.999, (1 + n) / (10 + n)) if warmup else 0.999
        expected = decay * expected + (1 - decay) * (n + 1) ** 2
    assert module.weight.item() == pytest.approx(expected, rel=1e-5)  # at the end the average is the model
    assert module.batches == 30 * pieces and average._average_model.n_averaged == 30


@pytest.mark.parametrize("model", ["leignn", "schnet"])
def test_training_beats_the_trivial_predictor_and_runs_in_ase(copper, tmp_path, model) -> None:
    stores, splits = copper
    errors = {}
    for name in (model, "trivial"):
        run = config(name, max_steps=200)
        train(run, stores, splits, tmp_path / name, "cpu")
        errors[name] = pd.read_csv(tmp_path / name / "log.csv").iloc[-1]
    for quantity in ("val_energy_mae_mev", "val_forces_mae_mev_per_ang"):
        assert errors[model][quantity] < 0.7 * errors["trivial"][quantity]

    calculator = LEIGNNCalculator(tmp_path / model / "checkpoint.pt")
    trained = load_trained(tmp_path / model / "checkpoint.pt")
    test_frames = Frames(stores, splits / "test.csv", trained.graph)
    energy, forces = predict(trained, test_frames, 3, "cpu")
    structure = test_frames.structure(1)
    atoms = Atoms(
        structure.atomic_numbers, structure.pos, cell=structure.cell, pbc=True, calculator=calculator
    )
    assert atoms.get_potential_energy() == pytest.approx(energy[1], abs=1e-4)
    np.testing.assert_allclose(atoms.get_forces(), forces[8:16], atol=1e-4)
    before = np.abs(atoms.get_forces()).max()
    BFGS(atoms, logfile=None).run(fmax=0.05, steps=15)
    assert np.abs(atoms.get_forces()).max() < before


def test_the_kept_weights_are_the_averaged_ones_that_were_validated(copper, tmp_path) -> None:
    """What ``predict`` sees has the log's best error, at a rate at which the raw weights have not."""
    stores, splits = copper
    train(config(learning_rate=1e-2, plateau_patience=9), stores, splits, tmp_path, device="cpu")
    trained = load_trained(tmp_path / "checkpoint.pt", "cpu")
    frames = Frames(stores, splits / "val.csv", trained.graph)
    forces = predict(trained, frames, 4, "cpu")[1]
    labels = frames[list(range(len(frames)))]
    error = np.abs(forces - labels.forces.numpy())[~labels.fixed.numpy()].mean()
    best = pd.read_csv(tmp_path / "log.csv")["val_forces_mae_mev_per_ang"].min()
    assert 1e3 * error == pytest.approx(best, rel=1e-4)


@pytest.mark.parametrize("precision", ["64-true", "bf16-mixed"])
def test_other_precisions_follow_the_default(copper, tmp_path, precision) -> None:
    logs = {}
    for name in ("32-true", precision):
        train(config(precision=name, learning_rate=3e-4, max_steps=20), *copper, tmp_path / name, "cpu")
        logs[name] = pd.read_csv(tmp_path / name / "log.csv")["val_forces_mae_mev_per_ang"].iloc[-1]
    assert logs[precision] == pytest.approx(logs["32-true"], rel=0.02)
    assert logs[precision] != logs["32-true"]


def test_forces_of_schnet_are_the_gradient_of_its_energy(copper) -> None:
    torch.manual_seed(0)
    potential = potential_of(config("schnet")).double().eval()
    atoms = bulk("Cu", cubic=True).repeat((2, 1, 1))
    atoms.rattle(0.1, seed=0)

    def energy(displacement: float) -> float:
        moved = atoms.copy()
        moved.positions[2, 1] += displacement
        return potential(make_batch([moved], potential.graph))["energy"].item()

    force = potential(make_batch([atoms], potential.graph))["forces"][2, 1].item()
    assert force == pytest.approx(-(energy(1e-4) - energy(-1e-4)) / 2e-4, rel=1e-5)


def test_energies_relative_to_the_training_mean(copper, tmp_path) -> None:
    stores, splits = copper
    run = config("trivial", energy_target="minus_train_mean")
    train(run, stores, splits, tmp_path / "run", "cpu")
    trained = load_trained(tmp_path / "run" / "checkpoint.pt")
    expected = np.nanmean([s.energy for s in copper_frames()[:40]])
    assert trained.energy_shift == pytest.approx(expected)
    energy, _ = predict(trained, Frames(stores, splits / "test.csv", None), 2, "cpu")
    np.testing.assert_allclose(energy, expected, rtol=1e-12)
