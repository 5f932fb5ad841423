"""Train one run, or resume it where it was stopped.

Reads RUN/config.yaml, the stores, the split manifests and, where the model needs them, its
statistics (see :mod:`leignn.training.statistics`); writes RUN/checkpoint.pt (the best
evaluation's averaged weights), RUN/log.csv, RUN/provenance.json and TensorBoard files. While it
runs, RUN/resume/ holds the state from which a killed run continues to the same numbers.
"""

import argparse
import json
import logging
import shutil
import warnings
from contextlib import nullcontext
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytorch_lightning as pl
import torch
from pytorch_lightning.callbacks import ModelCheckpoint
from pytorch_lightning.loggers import TensorBoardLogger
from pytorch_lightning.utilities import rank_zero_only

from leignn.arguments import output_folder, positive, usable_device
from leignn.config.run import RunConfig
from leignn.config.training import Training
from leignn.data.frames import Frames, SequentialBatches, ShuffledBatches, batch_loader
from leignn.errors import InputError
from leignn.files import read_json, write_json
from leignn.identity import differences, digest, fingerprint, versions
from leignn.lock import only_writer
from leignn.provenance import checksums, process, sha256
from leignn.trained import TrainedPotential, save_failure
from leignn.training.callbacks import ExponentialMovingAverage, ProgressBar, RunLog, StopWhenStale
from leignn.training.failure import recorded
from leignn.training.module import TrainingModule
from leignn.training.monitor import monitored
from leignn.training.statistics import add_starting_arguments, read_statistics, starting_point


def add_arguments(parser: argparse.ArgumentParser) -> None:
    add_starting_arguments(parser)
    parser.add_argument("--output", type=output_folder, required=True, help="the run's folder")
    parser.add_argument("--statistics", type=Path, help="RUN/statistics.json, for models that need it")
    parser.add_argument(
        "--device",
        type=usable_device,
        choices=("cpu", "cuda"),
        default="auto",
        help="default: CUDA where there is one",
    )
    parser.add_argument(
        "--processes", type=positive, help="each on its device (default: one a GPU; one on the CPU)"
    )


def main(args: argparse.Namespace) -> None:
    if args.threads:
        torch.set_num_threads(args.threads)
    config, started = RunConfig.load(args.config), datetime.now(UTC)

    def record(message: str) -> None:
        save_failure(args.output / "checkpoint.pt", config, message)
        RunLog.write_empty(args.output / "log.csv")
        data = checksums(args.stores, args.splits)
        files = {"log.csv": sha256(args.output / "log.csv")}
        failure = process(started) | {"data": data, "files": files, "failure": message}
        write_json(args.output / "provenance.json", failure)
        shutil.rmtree(args.output / "resume", ignore_errors=True)

    # Processes that Lightning starts to share the work come here too, under the lock of the first.
    rank = rank_zero_only.rank  # type: ignore[attr-defined]
    lock = nullcontext() if rank else only_writer(args.output)
    with lock, recorded(args.record_failure, record):
        statistics = read_statistics(args.statistics) if args.statistics else {}
        train(config, args.stores, args.splits, args.output, args.device, statistics, args.processes)


def train(
    config: RunConfig,
    stores: Path,
    splits: Path,
    output: Path,
    device: str = "auto",
    statistics: dict[str, Any] | None = None,
    processes: int | None = None,
) -> None:
    """Train the run that ``config`` (see :func:`leignn.config.run.resolve_run`) describes.

    Args:
        config: resolved configuration.
        stores: folder with a store for each part.
        splits: folder with the split manifests.
        output: the run's folder.
        device: auto, cpu or cuda.
        statistics: of the model, from the training split.
        processes: that share every step, each with a batch of its own; None: one a GPU, or one.

    Raises:
        InputError: a split is missing or empty, or has nothing to train and to choose by.
        RunFailedError: the loss or a prediction is not finite, or a package is missing.
    """
    training = config.training
    started = datetime.now(UTC)
    output.mkdir(parents=True, exist_ok=True)
    torch.backends.cuda.matmul.allow_tf32 = torch.backends.cudnn.allow_tf32 = training.tf32
    _quiet()

    data = checksums(stores, splits)  # of what is opened now: what is exchanged later has no part in it
    potential, train_frames, energy_shift = starting_point(config, stores, splits)
    if statistics:
        potential.load_statistics(statistics)
    val_frames = Frames(stores, splits / "val.csv", potential.graph, train_frames.dtype)
    monitor = monitored(train_frames, val_frames)
    module = TrainingModule(potential, training, energy_shift, monitor)

    log = RunLog(output / "log.csv", len(train_frames))
    best = ModelCheckpoint(
        output / "resume",
        filename="best",
        monitor=monitor,
        enable_version_counter=False,
        save_on_train_epoch_end=False,
        # A whole checkpoint: Lightning puts the averaged weights into no other.
        save_weights_only=False,
    )
    trainer = _trainer(training, output, device, processes, monitor, [log, best])
    frames = (train_frames, val_frames)
    parts = {part for split in frames for part in split.table["part"]}
    identity = {
        "configuration": config.plain(),
        "stores": {part: data["stores"][part] for part in sorted(parts)},
        "splits": {split: data["splits"][split] for split in ("train", "val")},
        "energy_shift": energy_shift,
        "statistics": digest(statistics or {}),
        "processes": trainer.world_size,
        "code": fingerprint(__name__, config.potential.partition(":")[0]),
        "packages": versions(),
    }
    val_loader = batch_loader(
        val_frames, SequentialBatches(len(val_frames), training.batch_size), training.loader_workers
    )
    if any(p.requires_grad for p in potential.parameters()):
        batches = ShuffledBatches(
            len(train_frames),
            training.batch_size,
            training.checkpoint_every,
            config.seed,
            rank=trainer.global_rank,
            world=trainer.world_size,
        )
        trainer.fit(
            module,
            batch_loader(train_frames, batches, training.loader_workers),
            val_loader,
            ckpt_path=_resume_point(output / "resume", identity),
            weights_only=True,
        )
        chosen = torch.load(best.best_model_path, map_location="cpu", weights_only=True)
        module.load_state_dict(chosen["state_dict"])
        best_step = chosen["global_step"]
    else:
        trainer.validate(module, val_loader, verbose=False)
        best_step = 0

    if trainer.is_global_zero:
        elements = train_frames.elements()
        TrainedPotential(potential, config, energy_shift, elements).save(output / "checkpoint.pt")
        record = process(started) | {
            "data": data,
            "code": identity["code"],
            "configuration": digest(config.plain()),
            "checkpoint": sha256(output / "checkpoint.pt"),
            "files": {"log.csv": sha256(output / "log.csv")},
            "seconds": log.seconds,
            "steps": trainer.global_step,
            "best_step": best_step,
            "train_structures": len(train_frames),
            "parameters": sum(p.numel() for p in potential.parameters()),
        }
        write_json(output / "provenance.json", record)
        shutil.rmtree(output / "resume", ignore_errors=True)


def _trainer(
    training: Training,
    output: Path,
    device: str,
    processes: int | None,
    monitor: str,
    callbacks: list[pl.Callback],
) -> pl.Trainer:
    blocks_per_evaluation = training.evaluate_every // training.checkpoint_every
    resume = ModelCheckpoint(
        output / "resume", filename="last", enable_version_counter=False, save_on_train_epoch_end=True
    )
    stop = StopWhenStale(
        monitor,
        patience=training.early_stopping,
        check_finite=True,
        check_on_train_epoch_end=False,
    )
    on_cpu = device == "cpu" or not torch.cuda.is_available()
    processes = processes or (1 if on_cpu else torch.cuda.device_count())
    return pl.Trainer(
        accelerator=device,
        devices=processes,
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
            ExponentialMovingAverage(training.ema_decay),
            stop,
            ProgressBar(),
            *callbacks,
            resume,
        ],
        default_root_dir=output,
    )


def _resume_point(folder: Path, identity: dict[str, Any]) -> Path | None:
    """The last checkpoint, if all that it depends on is the same; else a clean start, and why."""
    kept, last = folder / "identity.json", folder / "last.ckpt"
    # In this order: of several processes, the first may be beginning anew at this moment.
    changed = _changed(kept, identity)
    if last.exists():
        if not changed:
            print(f"resuming from {last}", flush=True)
            return last
        print(f"{last} is of another {', '.join(changed)}: beginning anew", flush=True)
    _begin_anew(folder, kept, identity)
    return None


@rank_zero_only
def _begin_anew(folder: Path, kept: Path, identity: dict[str, Any]) -> None:
    shutil.rmtree(folder, ignore_errors=True)
    write_json(kept, identity)


def _changed(kept: Path, identity: dict[str, Any]) -> list[str]:
    try:
        return differences(read_json(kept), json.loads(json.dumps(identity)))
    except InputError:
        return ["identity.json"]


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
