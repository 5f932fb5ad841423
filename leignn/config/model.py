"""A model, ``config/models/<name>.yaml``: its class, and its hyperparameters at every scale."""

from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any, Literal, Self, get_args

from pydantic import Field, PrivateAttr, model_validator

from leignn.config.base import Scale, Strict, load_yaml
from leignn.config.dataset import SomeGraph
from leignn.config.deviation import Deviation
from leignn.config.names import Name, checked_name
from leignn.config.simulation import SomeSimulation
from leignn.config.training import SomeTraining
from leignn.errors import InputError
from leignn.resources import config_files

MODEL_HELP = "a YAML file, or a name (or alias) in config/models"
Hyperparameters = dict[str, Any]  # keyword arguments of the class: only it knows their names


Baselines = Literal["open_catalyst", "paper_like"]


class Sizes(Strict):
    """Another size of a model: one of the named sets of baselines."""

    source: str
    """how it was inferred"""
    hyperparameters: dict[Scale, Hyperparameters] = {}
    """over all others"""
    training: dict[Scale, SomeTraining] = {}
    """over all others"""
    graph: dict[Scale, SomeGraph] = {}
    """over all others"""


class Own(Strict):
    """What differs for a model on the data sets of one benchmark (their key `benchmark`), by scale."""

    source: str | None = None
    """where these come from"""
    hyperparameters: dict[Scale, Hyperparameters] = {}
    """over the model's"""
    training: dict[Scale, SomeTraining] = {}
    """over the model's"""
    graph: dict[Scale, SomeGraph] = {}
    """over the model's"""
    simulation: dict[Scale, SomeSimulation] = {}
    """over the data set's `md.simulation`, with the reason in a comment"""
    baselines: dict[Literal["paper_like"], Sizes] = {}
    """what differs in the set of baselines of this name, if the configuration's `baselines` chooses it"""
    deviations: list[Deviation] = []
    """settings that differ from their source; `docs/deviations.md` lists them"""


class Model(Strict):
    """A model."""

    title: str
    """row in the tables"""
    potential: Annotated[str, Field(pattern="^[a-z_.0-9]+:[A-Za-z0-9_]+$")]
    """`module:Class` in `leignn` or `baselines`"""
    aliases: list[Name] = []
    """other names that the registry knows"""
    environment: Name = "torch"
    """conda file `workflow/envs/<environment>.yaml` with the model's packages"""
    source: str
    """where the hyperparameters come from"""
    hyperparameters: dict[Scale, Hyperparameters]
    """keyword arguments of the class for each scale: `smoke`, `mini`, `hour`, `paper`"""
    training: dict[Scale, SomeTraining] = {}
    """overrides of the protocol for a scale, with the reason in a comment"""
    graph: dict[Scale, SomeGraph] = {}
    """overrides of the data set's graph for a scale"""
    benchmarks: dict[str, Own] = {}
    """what differs on the data sets of a benchmark"""
    deviations: list[Deviation] = []
    """settings that differ from their source, as in `benchmarks`"""

    _name: str = PrivateAttr("")
    _file: Path = PrivateAttr(Path())

    @model_validator(mode="after")
    def _every_scale(self) -> Self:
        if missing := [scale for scale in get_args(Scale) if scale not in self.hyperparameters]:
            raise ValueError(f"hyperparameters: none for scale {missing[0]!r}")
        return self

    @property
    def name(self) -> str:
        """Name of its file: in run folders."""
        return self._name

    @property
    def file(self) -> Path:
        """What it was read from."""
        return self._file

    def own(self, benchmark: str | None) -> Own:
        """What differs on the data sets of a benchmark."""
        return self.benchmarks.get(benchmark or "", Own())

    def layers(
        self, key: str, scale: Scale, benchmark: str | None, baselines: Baselines = "open_catalyst"
    ) -> list[Mapping[str, Any]]:
        """Its settings ``training``, ``graph``, …: in general, for a benchmark, in a set of baselines."""
        own = self.own(benchmark)
        chosen = [sizes for name, sizes in own.baselines.items() if name == baselines]
        found = [getattr(holder, key, {}) for holder in (self, own, *chosen)]
        return [by_scale.get(scale, {}) for by_scale in found]


def load_model(model: str | Path) -> Model:
    """Read a model by its name, an alias (``e2gnn``) or the path of its file.

    Raises:
        InputError: no such model, or a key or value of its file is wrong.
    """
    path = Path(model) if isinstance(model, Path) or model.endswith(".yaml") else find_model(model)
    checked_name(path.stem, f"{path}: name of the file")
    found = Model.load(path)
    found._name, found._file = path.stem, path
    return found


def model_names() -> dict[str, Path]:
    """Every model's name and alias → its file: the working directory's own, else the shipped one."""
    names: dict[str, Path] = {}
    for path in config_files("models").values():
        for name in [path.stem, *load_yaml(path).get("aliases", [])]:
            names[name] = path
    return names


def find_model(name: str) -> Path:
    """File of the model called ``name`` (or one of its aliases, such as ``e2gnn``)."""
    checked_name(name, "model")
    if file := config_files("models").get(name):
        return file
    names = model_names()
    if name not in names:
        raise InputError(f"unknown model {name!r}: config/models has {', '.join(sorted(names))}")
    return names[name]
