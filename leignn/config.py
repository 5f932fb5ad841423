"""Resolve the configuration of one run: data set × model × scale × seed.

The data set gives the published protocol and graph, the scale's settings override it, and the
model's own file has the last word. Writes one YAML file that holds everything the run depends on.
"""

import argparse
import dataclasses
import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal, get_args

import jsonschema
import yaml

from leignn.data.dataset_config import load_dataset
from leignn.errors import InputError
from leignn.files import write_text

ROOT = Path(__file__).resolve().parents[1]
MODELS = ROOT / "config" / "models"

EnergyTarget = Literal["as_is", "minus_train_mean"]
Precision = Literal["32-true", "64-true", "bf16-mixed"]


@dataclass(frozen=True)
class Training:
    """The training protocol (``../shared/spec/leignn.md``); steps are optimiser steps."""

    learning_rate: float
    min_learning_rate: float
    batch_size: int  # structures
    energy_weight: float  # of the energy MAE in eV
    forces_weight: float  # of the force MAE in eV/Å, over components of free atoms
    clip_norm: float
    evaluate_every: int  # steps
    early_stopping: int  # evaluations without a better force MAE
    max_steps: int
    energy_target: EnergyTarget = "as_is"
    plateau_factor: float = 0.8
    plateau_patience: int = 5
    ema_decay: float = 0.999
    precision: Precision = "32-true"
    tf32: bool = False
    loader_workers: int = 0

    def __post_init__(self) -> None:
        if self.energy_target not in get_args(EnergyTarget):
            raise InputError(f"training.energy_target: {self.energy_target!r} is unknown")
        if self.precision not in get_args(Precision):
            raise InputError(f"training.precision: {self.precision!r} is unknown")
        if self.max_steps % self.evaluate_every:
            raise InputError(
                f"training.max_steps: {self.max_steps} is no multiple of "
                f"evaluate_every: {self.evaluate_every}"
            )

    @property
    def checkpoint_every(self) -> int:
        """Steps between checkpoints: the largest divisor of ``evaluate_every`` up to 500."""
        return max(n for n in range(1, min(500, self.evaluate_every) + 1) if self.evaluate_every % n == 0)

    @classmethod
    def from_dict(cls, values: dict[str, Any], where: str) -> "Training":
        """Check the keys of ``values``; ``where`` names the file in messages."""
        known = {field.name for field in dataclasses.fields(cls)}
        required = {f.name for f in dataclasses.fields(cls) if f.default is dataclasses.MISSING}
        if unknown := sorted(set(values) - known):
            raise InputError(f"{where}: unknown training key {unknown[0]!r}")
        if missing := sorted(required - set(values)):
            raise InputError(f"{where}: training key {missing[0]!r} is missing")
        return cls(**values)


def load_yaml(path: Path) -> dict[str, Any]:
    """Read a YAML mapping; an unreadable file is an :class:`InputError`."""
    try:
        content = yaml.safe_load(Path(path).read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError, yaml.YAMLError) as error:
        raise InputError(f"{path} cannot be read: {' '.join(str(error).split())}") from error
    if not isinstance(content, dict):
        raise InputError(f"{path} holds no mapping of keys to values")
    return content


def model_names() -> dict[str, Path]:
    """Every model's name and alias → its file in ``config/models/``."""
    names = {}
    for path in sorted(MODELS.glob("*.yaml")):
        for name in [path.stem, *load_yaml(path).get("aliases", [])]:
            names[name] = path
    return names


def find_model(name: str) -> Path:
    """File of the model called ``name`` (or one of its aliases, such as ``e2gnn``)."""
    names = model_names()
    if name not in names:
        raise InputError(f"unknown model {name!r}: config/models has {', '.join(sorted(names))}")
    return names[name]


def load_model_config(path: Path) -> dict[str, Any]:
    """Read and validate one model's YAML file."""
    model = load_yaml(path)
    schema = load_yaml(ROOT / "workflow" / "schemas" / "model.schema.yaml")
    try:
        jsonschema.validate(model, schema)
    except jsonschema.ValidationError as error:
        place = ".".join(map(str, error.absolute_path)) or "top level"
        raise InputError(f"{path}: {place}: {error.message}") from error
    return model


def resolve_run(
    dataset_path: Path, model_path: Path, scale: str, seed: int, settings: dict[str, Any]
) -> dict[str, Any]:
    """Merge everything a run depends on into one mapping.

    Args:
        dataset_path: ``config/datasets/<dataset>.yaml``.
        model_path: ``config/models/<model>.yaml``.
        scale: names the block of hyperparameters.
        seed: of the weights and of the order of the data.
        settings: ``{"training": {...}}`` of the scale or the user, over the data set's protocol.
    """
    dataset, model = load_dataset(dataset_path), load_model_config(model_path)
    if scale not in model["hyperparameters"]:
        raise InputError(f"{model_path}: no hyperparameters for scale {scale!r}")
    training = {
        **dataset["training"],
        **settings.get("training", {}),
        **model.get("training", {}).get(scale, {}),
    }
    Training.from_dict(training, f"{dataset_path}, scale {scale!r}, {model_path}")
    return {
        "dataset": Path(dataset_path).stem,
        "scale": scale,
        "model": Path(model_path).stem,
        "seed": seed,
        "title": model["title"],
        "potential": model["potential"],
        "hyperparameters": model["hyperparameters"][scale],
        "graph": {**dataset["graph"], **model.get("graph", {})},
        "training": training,
        "dataset_info": {
            key: dataset[key] for key in ("title", "stand_in", "level", "energy_name", "published_as")
        },
    }


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--dataset", type=Path, required=True, help="config/datasets/<name>.yaml")
    parser.add_argument("--model", type=Path, required=True, help="config/models/<name>.yaml")
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
