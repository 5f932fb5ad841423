"""The workflow's configuration: ``config/config.yaml`` → the scale's file → the user's."""

from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any, Self, get_args

import yaml
from pydantic import Field, NonNegativeInt, PositiveFloat, PositiveInt, field_validator, model_validator

from leignn.config.base import Scale, Strict, load_yaml
from leignn.config.merge import merge
from leignn.config.model import Baselines, Hyperparameters
from leignn.config.names import Folder, Name, OptionalName
from leignn.config.result import DEFAULT, Result
from leignn.config.simulation import SomeSimulation
from leignn.config.training import SomeTraining
from leignn.errors import InputError
from leignn.resources import config_file

TAKEN = ("costs", "runs", "starts")  # folders of results/

Models = Annotated[list[Name], Field(min_length=1)]


class Shown(Strict):
    """What a result shows instead of what its declaration says."""

    models: Models | None = None
    """names of files in `models/`"""
    datasets: list[Name] | None = None
    """names of data sets; none: only what is published"""


class Simulations(Strict):
    """Simulations of every trained run."""

    starts: PositiveInt
    """simulations of a run, each from another test configuration with other velocities"""
    scale_settings: SomeSimulation = {}
    """the scale's overrides of the data sets' `md.simulation`"""
    settings: SomeSimulation = {}
    """yours, such as `steps`: the last word"""


class Limitations(Strict):
    """Of runs on the first data set of `table1`; which models is declared in `results/limitations.yaml`."""

    starts: PositiveInt
    """structures from which simulations at constant energy start"""


class Profile(Strict):
    """How `results/complexity.csv` is measured: the models of `table1`, which take turns."""

    sizes: Annotated[list[Scale], Field(min_length=1)]
    """scales whose sizes of the models are profiled; the paper's claims of speed are about `paper`"""
    left_out: list[Name] = []
    """models that are not profiled; their rows say so"""
    baselines: list[Baselines] = []
    """named sets of baselines that are profiled beside the configuration's: a model whose size differs there
    has a second row with the set's name after its own"""
    batch_size: PositiveInt = 8
    """structures in a training step and in an inference"""
    seconds: PositiveFloat = 8.0
    """for the repeats of training, and again of inference, of all models of a size; two rounds are made
    anyhow"""
    longest: PositiveFloat = 1.5
    """seconds; an inference of a crystal that would take longer is not tried, and its row says so"""


class Standin(Strict):
    """The EMT stand-in for OC20."""

    train: PositiveInt
    """frames in its training split"""
    validation: PositiveInt
    """frames in each other split"""
    seed: NonNegativeInt
    """of what is drawn"""


class Trajectories(Strict):
    """The reference trajectories of the stand-ins for simulated systems."""

    replicas: PositiveInt
    """independent trajectories of each system"""
    frames: PositiveInt
    """of each trajectory, 50 fs apart"""


class Threads(Strict):
    """CPU threads of one job; with fewer than there are cores, several run at once."""

    train: PositiveInt
    """of a training job"""
    predict: PositiveInt
    """of a predicting or simulating job"""


class Jobs(Strict):
    """What one job asks a cluster for, by kind of job."""

    data: PositiveInt
    """generating, building stores, splitting"""
    train: PositiveInt
    """training, and fitting what a model takes from the training split"""
    predict: PositiveInt
    """predicting, scoring, simulating and their analysis"""
    profile: PositiveInt
    """profiling"""


class Configuration(Strict):
    """The workflow's configuration."""

    scale: Scale
    """`smoke` (continuous integration), `mini` (default, minutes on two cores), `hour` (one GPU hour),
    `paper` (published sizes): chooses the file in `scales/`, the hyperparameters in `models/`, what results
    show, and the run folder"""
    run: Annotated[OptionalName, Field(coerce_numbers_to_str=True)] = ""
    """name of this configuration: its results are `results/<run>/…`, its logs `logs/<run>/…`, so that those
    of different configurations do not overwrite each other; of letters, digits, _ and -; without,
    `results/…`"""
    data_dir: Folder
    """folder for raw files, stores and split manifests (`raw/`, `stores/`, `splits/` below it)"""
    samples_dir: Folder
    """folder with your own files: the `path` of a part with `source: {files: true}` is relative to it"""
    seeds: Annotated[list[NonNegativeInt], Field(min_length=1)] | None = None
    """every model is trained once for each, in place of the number of seeds that results declare; tables show
    mean ± standard error"""
    baselines: Baselines = "open_catalyst"
    """sizes of the other models on OC20: `open_catalyst`, as published there, or `paper_like`, as the paper's
    statements on memory and time admit; a run of the other set has the same folder, but for `run`"""
    also: list[Name] = []
    """results that also run what is declared `on_request`, such as `[md17, iso17]`"""
    results: dict[str, Shown] = {}
    """by the name of a result (a file in `results/`): `models` and `datasets` in place of the declared"""
    simulation: Simulations
    """simulations of every trained run"""
    limitations: Limitations
    """how `results/limitations.csv` is measured"""
    profile: Profile
    """how `results/complexity.csv` is measured"""
    standin: Standin
    """size of the EMT stand-in for OC20"""
    trajectories: Trajectories
    """size of the reference trajectories of the stand-ins for simulated systems"""
    scale_training: SomeTraining = {}
    """the scale's overrides of every data set's protocol"""
    training: SomeTraining = {}
    """yours: the last word"""
    sizes: dict[Name, Hyperparameters] = {}
    """yours: hyperparameters of a model in place of those of the scale, such as
    `{leignn_c: {hidden_channels: 128}}`"""
    threads: Threads
    """CPU threads of one job"""
    gpu: NonNegativeInt
    """GPUs that a training, predicting or profiling job asks for (0 or 1)"""
    mem_mb: Jobs
    """MB of memory that a job asks a cluster for"""
    runtime: Jobs
    """minutes that a job asks a cluster for; a training that is stopped resumes"""

    @field_validator("sizes")
    @classmethod
    def _numbers(cls, sizes: dict[Name, Hyperparameters]) -> dict[Name, Hyperparameters]:
        """What Snakemake's ``--config`` leaves as text within mappings, as YAML has it."""
        return {
            model: {
                key: yaml.safe_load(value) if isinstance(value, str) else value for key, value in own.items()
            }
            for model, own in sizes.items()
        }

    @model_validator(mode="after")
    def _folder_of_its_own(self) -> Self:
        if self.run in TAKEN:
            raise ValueError(f"run: {self.run!r} is a folder that all results share")
        return self


def load_configuration(user: Mapping[str, Any]) -> Configuration:
    """The workflow's configuration, ``user`` over the files.

    ``config/config.yaml`` and ``config/scales/<scale>.yaml`` are the working directory's own, else the
    shipped ones.

    Args:
        user: Snakemake's ``config``: from ``--configfile`` and ``--config``, or a module's.

    Raises:
        InputError: a file cannot be read, a key is unknown, or a value does not fit.
    """
    defaults = load_yaml(config_file("config.yaml"))
    scale = merge(defaults, user).get("scale")
    if scale not in get_args(Scale):
        raise InputError(f"configuration: scale: {scale!r} is none of {', '.join(get_args(Scale))}")
    of_scale = load_yaml(config_file(str(Path("scales") / f"{scale}.yaml")))
    return Configuration.checked(merge(defaults, of_scale, user), "configuration")


def chosen_results(results: dict[str, Result], configuration: Configuration) -> dict[str, Result]:
    """The declared results, with the user's models and data sets."""
    chosen = dict(results)
    for name in configuration.also:
        if name not in results or not results[name].on_request:
            known = ", ".join(name for name, result in results.items() if result.on_request)
            raise InputError(f"configuration: also: {name!r} has nothing to run on request; {known} have")
        chosen[name] = results[name].model_copy(update={"datasets": results[name].on_request})
    for name, shown in configuration.results.items():
        if name not in results:
            raise InputError(
                f"configuration: results.{name}: there is no such result in config/results: "
                f"{', '.join(sorted(results))}"
            )
        update = {key: {DEFAULT: value} for key, value in shown if value is not None}
        update |= {"models_on": {}} if "models" in update else {}
        chosen[name] = chosen[name].model_copy(update=update)
    return chosen
