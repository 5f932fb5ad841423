"""The Lightning trainer of a run: its processes, callbacks and what it keeps for a resumption."""

import logging
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytorch_lightning as pl
import torch
from pytorch_lightning.callbacks import ModelCheckpoint
from pytorch_lightning.loggers import TensorBoardLogger
from pytorch_lightning.plugins.environments import LightningEnvironment

from leignn.config.training import Training
from leignn.errors import InputError
from leignn.training.callbacks import ExponentialMovingAverage, ProgressBar, StopWhenStale


def make_trainer(
    training: Training,
    output: Path,
    device: str,
    processes: int,
    monitor: str,
    callbacks: list[pl.Callback],
) -> pl.Trainer:
    """A trainer for ``processes`` that share each step, each on a device of its own on this machine.

    Args:
        training: the protocol.
        output: the run's folder; ``resume/`` in it gets the last checkpoint.
        device: auto, cpu, cuda or cuda:N.
        processes: which this starts, this one included.
        monitor: see :func:`leignn.training.monitor.monitored`.
        callbacks: besides averaging, early stopping and progress.

    Raises:
        InputError: another number of processes would be started.
    """
    _quiet()
    blocks_per_evaluation = training.evaluate_every // training.checkpoint_every
    resume = ModelCheckpoint(
        output / "resume", filename="last", enable_version_counter=False, save_on_train_epoch_end=True
    )
    stop = StopWhenStale(
        monitor,
        patience=training.early_stopping + 1,  # it stops at this many
        check_finite=True,
        check_on_train_epoch_end=False,
    )
    kind, _, index = device.partition(":")
    on_cuda = kind != "cpu" and torch.cuda.is_available()
    if on_cuda and processes > torch.cuda.device_count():
        raise InputError(f"{processes} processes need as many CUDA devices: {torch.cuda.device_count()} here")
    trainer = pl.Trainer(
        accelerator=kind,
        devices=[int(index)] if index else processes,
        # Processes are started here, on this machine. Left to itself, Lightning takes their number from the
        # tasks of a Slurm job, and trains with one where two were asked for.
        plugins=[LightningEnvironment()],
        # Models have parameters that the loss does not depend on, such as LEIGNN's last global phases.
        strategy="ddp_find_unused_parameters_true" if processes > 1 else "auto",
        precision=training.precision,
        max_epochs=training.max_steps // training.checkpoint_every,
        check_val_every_n_epoch=blocks_per_evaluation,
        num_sanity_val_steps=0,
        gradient_clip_val=training.clip_norm,
        gradient_clip_algorithm="norm",
        log_every_n_steps=50,
        use_distributed_sampler=False,
        inference_mode=False,  # models whose forces are gradients need autograd in validation
        enable_model_summary=False,
        logger=TensorBoardLogger(output, name="tensorboard", version=""),
        callbacks=[
            ExponentialMovingAverage(training.ema_decay, training.ema_warmup),
            stop,
            ProgressBar(),
            *callbacks,
            resume,
        ],
        default_root_dir=output,
    )
    if trainer.world_size != processes:
        raise InputError(f"{trainer.world_size} processes were started in place of {processes}")
    return trainer


@contextmanager
def ending_together(processes: int) -> Iterator[None]:
    """Say in a sentence that another process has ended, where this one notices by a broken connection."""
    try:
        yield
    except RuntimeError as error:
        broken = any(name in str(error).lower() for name in ("gloo", "nccl", "connection"))
        if processes == 1 or not broken:
            raise
        raise InputError(
            f"another of the {processes} processes of this training has ended; run again, and it goes on "
            "from the last checkpoint"
        ) from error


def _quiet() -> None:
    """Silence advice that does not apply (loaders are ours, workers are chosen, a mean of nothing is NaN)."""
    logging.getLogger("pytorch_lightning").setLevel(logging.WARNING)
    for message in (
        "does not have many workers",
        "Checkpoint directory",
        "log_every_n_steps",
        "LeafSpec",
        "``compute`` method of metric MeanMetric was called before",
    ):
        warnings.filterwarnings("ignore", f".*{message}.*")
