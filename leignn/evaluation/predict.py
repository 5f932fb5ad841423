"""Predict splits with a trained run; keep the predictions, a file each."""

import argparse
import sys
from pathlib import Path

import numpy as np
import torch
from tqdm import tqdm

from leignn.data.frames import Frames, SequentialBatches, batch_loader
from leignn.files import replacing_folder
from leignn.trained import TrainedPotential, load_trained
from leignn.training.failure import add_argument, recorded

FAILURE = "failure.txt"  # in place of predictions: why there are none


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--run", type=Path, required=True, help="the run's folder, with checkpoint.pt")
    parser.add_argument("--stores", type=Path, required=True, help="folder with a store for each part")
    parser.add_argument("--splits", type=Path, required=True, help="folder with the split manifests")
    parser.add_argument("--predict", nargs="+", required=True, help="names of splits, e.g. id ood_both")
    parser.add_argument("--output", type=Path, required=True, help="folder for <split>.npz")
    parser.add_argument("--batch-size", type=int, default=32, help="structures at once")
    parser.add_argument("--threads", type=int, default=0, help="CPU threads (default: all)")
    parser.add_argument("--device", choices=("auto", "cpu", "cuda"), default="auto")
    add_argument(parser)


def main(args: argparse.Namespace) -> None:
    if args.threads:
        torch.set_num_threads(args.threads)
    device = args.device
    if device == "auto":
        device = "cuda" if torch.cuda.is_available() else "cpu"
    with replacing_folder(args.output) as folder:

        def record(message: str) -> None:
            for file in folder.iterdir():
                file.unlink()
            (folder / FAILURE).write_text(message, encoding="utf-8")

        with recorded(args.record_failure, record):
            trained = load_trained(args.run / "checkpoint.pt", device)
            for split in args.predict:
                frames = Frames(args.stores, args.splits / f"{split}.csv", trained.graph)
                energy, forces = predict(trained, frames, args.batch_size, device)
                np.savez(folder / f"{split}.npz", energy=energy, forces=forces)


def predict(
    trained: TrainedPotential, frames: Frames, batch_size: int, device: str
) -> tuple[np.ndarray, np.ndarray]:
    """Energies (S,) float64 in eV and forces (N, 3) float32 in eV/Å, in the order of ``frames``."""
    energies, forces = bytearray(), bytearray()  # joining a list of arrays would take twice the memory
    loader = batch_loader(frames, SequentialBatches(len(frames), batch_size))
    for batch in tqdm(loader, desc="predict", unit="batch", disable=not sys.stderr.isatty()):
        with torch.no_grad():
            output = trained(batch.to(device))
        energies += output["energy"].cpu().numpy().tobytes()
        forces += output["forces"].float().cpu().numpy().tobytes()
    return np.frombuffer(energies, np.float64), np.frombuffer(forces, np.float32).reshape(-1, 3)
