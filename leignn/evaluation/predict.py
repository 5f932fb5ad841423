"""Predict splits with a trained run; keep the predictions, a file each."""

import argparse
import json
import sys
from collections.abc import Iterator
from functools import partial
from pathlib import Path

import numpy as np
import torch
from ase.data import chemical_symbols
from torch import Tensor
from torch_geometric.data import Batch
from tqdm import tqdm

from leignn.arguments import add_device, add_threads, name, output_folder, positive
from leignn.data.frames import Frames, SequentialBatches, batch_loader
from leignn.errors import RunFailedError
from leignn.files import replacing_folder, write_arrays
from leignn.finite import non_finite
from leignn.memory import is_out_of_memory
from leignn.provenance import sha256
from leignn.trained import TrainedPotential, load_trained
from leignn.training.failure import add_argument, recorded

FAILURE = "failure.txt"  # in place of predictions: why there are none


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


def made_from(run: Path, stores: Path, manifest: Path, frames: Frames) -> dict[str, str]:
    """SHA-256 of the files that predictions of ``frames`` come from, by what they are."""
    parts = sorted(set(frames.table["part"]))
    files = {"checkpoint": run / "checkpoint.pt", "manifest": manifest}
    files |= {f"store {part}": stores / part / "store.json" for part in parts}
    return {name: sha256(file) for name, file in files.items()}


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
    loader = batch_loader(frames, SequentialBatches(len(frames), batch_size), workers)
    for batch in tqdm(loader, desc="predict", unit="batch", disable=not sys.stderr.isatty()):
        trained.check_elements(batch.atomic_numbers, partial(frames.atom_name, batch))
        for output in _outputs(trained, frames, batch, device):
            energies += output["energy"].cpu().numpy().tobytes()
            forces += output["forces"].to(trained.dtype).cpu().numpy().tobytes()
    return np.frombuffer(energies, np.float64), np.frombuffer(forces, kind).reshape(-1, 3)


def _outputs(
    trained: TrainedPotential, frames: Frames, batch: Batch, device: str
) -> Iterator[dict[str, Tensor]]:
    """Predictions of a batch, in halves where it does not fit the memory."""
    rows = batch.row.tolist()
    try:
        with torch.no_grad():
            output = trained(batch.to(device))
    except Exception as error:
        if not is_out_of_memory(error):
            raise
        if len(rows) == 1:
            raise RunFailedError(
                f"out of memory: {frames.names(batch.row)} of {frames.manifest} ({int(batch.natoms)} atoms) "
                "does not fit; take a device with more memory"
            ) from error
        output = None
    if output is not None:
        _check_finite(output, frames, batch)
        yield output
        return
    torch.cuda.empty_cache()
    print(f"out of memory with {len(rows)} structures at once: taking half of them", flush=True)
    for half in (rows[: len(rows) // 2], rows[len(rows) // 2 :]):
        yield from _outputs(trained, frames, frames[half], device)


def _check_finite(output: dict[str, Tensor], frames: Frames, batch: Batch) -> None:
    energy, forces = (output[name].cpu().numpy() for name in ("energy", "forces"))
    rows = batch.row.cpu()

    def name(structure: int) -> str:
        return f"{frames.names(rows[[structure]])} of {frames.manifest}"

    if found := non_finite(energy, forces, batch.natoms.cpu().numpy(), name):
        raise RunFailedError(found)
