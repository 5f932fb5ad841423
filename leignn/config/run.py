"""The configuration of one run: data set × model × scale × seed, merged (see :mod:`leignn.config.merge`).

Writes one YAML file that holds everything the run depends on.
"""

import argparse
import json
from pathlib import Path
from typing import Any, get_args

import yaml
from pydantic import NonNegativeInt

from leignn.arguments import non_negative, output_file
from leignn.config.base import Scale, Strict
from leignn.config.dataset import DATASET_HELP, Dataset, Graph, load_dataset
from leignn.config.merge import merge
from leignn.config.model import MODEL_HELP, Baselines, Hyperparameters, Model, load_model
from leignn.config.names import Name
from leignn.config.simulation import Simulation
from leignn.config.training import SomeTraining, Training
from leignn.errors import InputError
from leignn.files import write_text


class RunSettings(Strict):
    """What the workflow's configuration says about every run."""

    baselines: Baselines = "open_catalyst"
    """the set of sizes of the other models"""

    scale_training: SomeTraining = {}
    """the scale's overrides of the protocol"""
    training: SomeTraining = {}
    """the user's: the last word"""
    sizes: dict[Name, Hyperparameters] = {}
    """likewise the hyperparameters of single models"""


class DatasetInfo(Strict):
    """What results say about the data set."""

    title: str
    stand_in: bool
    level: str
    energy_name: str
    published_as: str | None
    member: str | None = None
    untrained_elements: bool = False


class RunConfig(Strict):
    """All that a run depends on, ``RUN/config.yaml``; checkpoints hold it too."""

    dataset: str
    scale: Scale
    model: str
    seed: NonNegativeInt
    title: str
    potential: str
    environment: str
    hyperparameters: Hyperparameters
    graph: Graph
    training: Training
    dataset_info: DatasetInfo

    @property
    def identity(self) -> dict[str, Any]:
        """Which run it is, for result files."""
        return {key: getattr(self, key) for key in ("dataset", "scale", "model", "title", "seed")}


def resolve_run(
    dataset: str | Path, model: str | Path, scale: Scale, seed: int, settings: dict[str, Any] | None = None
) -> RunConfig:
    """Merge everything a run depends on.

    Args:
        dataset: name, or path of its file.
        model: name, or path of its file.
        scale: names the block of hyperparameters.
        seed: of the weights and of the order of the data.
        settings: keys of :class:`RunSettings`.

    Raises:
        InputError: a name is unknown, or a value does not fit.
    """
    found = RunSettings.checked(settings or {}, "settings")
    return merged_run(load_dataset(dataset), load_model(model), scale, seed, found)


def merged_run(dataset: Dataset, model: Model, scale: Scale, seed: int, settings: RunSettings) -> RunConfig:
    """As :func:`resolve_run`, of what is already read."""
    benchmark = dataset.benchmark
    training = merge(
        dataset.training.plain(),
        settings.scale_training,
        dataset.scale_training.get(scale, {}),
        *model.layers("training", scale, benchmark, settings.baselines),
        settings.training,
    )
    info = {key: value for key, value in dataset.plain().items() if key in DatasetInfo.model_fields}
    content = {
        "dataset": dataset.name,
        "scale": scale,
        "model": model.name,
        "seed": seed,
        "title": model.title,
        "potential": model.potential,
        "environment": model.environment,
        "hyperparameters": merge(
            *model.layers("hyperparameters", scale, benchmark, settings.baselines),
            settings.sizes.get(model.name, {}),
        ),
        "graph": merge(dataset.graph.plain(), *model.layers("graph", scale, benchmark, settings.baselines)),
        "training": training,
        "dataset_info": info,
    }
    return RunConfig.checked(content, f"{dataset.name}, {model.name} at scale {scale!r}")


def merged_simulation(
    dataset: Dataset, model: Model, scale: Scale, scale_settings: dict[str, Any], settings: dict[str, Any]
) -> Simulation:
    """The protocol of a run's simulations.

    Args:
        dataset, model: of the run.
        scale: names the block of the model's settings.
        scale_settings: the scale's overrides.
        settings: the user's.

    Raises:
        InputError: the data set is not one for simulations, or a value does not fit.
    """
    content = merge(
        dataset.dynamics.simulation.plain(),
        scale_settings,
        *model.layers("simulation", scale, dataset.benchmark),
        settings,
    )
    return Simulation.checked(content, f"simulation of {dataset.name} with {model.name} at scale {scale!r}")


def load_run_config(folder: Path) -> RunConfig:
    """The configuration of the run in ``folder``."""
    return RunConfig.load(Path(folder) / "config.yaml")


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--dataset", required=True, help=DATASET_HELP)
    parser.add_argument("--model", required=True, help=MODEL_HELP)
    parser.add_argument("--scale", choices=get_args(Scale), required=True)
    parser.add_argument("--seed", type=non_negative, default=0)
    parser.add_argument("--settings", default="{}", help='JSON, e.g. {"training": {"max_steps": 100}}')
    parser.add_argument("--output", type=output_file, required=True, help="RUN/config.yaml")


def main(args: argparse.Namespace) -> None:
    run = resolve_run(args.dataset, args.model, args.scale, args.seed, settings_of(args.settings))
    write_text(args.output, yaml.safe_dump(run.plain(), sort_keys=False))


def settings_of(text: str) -> dict[str, Any]:
    """The argument ``--settings``.

    Raises:
        InputError: it is no JSON.
    """
    try:
        return json.loads(text)
    except json.JSONDecodeError as error:
        raise InputError(f"--settings is no JSON: {error}") from error
