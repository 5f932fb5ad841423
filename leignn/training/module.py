"""The Lightning module of a run: loss, optimiser, schedule, validation."""

import math
from typing import Any

import pytorch_lightning as pl
import torch
from torch import Tensor
from torch.optim.lr_scheduler import ReduceLROnPlateau
from torchmetrics import MeanMetric

from leignn.backend.training_replay import TrainingReplay
from leignn.batch import Batch
from leignn.config.training import Training
from leignn.data.frames import Frames
from leignn.errors import RunFailedError
from leignn.finite import non_finite
from leignn.potential import Potential
from leignn.training.loss import absolute_errors
from leignn.training.optimizer import adamw

SUMMARIES = ("train_loss", "train_energy_mae", "train_forces_mae", "val_energy_mae", "val_forces_mae")


class TrainingModule(pl.LightningModule):
    """Train a potential by energy_weight · L1(E) + forces_weight · L1(F).

    Logged: errors in eV and eV/Å, averaged over the labels since the last evaluation.

    Args:
        potential: what is trained.
        training: the protocol.
        energy_shift: eV, taken off the energies.
        monitor: what the rate's schedule follows, see :func:`leignn.training.monitor.monitored`.
    """

    train_loss: MeanMetric
    train_energy_mae: MeanMetric
    train_forces_mae: MeanMetric
    val_energy_mae: MeanMetric
    val_forces_mae: MeanMetric

    def __init__(self, potential: Potential, training: Training, energy_shift: float, monitor: str) -> None:
        super().__init__()
        self.monitor = monitor
        self.potential, self.training_config, self.energy_shift = potential, training, energy_shift
        self._replay = TrainingReplay(potential)
        for name in SUMMARIES:
            metric = MeanMetric(nan_strategy="error").set_dtype(torch.float64)
            metric.persistent(True)  # a resumed run goes on with the sums since the last evaluation
            setattr(self, name, metric)
        # Whether validation has come to forces that are not zero, and predicted such.
        self._validated = self._alive = False

    def training_step(self, batch: Batch, batch_idx: int) -> Tensor:
        output = self._replay(batch)
        errors = absolute_errors(output, batch, self.energy_shift)
        config = self.training_config
        # The means are those of the whole step, of which this may be a piece: shares of the step's labels.
        # Lightning takes the mean over pieces and processes.
        energy_share = errors.energy_count / max(batch.step_energies, 1)
        forces_share = errors.forces_count / max(batch.step_components, 1)
        pieces = self.trainer.accumulate_grad_batches * self.trainer.world_size
        loss = pieces * (
            config.energy_weight * errors.energy * energy_share
            + config.forces_weight * errors.forces * forces_share
        )
        if not torch.isfinite(loss):
            loader: Any = self.trainer.train_dataloader
            frames = loader.dataset.frames
            found = _non_finite(output, batch, frames)
            raise RunFailedError(
                f"the loss is {loss.item()} at step {self.global_step}, batch (system/frame) "
                f"{frames.names(batch.row.tolist())}: {f'{found}; ' if found else ''}"
                "lower training.learning_rate or look at these structures"
            )
        with torch.no_grad():
            self.train_loss.update(loss)
            self.train_energy_mae.update(errors.energy, errors.energy_count)
            self.train_forces_mae.update(errors.forces, errors.forces_count)
        return loss

    def backward(self, loss: Tensor) -> None:
        """To the parameters only: where forces are a gradient, the loss reaches positions, too."""
        loss.backward(inputs=[p for p in self.potential.parameters() if p.requires_grad])

    def validation_step(self, batch: Batch, batch_idx: int) -> None:
        output = self.potential(batch)
        loader: Any = self.trainer.val_dataloaders
        frames = loader.dataset
        if found := _non_finite(output, batch, frames):
            raise RunFailedError(f"{found}, in validation after step {self.global_step}")
        if batch.forces.any():
            self._validated = True
            self._alive |= bool(output["forces"].any())
        errors = absolute_errors(output, batch, self.energy_shift)
        self.val_energy_mae.update(errors.energy, errors.energy_count)
        self.val_forces_mae.update(errors.forces, errors.forces_count)

    def on_validation_epoch_start(self) -> None:
        self._validated = self._alive = False

    def on_validation_epoch_end(self) -> None:
        learns = any(parameter.requires_grad for parameter in self.potential.parameters())
        if learns and self._validated and not self._alive:
            raise RunFailedError(
                f"all forces are exactly zero in validation after step {self.global_step}: the model has "
                "died, as activations do after too large a step; lower training.learning_rate"
            )
        for name in SUMMARIES:
            metric = getattr(self, name)
            # Over all processes: each must come here, whether or not it has seen a label of that kind. NaN
            # where none has.
            self.log(name, metric.compute())
            metric.reset()
        if not self.trainer.sanity_checking and self.trainer.state.fn == "fit":
            optimizer: Any = self.optimizers()
            self.log("learning_rate", optimizer.param_groups[0]["lr"])
            if self.training_config.schedule == "plateau":
                self.plateau.step(self.trainer.callback_metrics[self.monitor])

    def on_train_batch_start(self, batch: Batch, batch_idx: int) -> None:
        if self.training_config.schedule != "plateau":
            optimizer: Any = self.optimizers()
            for group in optimizer.param_groups:
                group["lr"] = scheduled_rate(self.global_step, self.training_config)

    def configure_optimizers(self) -> torch.optim.Optimizer:
        config = self.training_config
        optimizer = adamw(self.potential.parameters(), config.learning_rate, config.precision)
        # Stepped and saved by this module, not by Lightning, which saves its checkpoint of a block
        # before it steps a plateau schedule: a resumed run would miss that step.
        self.plateau = ReduceLROnPlateau(
            optimizer,
            factor=config.plateau_factor,
            patience=config.plateau_patience,
            min_lr=config.min_learning_rate,
        )
        return optimizer

    def on_save_checkpoint(self, checkpoint: dict[str, Any]) -> None:
        checkpoint["plateau"] = self.plateau.state_dict()

    def on_load_checkpoint(self, checkpoint: dict[str, Any]) -> None:
        self._resumed_plateau = checkpoint["plateau"]

    def on_train_start(self) -> None:
        if resumed := getattr(self, "_resumed_plateau", None):
            self.plateau.load_state_dict(resumed)


def scheduled_rate(step: int, training: Training) -> float:
    """Learning rate of a step (from 0), where the number of steps is known: a rise from nothing, if asked for
    (Goyal et al., arXiv 1706.02677), then down to the lowest, evenly (Defazio et al., arXiv 2310.07831) or
    along half a cosine (Loshchilov and Hutter, arXiv 1608.03983, without restarts)."""
    low, high, warmup = training.min_learning_rate, training.learning_rate, training.warmup_steps
    if step < warmup:
        return high * (step + 1) / warmup
    share = (step - warmup) / (training.max_steps - warmup)
    left = 1 - share if training.schedule == "linear" else (1 + math.cos(math.pi * share)) / 2
    return low + (high - low) * left


def _non_finite(output: dict[str, Tensor], batch: Batch, frames: Frames) -> str | None:
    """Which prediction of a batch is not finite."""
    if torch.isfinite(output["energy"]).all() & torch.isfinite(output["forces"]).all():
        return None
    energy, forces = (output[name].detach().double().cpu().numpy() for name in ("energy", "forces"))
    natoms = batch.natoms.cpu().numpy()
    return non_finite(energy, forces, natoms, lambda index: frames.names([int(batch.row[index])]))
