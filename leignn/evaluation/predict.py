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
from torch_geometric.data import Batch
from tqdm import tqdm

from leignn.arguments import name, non_negative, output_folder, positive, usable_device
from leignn.data.frames import Frames, SequentialBatches, batch_loader
from leignn.errors import RunFailedError
from leignn.files import replacing_folder
from leignn.finite import non_finite
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
    parser.add_argument("--threads", type=non_negative, default=0, help="CPU threads (default: all)")
    parser.add_argument(
        "--device", type=usable_device, default="auto", help="default: CUDA where there is one"
    )
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
                np.savez(folder / f"{split}.npz", energy=energy, forces=forces, made_from=origin)


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
        RunFailedError: an energy or force that is not finite.
    """
    kind = np.float64 if trained.dtype == torch.float64 else np.float32
    energies, forces = bytearray(), bytearray()  # joining a list of arrays would take twice the memory
    loader = batch_loader(frames, SequentialBatches(len(frames), batch_size))
    for batch in tqdm(loader, desc="predict", unit="batch", disable=not sys.stderr.isatty()):
        trained.check_elements(batch.atomic_numbers, partial(frames.atom_name, batch))
        with torch.no_grad():
            output = trained(batch.to(device))
        _check_finite(output, frames, batch)
        energies += output["energy"].cpu().numpy().tobytes()
        forces += output["forces"].to(trained.dtype).cpu().numpy().tobytes()
    return np.frombuffer(energies, np.float64), np.frombuffer(forces, kind).reshape(-1, 3)


def _check_finite(output: dict[str, Tensor], frames: Frames, batch: Batch) -> None:
    energy, forces = (output[name].cpu().numpy() for name in ("energy", "forces"))
    rows = batch.row.cpu()

    def name(structure: int) -> str:
        return f"{frames.names(rows[[structure]])} of {frames.manifest}"

    if found := non_finite(energy, forces, batch.natoms.cpu().numpy(), name):
        raise RunFailedError(found)
