"""Resolve the configuration of one run: data set × model × scale × seed.

The data set gives the published protocol and graph; the scale overrides it (in the configuration, then
in the data set's own file), the model overrides these (in general, then for the data set's benchmark),
and the user has the last word. Writes one YAML file that holds everything the run depends on.
"""

import argparse
import json
from pathlib import Path
from typing import Any

import yaml

from leignn.config import Training, load_validated, load_yaml
from leignn.data.dataset_config import DATASET_HELP, find_dataset, load_dataset
from leignn.errors import InputError
from leignn.files import write_text
from leignn.resources import config_files

MODEL_HELP = "a YAML file, or the name of one in config/models"


def model_names() -> dict[str, Path]:
    """Every model's name and alias → its file in ``config/models/``."""
    names = {}
    for stem, path in config_files("models").items():
        for name in [stem, *load_yaml(path).get("aliases", [])]:
            names[name] = path
    return names


def find_model(name: str) -> Path:
    """File of the model called ``name`` (or one of its aliases, such as ``e2gnn``); a YAML file is itself."""
    if name.endswith(".yaml"):
        return Path(name)
    names = model_names()
    if name not in names:
        raise InputError(f"unknown model {name!r}: config/models has {', '.join(sorted(names))}")
    return names[name]


def resolve_run(
    dataset_path: Path, model_path: Path, scale: str, seed: int, settings: dict[str, Any]
) -> dict[str, Any]:
    """Merge everything a run depends on into one mapping.

    Args:
        dataset_path: ``config/datasets/<dataset>.yaml``.
        model_path: ``config/models/<model>.yaml``.
        scale: names the block of hyperparameters.
        seed: of the weights and of the order of the data.
        settings: ``{"scale_training": {...}, "training": {...}}``, the scale's and the user's.
    """
    dataset, model = load_dataset(dataset_path), load_validated(model_path, "model")
    if scale not in model["hyperparameters"]:
        raise InputError(f"{model_path}: no hyperparameters for scale {scale!r}")
    own = model.get("benchmarks", {}).get(dataset.get("benchmark"), {})

    def of_model(key: str) -> dict[str, Any]:
        return {**model.get(key, {}).get(scale, {}), **own.get(key, {}).get(scale, {})}

    training = {
        **dataset["training"],
        **settings.get("scale_training", {}),
        **dataset.get("scale_training", {}).get(scale, {}),
        **of_model("training"),
        **settings.get("training", {}),
    }
    Training.from_dict(training, f"{dataset_path}, scale {scale!r}, {model_path}")
    return {
        "dataset": Path(dataset_path).stem,
        "scale": scale,
        "model": Path(model_path).stem,
        "seed": seed,
        "title": model["title"],
        "potential": model["potential"],
        "environment": model.get("environment", "torch"),
        "hyperparameters": own.get("hyperparameters", {}).get(scale, model["hyperparameters"][scale]),
        "graph": {**dataset["graph"], **of_model("graph")},
        "training": training,
        "dataset_info": {
            key: dataset[key]
            for key in ("title", "stand_in", "level", "energy_name", "published_as", "member")
            if key in dataset
        },
    }


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--dataset", type=find_dataset, required=True, help=DATASET_HELP)
    parser.add_argument("--model", type=find_model, required=True, help=MODEL_HELP)
    parser.add_argument("--scale", required=True, help="smoke, mini, hour or paper")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--settings", default="{}", help='JSON, e.g. {"training": {"max_steps": 100}}')
    parser.add_argument("--output", type=Path, required=True, help="RUN/config.yaml")


def main(args: argparse.Namespace) -> None:
    try:
        settings = json.loads(args.settings)
    except json.JSONDecodeError as error:
        raise InputError(f"--settings is no JSON: {error}") from error
    run = resolve_run(args.dataset, args.model, args.scale, args.seed, settings)
    write_text(args.output, yaml.safe_dump(run, sort_keys=False))
