"""Predict splits with a trained run; keep the predictions, a file each."""

import argparse
import json
import sys
from functools import partial
from pathlib import Path

import numpy as np
import torch
from ase.data import chemical_symbols
from torch import Tensor
from tqdm import tqdm

from leignn.arguments import add_device, add_threads, name, output_folder, positive
from leignn.batch import Batch
from leignn.data.frames import Frames, SequentialBatches, batch_loader
from leignn.errors import RunFailedError
from leignn.evaluation.kept import FAILURE, made_from
from leignn.files import replacing_folder, write_arrays
from leignn.finite import non_finite
from leignn.memory import is_out_of_memory
from leignn.trained import TrainedPotential, load_trained
from leignn.training.failure import add_argument, recorded


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--run", type=Path, required=True, help="the run's folder, with checkpoint.pt")
    parser.add_argument("--stores", type=Path, required=True, help="folder with a store for each part")
    parser.add_argument("--splits", type=Path, required=True, help="folder with the split manifests")
    parser.add_argument("--predict", type=name, nargs="+", required=True, help="splits, e.g. id ood_both")
    parser.add_argument("--output", type=output_folder, required=True, help="folder for <split>.npz")
    parser.add_argument("--batch-size", type=positive, default=32, help="structures at once")
    add_threads(parser)
    add_device(parser)
    add_argument(parser)


def main(args: argparse.Namespace) -> None:
    if args.threads:
        torch.set_num_threads(args.threads)
    with replacing_folder(args.output) as folder:

        def record(message: str) -> None:
            for file in folder.iterdir():
                file.unlink()
            (folder / FAILURE).write_text(message, encoding="utf-8")

        with recorded(args.record_failure, record):
            trained = load_trained(args.run / "checkpoint.pt", args.device)
            for split in args.predict:
                frames = Frames(args.stores, args.splits / f"{split}.csv", trained.graph, trained.dtype)
                if trained.config.dataset_info.untrained_elements:
                    trained.admit(_untrained(frames, trained))
                energy, forces = predict(trained, frames, args.batch_size, args.device)
                origin = json.dumps(made_from(args.run, args.stores, args.splits / f"{split}.csv", frames))
                arrays = {"energy": energy, "forces": forces, "made_from": np.array(origin)}
                write_arrays(folder / f"{split}.npz", arrays)


def _untrained(frames: Frames, trained: TrainedPotential) -> list[int]:
    found = [number for number in frames.elements() if number not in trained.elements]
    for number in found:
        symbol = chemical_symbols[number]
        print(f"{frames.manifest}: predicted with {symbol}, which the model was not trained on", flush=True)
    return found


def predict(
    trained: TrainedPotential, frames: Frames, batch_size: int, device: str
) -> tuple[np.ndarray, np.ndarray]:
    """Energies (S,) float64 in eV and forces (N, 3) in eV/Å, in the order of ``frames``.

    Forces have the precision of the model.

    Raises:
        InputError: an element that the model was not trained on.
        RunFailedError: an energy or force that is not finite, or a structure that does not fit the memory.
    """
    kind = np.float64 if trained.dtype == torch.float64 else np.float32
    energies, forces = bytearray(), bytearray()  # joining a list of arrays would take twice the memory
    workers = trained.config.training.loader_workers
    loader, at_once = batch_loader(frames, SequentialBatches(len(frames), batch_size), workers), batch_size
    for batch in tqdm(loader, desc="predict", unit="batch", disable=not sys.stderr.isatty()):
        trained.check_elements(batch.atomic_numbers, partial(frames.atom_name, batch))
        rows, done = batch.row.tolist(), 0
        while done < len(rows):
            piece = batch if len(rows) <= at_once else frames[rows[done : done + at_once]]
            output = _output(trained, piece, device)
            if output is None:
                at_once = _half(frames, piece)
                continue
            _check_finite(output, frames, piece)
            energies += output["energy"].cpu().numpy().tobytes()
            forces += output["forces"].to(trained.dtype).cpu().numpy().tobytes()
            done += len(piece.natoms)
    return np.frombuffer(energies, np.float64), np.frombuffer(forces, kind).reshape(-1, 3)


def _output(trained: TrainedPotential, batch: Batch, device: str) -> dict[str, Tensor] | None:
    """Predictions of a batch; None if it does not fit the memory."""
    try:
        with torch.no_grad():
            return trained(batch.to(device))
    except Exception as error:
        if not is_out_of_memory(error):
            raise
        return None


def _half(frames: Frames, batch: Batch) -> int:
    """How many structures to try at once, after a batch that did not fit."""
    number = len(batch.natoms)
    if number == 1:
        raise RunFailedError(
            f"out of memory: {frames.names(batch.row.tolist())} of {frames.manifest} "
            f"({int(batch.natoms)} atoms) does not fit; take a device with more memory"
        )
    torch.cuda.empty_cache()
    print(f"out of memory with {number} structures at once: going on with half of them", flush=True)
    return number // 2


def _check_finite(output: dict[str, Tensor], frames: Frames, batch: Batch) -> None:
    energy, forces = (output[name].cpu().numpy() for name in ("energy", "forces"))
    rows = batch.row.tolist()

    def name(structure: int) -> str:
        return f"{frames.names([rows[structure]])} of {frames.manifest}"

    if found := non_finite(energy, forces, batch.natoms.cpu().numpy(), name):
        raise RunFailedError(found)
