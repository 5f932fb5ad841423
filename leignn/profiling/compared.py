"""Measure what a training step and an inference of some models cost, side by side.

On structures of the training split, graphs already built, the models with random weights and in turns: time
and memory, see :func:`leignn.profiling.costs.costs`. Times of trainings that share a machine do not compare.
"""

import argparse
from pathlib import Path

import pandas as pd
import torch

from leignn.arguments import add_threads, output_file, positive, usable_device
from leignn.config.run import RunConfig
from leignn.files import replacing
from leignn.profiling.costs import costs, load_models
from leignn.profiling.rows import TRAINING, row_of, shape_of


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--configs", type=Path, nargs="+", required=True, help="RUN/config.yaml, one a model")
    parser.add_argument("--stores", type=Path, required=True, help="folder with a store for each part")
    parser.add_argument("--splits", type=Path, required=True, help="folder with the split manifests")
    parser.add_argument(
        "--device", type=usable_device, choices=("cpu", "cuda"), help="default: CUDA if there"
    )
    add_threads(parser)
    parser.add_argument("--batch-size", type=positive, default=8, help="structures a step (default 8)")
    parser.add_argument(
        "--seconds", type=float, default=8.0, help="for repeats of training, and of inference (default 8)"
    )
    parser.add_argument("--output", type=output_file, required=True, help="table (.csv)")


def main(args: argparse.Namespace) -> None:
    if args.threads:
        torch.set_num_threads(args.threads)
    device = args.device or ("cuda" if torch.cuda.is_available() else "cpu")
    runs = [RunConfig.load(path) for path in args.configs]
    failed, models = load_models(runs, args.stores, args.splits, device)
    rows = [
        row_of(models[name].run, models[name].form, device, TRAINING)
        | shape_of(models[name].batch(args.batch_size))
        | found
        for name, found in costs(models, args.batch_size, args.seconds).items()
    ]
    with replacing(args.output) as temporary:
        pd.DataFrame(rows + failed).to_csv(temporary, index=False, float_format="%.6g")
