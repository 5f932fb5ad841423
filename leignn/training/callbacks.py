"""Weight averaging, early stopping and the log of a run."""

import sys
import time
from math import isfinite
from pathlib import Path
from typing import Any

import pandas as pd
import pytorch_lightning as pl
import torch
from pytorch_lightning.callbacks import Callback, EarlyStopping, TQDMProgressBar, WeightAveraging
from torch import Tensor

from leignn.config.training import Training
from leignn.files import replacing, write_text

LOG_COLUMNS = (
    "step",
    "epoch",
    "learning_rate",
    "train_loss",
    "train_energy_mae_mev",
    "train_forces_mae_mev_per_ang",
    "val_energy_mae_mev",
    "val_forces_mae_mev_per_ang",
    "seconds",
)


class ExponentialMovingAverage(WeightAveraging):
    """EMA of the weights, used for validation and kept as the model.

    With a warm-up the decay starts low, min(decay, (1 + n)/(10 + n)) after n steps, so that a short run is
    not dominated by its random start (as torch_ema and NequIP; the authors' code and MDSim have none).
    """

    def __init__(self, decay: float, warmup: bool) -> None:
        super().__init__(use_buffers=False)
        self._decay, self._warmup = decay, warmup

    def on_train_start(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        average: Any = self._average_model
        # Lightning makes the average before it moves the module: every step would copy the weights back.
        average.to(pl_module.device)
        self._averaged: list[Tensor] = list(average.module.parameters())
        self._current: list[Tensor] = list(pl_module.parameters())
        self._buffers = list(zip(average.module.buffers(), pl_module.buffers(), strict=True))

    @torch.no_grad()
    def on_train_batch_end(
        self, trainer: pl.Trainer, pl_module: pl.LightningModule, outputs: Any, batch: Any, batch_idx: int
    ) -> None:
        """In place of the extended class' own, which asks the device for the number of steps three times."""
        if trainer.global_step == self._latest_update_step:  # a batch of which only a piece is computed
            return
        self._latest_update_step = trainer.global_step
        average: Any = self._average_model
        before = trainer.global_step - 1  # steps that are averaged already
        if before:
            decay = min(self._decay, (1 + before) / (10 + before)) if self._warmup else self._decay
            torch._foreach_lerp_(self._averaged, self._current, 1 - decay)
        else:
            torch._foreach_copy_(self._averaged, self._current)
        for averaged, current in self._buffers:
            averaged.copy_(current)
        average.n_averaged.fill_(trainer.global_step)


class StopWhenStale(EarlyStopping):
    """Early stopping that a resumed run remembers: stopped stays stopped."""

    def on_train_start(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        if self.wait_count >= self.patience:
            trainer.should_stop = True


class StopAtLimit(Callback):
    """Stop at the evaluation at which the time is up or, where asked for, the rate has come to its minimum.

    Args:
        training: the protocol.
        run_log: knows the time.

    Attributes:
        reason: ``max_hours`` or ``lowest rate``; "" where neither has stopped it.
    """

    def __init__(self, training: Training, run_log: "RunLog") -> None:
        self.training, self.run_log, self.reason = training, run_log, ""

    def on_train_start(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        if trainer.global_step:  # resumed: stopped stays stopped
            self._stop(trainer)

    def on_validation_end(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        if trainer.state.fn == "fit" and not trainer.sanity_checking:
            self._stop(trainer)

    def _stop(self, trainer: pl.Trainer) -> None:
        training, rate = self.training, trainer.optimizers[0].param_groups[0]["lr"]
        hours = training.max_hours is not None and self.run_log.seconds >= 3600 * training.max_hours
        if trainer.strategy.reduce_boolean_decision(hours, all=False):  # clocks of processes differ
            self.reason = "max_hours"
        if training.stop_at_lowest_rate and rate <= training.min_learning_rate:
            self.reason = "lowest rate"
        if self.reason:
            trainer.should_stop = True


class RunLog(Callback):
    """``log.csv``: one row an evaluation. Its history travels in the checkpoint, so that a resumed
    run continues it without a repeated or a missing row.
    """

    def __init__(self, path: Path, train_structures: int) -> None:
        self.path, self._train_structures = path, train_structures
        self.rows: list[dict[str, float]] = []
        self._seconds, self._since = 0.0, time.monotonic()

    @property
    def seconds(self) -> float:
        """Wall time of training so far, over all resumptions."""
        return self._seconds + time.monotonic() - self._since

    @staticmethod
    def write_empty(path: Path) -> None:
        """The log of a run that failed before its first evaluation; one that exists stays."""
        if not path.exists():
            write_text(path, ",".join(LOG_COLUMNS) + "\n")

    def write(self) -> None:
        """Write the file; also where it is gone and a resumed run has no evaluation left."""
        with replacing(self.path) as temporary:
            pd.DataFrame(self.rows).to_csv(temporary, index=False)

    def on_validation_end(self, trainer: pl.Trainer, pl_module: Any) -> None:
        if trainer.sanity_checking:
            return
        value = {name: float(metric) for name, metric in trainer.callback_metrics.items()}
        structures_a_step = pl_module.training_config.batch_size
        numbers = (
            trainer.global_step,
            trainer.global_step * structures_a_step / self._train_structures,
            value.get("learning_rate", float("nan")),
            value["train_loss"],
            1e3 * value["train_energy_mae"],
            1e3 * value["train_forces_mae"],
            1e3 * value["val_energy_mae"],
            1e3 * value["val_forces_mae"],
            self.seconds,
        )
        row = dict(zip(LOG_COLUMNS, numbers, strict=True))
        self.rows.append(row)
        if not trainer.is_global_zero:
            return
        self.write()
        trained = f"loss {row['train_loss']:9.4f}  " if row["step"] else ""
        energy, forces = row["val_energy_mae_mev"], row["val_forces_mae_mev_per_ang"]
        print(
            f"step {row['step']:7d}  {trained}"
            + (f"val energy {energy:8.1f} meV  " if isfinite(energy) else "")
            + (f"val forces {forces:7.1f} meV/Å  " if isfinite(forces) else "")
            + (f"lr {row['learning_rate']:.1e}  {row['seconds']:6.0f} s" if trained else ""),
            flush=True,
        )

    def state_dict(self) -> dict[str, Any]:
        return {"rows": self.rows, "seconds": self.seconds}

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        self.rows = state_dict["rows"]
        self._seconds, self._since = state_dict["seconds"], time.monotonic()


class ProgressBar(TQDMProgressBar):
    """One bar over all steps of the run; silent where standard error is no terminal."""

    def __init__(self) -> None:
        super().__init__(refresh_rate=10 if sys.stderr.isatty() else 0)
