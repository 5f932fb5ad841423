"""Train one run, or resume it where it was stopped.

Reads RUN/config.yaml, the stores and the split manifests; writes RUN/checkpoint.pt (the best
evaluation's averaged weights), RUN/log.csv, RUN/provenance.json and TensorBoard files. While it
runs, RUN/resume/ holds the state from which a killed run continues to the same numbers.
"""

import argparse
import json
import math
import shutil
from contextlib import nullcontext
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytorch_lightning as pl
import torch
from pytorch_lightning.callbacks import ModelCheckpoint
from pytorch_lightning.utilities import rank_zero_only

from leignn.arguments import add_device, add_threads, output_folder, positive
from leignn.config.run import RunConfig
from leignn.config.training import Training
from leignn.data.frames import Frames, SequentialBatches, batch_loader
from leignn.errors import InputError
from leignn.files import read_json, write_json
from leignn.identity import differences, digest, fingerprint, versions
from leignn.lock import only_writer
from leignn.memory import enough_memory
from leignn.potential import Potential
from leignn.provenance import checksums, process, sha256
from leignn.trained import TrainedPotential, save_failure
from leignn.training.batches import ShuffledBatches, TrainingBatches
from leignn.training.callbacks import RunLog, StopAtLimit
from leignn.training.failure import add_argument, recorded
from leignn.training.module import TrainingModule
from leignn.training.monitor import monitored
from leignn.training.pieces import cuda_trial, pieces_that_fit
from leignn.training.start import fit_statistics, starting_point
from leignn.training.trainer import ending_together, make_trainer


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--config", type=Path, required=True, help="RUN/config.yaml")
    parser.add_argument("--stores", type=Path, required=True, help="folder with a store for each part")
    parser.add_argument("--splits", type=Path, required=True, help="folder with the split manifests")
    parser.add_argument("--output", type=output_folder, required=True, help="the run's folder")
    add_threads(parser)
    add_argument(parser)
    add_device(parser)
    parser.add_argument(
        "--processes",
        type=positive,
        default=1,
        help="that share every step's batch, each on a device of its own (default: 1)",
    )
    parser.add_argument(
        "--pieces",
        type=positive,
        help="in which a process computes its share, one after the other (default: on CUDA as few as fit its "
        "memory; on the CPU 1)",
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
        train(config, args.stores, args.splits, args.output, args.device, args.processes, args.pieces)


def train(
    config: RunConfig,
    stores: Path,
    splits: Path,
    output: Path,
    device: str = "auto",
    processes: int = 1,
    pieces: int | None = None,
) -> None:
    """Train the run that ``config`` (see :func:`leignn.config.run.resolve_run`) describes.

    Args:
        config: resolved configuration.
        stores: folder with a store for each part.
        splits: folder with the split manifests.
        output: the run's folder.
        device: auto, cpu or cuda.
        processes: that share every step's batch, on this machine.
        pieces: in which a process computes its share; None: on CUDA as few as fit, else one.

    Raises:
        InputError: a split is missing or empty, or has nothing to train and to choose by; more processes
            and pieces than structures in a batch; another process has ended.
        RunFailedError: the loss or a prediction is not finite, a package is missing, or memory is too small.
    """
    training = config.training
    if processes * (pieces or 1) > training.batch_size:
        raise InputError(
            f"{processes} processes with {pieces or 1} pieces each cannot share a batch of "
            f"{training.batch_size} structures"
        )
    started = datetime.now(UTC)
    output.mkdir(parents=True, exist_ok=True)
    torch.backends.cuda.matmul.allow_tf32 = torch.backends.cudnn.allow_tf32 = training.tf32

    data = checksums(stores, splits)  # of what is opened now: what is exchanged later has no part in it
    potential, train_frames, energy_shift = starting_point(config, stores, splits)
    val_frames = Frames(stores, splits / "val.csv", potential.graph, train_frames.dtype)
    monitor = monitored(train_frames, val_frames)
    frames = (train_frames, val_frames)
    parts = {part for split in frames for part in split.table["part"]}
    identity = {
        "configuration": _without_time(config),
        "stores": {part: data["stores"][part] for part in sorted(parts)},
        "splits": {split: data["splits"][split] for split in ("train", "val")},
        "energy_shift": energy_shift,
        "processes": processes,
        "code": fingerprint(__name__, config.potential.partition(":")[0]),
        "packages": versions(),
    }
    rank = rank_zero_only.rank  # type: ignore[attr-defined]
    resume = _resume_point(output / "resume", identity, rank)
    fit_statistics(potential, train_frames, energy_shift, output / "resume" / "statistics.json")
    module = TrainingModule(potential, training, energy_shift, monitor)

    log = RunLog(output / "log.csv", len(train_frames))
    limit = StopAtLimit(training, log)
    best = ModelCheckpoint(
        output / "resume",
        filename="best",
        monitor=monitor,
        enable_version_counter=False,
        save_on_train_epoch_end=False,
        # A whole checkpoint: Lightning puts the averaged weights into no other.
        save_weights_only=False,
    )
    trainer = make_trainer(training, output, device, processes, monitor, [log, limit, best])
    trainable = any(p.requires_grad for p in potential.parameters())
    if trainable:
        pieces = pieces or _fitting_pieces(potential, train_frames, training, trainer, output / "resume")
    pieces = pieces or 1
    at_once = math.ceil(training.batch_size / processes / pieces)
    val_loader = batch_loader(
        val_frames, SequentialBatches(len(val_frames), at_once), training.loader_workers
    )
    if trainable:
        trainer.accumulate_grad_batches = pieces
        batches = ShuffledBatches(
            len(train_frames),
            training.batch_size,
            training.checkpoint_every,
            config.seed,
            pieces,
            trainer.global_rank,
            processes,
        )
        loader = batch_loader(TrainingBatches(train_frames), batches, training.loader_workers)
        what = f"a step of {config.title} with {at_once} structures at once"
        with ending_together(processes), enough_memory(what, "give --pieces a larger number"):
            trainer.fit(module, loader, val_loader, ckpt_path=resume, weights_only=True)
        chosen = torch.load(best.best_model_path, map_location="cpu", weights_only=True)
        module.load_state_dict(chosen["state_dict"])
        best_step = chosen["global_step"]
    else:
        trainer.validate(module, val_loader, verbose=False)
        best_step = 0

    if trainer.is_global_zero:
        log.write()
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
            "processes": processes,
            "pieces": pieces,
            "best_step": best_step,
            "ended": _ended(limit.reason, trainer.global_step, training),
            "train_structures": len(train_frames),
            "parameters": sum(p.numel() for p in potential.parameters()),
        }
        write_json(output / "provenance.json", record)
        if limit.reason != "max_hours":  # with more time it goes on
            shutil.rmtree(output / "resume", ignore_errors=True)


def _ended(limit: str, steps: int, training: Training) -> str:
    """Why a training has ended, in two words."""
    if not steps:
        return "nothing to train"
    return limit or ("max_steps" if steps == training.max_steps else "early stopping")


def _without_time(config: RunConfig) -> dict[str, Any]:
    """A configuration but for its time: with more, a training goes on from where it stopped."""
    content = config.plain()
    content["training"].pop("max_hours", None)
    return content


def _fitting_pieces(
    potential: Potential, frames: Frames, training: Training, trainer: pl.Trainer, folder: Path
) -> int:
    """Tried on CUDA by the first process; the others, and what resumes, take what it found."""
    device = trainer.strategy.root_device
    if device.type != "cuda":
        return 1
    kept = folder / "pieces.json"
    if not kept.exists():
        share = math.ceil(training.batch_size / trainer.world_size)
        found = pieces_that_fit(cuda_trial(potential, device), frames, share)
        write_json(kept, {"pieces": found})
    return int(read_json(kept)["pieces"])


def _resume_point(folder: Path, identity: dict[str, Any], rank: int) -> Path | None:
    """The last checkpoint, if all that it depends on is the same; else a clean start, and why.

    The first process decides; it starts the others after that.
    """
    kept, last = folder / "identity.json", folder / "last.ckpt"
    if rank:
        return last if last.exists() else None
    if last.exists():
        changed = _changed(kept, identity)
        if not changed:
            print(f"resuming from {last}", flush=True)
            return last
        print(f"{last} is of another {', '.join(changed)}: beginning anew", flush=True)
    shutil.rmtree(folder, ignore_errors=True)
    write_json(kept, identity)
    return None


def _changed(kept: Path, identity: dict[str, Any]) -> list[str]:
    try:
        return differences(read_json(kept), json.loads(json.dumps(identity)))
    except InputError:
        return ["identity.json"]
