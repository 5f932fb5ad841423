"""From configuration and declarations to runs, files, and the inputs and arguments of the workflow's rules.

Pure: reads YAML, looks at which of the user's files exist, and imports neither torch nor pandas.
"""

import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from functools import cache, cached_property
from pathlib import Path
from typing import Any, get_args

from leignn.cli import commands
from leignn.config.archive import Archive, Archives
from leignn.config.base import Scale
from leignn.config.dataset import (
    Archived,
    Dataset,
    Downloaded,
    Files,
    Generated,
    Part,
    RowsPart,
    load_dataset,
)
from leignn.config.model import Model, load_model
from leignn.config.names import checked_name
from leignn.config.result import Result, load_results
from leignn.config.run import RunSettings, merged_run, merged_simulation
from leignn.config.splits import ByManifest
from leignn.config.workflow import Configuration, chosen_results, load_configuration
from leignn.errors import InputError
from leignn.identity import fingerprint
from leignn.resources import config_file, config_files

CLAIMS = "claims"  # the result that holds the paper's claims against all other tables
BEYOND = "beyond"  # the result that compares models on one data set of each kind
DRAWN = "table1"  # the result whose first data set is drawn, profiled, and where limitations are measured
DRAWN_MODEL = "leignn"
PROFILED = ("batch_size", "seconds", "longest")  # of the configuration's `profile`


@dataclass(frozen=True)
class Plan:
    """What the workflow does, for one configuration.

    Attributes:
        configuration: of the workflow.
        results: by name, in the page's order; models and data sets are those of the scale, or the user's.
    """

    configuration: Configuration
    results: dict[str, Result]
    _datasets: dict[str, Dataset] = field(default_factory=dict)
    _models: dict[str, Model] = field(default_factory=dict)

    @classmethod
    def of(cls, user: Mapping[str, Any]) -> "Plan":
        """The plan of a user's configuration (see :func:`leignn.config.workflow.load_configuration`).

        Raises:
            InputError: something in it, or in a file that it names, is wrong.
        """
        configuration = load_configuration(user)
        plan = cls(
            configuration, chosen_results(load_results(list(config_files("results").values())), configuration)
        )
        plan.check()
        return plan

    def check(self) -> None:
        """Raise :class:`InputError` unless every run and every simulation can be configured."""
        shown, settings = self.configuration, self.run_settings
        for name in shown.sizes:
            self.model(name)
        for name, result in self.results.items():
            for model in self.models_of(name):
                self.model(model)
            for dataset, model in result.runs_at(shown.scale):
                merged_run(self.dataset(dataset), self.model(model), shown.scale, 0, settings)
                if result.simulated:
                    self.simulation_arguments(dataset, model, shown.scale)
            for experiment in result.experiments:
                for measured in result.measured_at(shown.scale, experiment):
                    self.model(measured)

    # Results

    @cached_property
    def folder(self) -> str:
        """Where results lie: ``results`` or ``results/<run>``."""
        return str(Path("results") / self.configuration.run)

    @cached_property
    def logs(self) -> str:
        """Where logs lie, likewise."""
        return str(Path("logs") / self.configuration.run)

    @cached_property
    def tables(self) -> list[str]:
        """Results with a table."""
        return [name for name, result in self.results.items() if result.table]

    @cached_property
    def built(self) -> list[str]:
        """Tables that are built from runs and simulations."""
        return [name for name, result in self.results.items() if result.table and result.table.built]

    @cached_property
    def claimed(self) -> list[str]:
        """Tables against which claims are held."""
        return [name for name in self.tables if name != CLAIMS]

    @cached_property
    def figures(self) -> list[str]:
        """Results with a figure."""
        return [name for name, result in self.results.items() if result.figure]

    @cached_property
    def simulated(self) -> list[str]:
        """Results that need simulations."""
        return [name for name, result in self.results.items() if result.simulated]

    @cached_property
    def with_runs(self) -> list[str]:
        """Results that show runs."""
        return [name for name, result in self.results.items() if result.models]

    @property
    def targets(self) -> list[str]:
        """Every table, every figure, and the page."""
        tables = [f"{self.folder}/{name}.csv" for name in self.tables]
        return [*tables, *(f"{self.folder}/{name}.svg" for name in self.figures), f"{self.folder}/index.html"]

    @cached_property
    def rows(self) -> dict[str, list[str]]:
        """All these files, by what can be asked for alone: a table, the figures, the page."""
        files, rest = {}, list(self.targets)
        for name in self.built:
            files[name] = [file for file in rest if Path(file).stem == name]
            rest = [file for file in rest if file not in files[name]]
        page = [file for file in rest if Path(file).stem in ("index", CLAIMS, "learning_curves")]
        return files | {"figures": [file for file in rest if file not in page], "page": page}

    def models_of(self, name: str) -> list[str]:
        """Models of a result's rows."""
        return self.results[name].models_at(self.configuration.scale)

    def datasets_of(self, name: str) -> list[str]:
        """Data sets that a result's runs are trained on."""
        return self.results[name].datasets_at(self.configuration.scale)

    def declarations(self, names: Iterable[str]) -> list[str]:
        """Files of results."""
        files = config_files("results")
        return [str(files[name]) for name in names]

    # Runs

    @cached_property
    def run(self) -> str:
        """Pattern of a run's folder."""
        return self.folder + "/runs/{dataset}/{scale}/{model}/seed{seed}"

    @cached_property
    def run_settings(self) -> RunSettings:
        """What the configuration says about every run."""
        shown = self.configuration
        return RunSettings(**{key: getattr(shown, key) for key in RunSettings.model_fields})

    @property
    def settings_argument(self) -> str:
        """:attr:`run_settings` as the argument ``--settings``."""
        return json.dumps(self.run_settings.model_dump())

    def resolved(self, dataset: str, model: str, scale: Scale, seed: int) -> str:
        """What a run's ``config.yaml`` says, in one line.

        Raises:
            InputError: it cannot be configured, or it is of another scale, whose settings would be missing.
        """
        if scale != self.configuration.scale:
            raise InputError(
                f"a run of scale {scale!r} needs --config scale={scale}: "
                f"the configuration's is {self.configuration.scale!r}"
                if scale in get_args(Scale)
                else f"scale: {scale!r} is none of {', '.join(get_args(Scale))}"
            )
        run = merged_run(self.dataset(dataset), self.model(model), scale, seed, self.run_settings)
        return json.dumps(run.plain(), sort_keys=True)

    def steps(self, dataset: str, model: str) -> int:
        """Of the training of such a run, at most."""
        scale, settings = self.configuration.scale, self.run_settings
        return merged_run(self.dataset(dataset), self.model(model), scale, 0, settings).training.max_steps

    @staticmethod
    @cache
    def _module(command: str) -> str:
        return commands()[command][0]

    def code(self, command: str, *models: str) -> str:
        """Fingerprint of the code behind a command and the models that it works with."""
        potentials = {self.model(name).potential.partition(":")[0] for name in models}
        return fingerprint(self._module(command), *sorted(potentials))

    @property
    def device(self) -> str:
        """Where models are trained and run; the GPU that a job asks for has to be there."""
        return "cuda" if self.configuration.gpu else "auto"

    def seeds(self, model: str, result: str = "") -> list[int]:
        """Seeds of a model's runs: the configuration's, else those that a result declares, else the first."""
        if self.configuration.seeds:
            return self.configuration.seeds
        declared = self.results[result].seeds_at(self.configuration.scale, model) if result else 1
        return list(range(declared))

    def runs(self, datasets: Iterable[str], models: Iterable[str], result: str = "") -> list[str]:
        """Folders of the runs of every model on every data set, for every seed (see :meth:`seeds`)."""
        scale, models = self.configuration.scale, list(models)
        return [
            self.run.format(dataset=dataset, scale=scale, model=model, seed=seed)
            for dataset in datasets
            for model in models
            for seed in self.seeds(model, result)
        ]

    def run_folders(self, names: Iterable[str]) -> list[str]:
        """Folders of all runs that the results show, each once."""
        found = [
            folder
            for name in names
            for dataset, model in self.results[name].runs_at(self.configuration.scale)
            for folder in self.runs([dataset], [model], name)
        ]
        return list(dict.fromkeys(found))

    def run_files(self, names: Iterable[str], file: str) -> list[str]:
        """A file of all these runs."""
        return [f"{folder}/{file}" for folder in self.run_folders(names)]

    def simulation_files(self, names: Iterable[str], file: str) -> list[str]:
        """A file of all simulations of these runs."""
        starts = range(self.configuration.simulation.starts)
        return [f"{folder}/md/start{n}/{file}" for folder in self.run_folders(names) for n in starts]

    def simulation_arguments(self, dataset: str, model: str, scale: Scale) -> list[str]:
        """Arguments of ``simulate`` that say the protocol."""
        shown = self.configuration.simulation
        found = merged_simulation(
            self.dataset(dataset), self.model(model), scale, shown.scale_settings, shown.settings
        )
        arguments = {f"--{key.replace('_', '-')}": str(value) for key, value in found.plain().items()}
        return [word for argument in arguments.items() for word in argument]

    def references(self, names: Iterable[str]) -> list[str]:
        """Observables of the reference trajectory of every data set of the results."""
        datasets = dict.fromkeys(dataset for name in names for dataset in self.datasets_of(name))
        return [f"{self.configuration.data_dir}/references/{dataset}.npz" for dataset in datasets]

    def limitation_files(self, experiment: str) -> list[str]:
        """What was measured of each run whose limitation it is, ``drift`` or ``separation``."""
        models = self.results["limitations"].measured_at(self.configuration.scale, experiment)
        return [f"{run}/limitations/{experiment}.csv" for run in self.runs([self.drawn_dataset], models)]

    @cached_property
    def compared(self) -> tuple[str, str]:
        """The data sets on which :data:`BEYOND` compares models: structures with adsorbates, a trajectory."""
        found = self.datasets_of(BEYOND)
        if len(found) != 2:
            raise InputError(f"configuration: results.{BEYOND}.datasets: {found} are not two")
        return found[0], found[1]

    @property
    def compared_limitations(self) -> list[str]:
        """Both limitations of all runs that :data:`BEYOND` compares on the first of its data sets."""
        runs = self.runs(self.compared[:1], self.models_of(BEYOND), BEYOND)
        return [
            f"{run}/limitations/{experiment}.csv" for run in runs for experiment in ("drift", "separation")
        ]

    @property
    def compared_models(self) -> list[str]:
        """Folder of the first of these runs of each model."""
        return [self.runs(self.compared[:1], [model], BEYOND)[0] for model in self.models_of(BEYOND)]

    @property
    def compared_arguments(self) -> list[str]:
        """The compared data sets, each with its first test split."""
        kinds = zip(("--oc20", "--md"), self.compared, strict=True)
        return [word for kind, name in kinds for word in (kind, name, self.dataset(name).test_splits[0])]

    @property
    def drawn_dataset(self) -> str:
        """The data set that is drawn and profiled, and where limitations are measured."""
        found = self.datasets_of(DRAWN)
        if not found:
            raise InputError(f"configuration: results.{DRAWN}.datasets: figures need one")
        return found[0]

    @property
    def drawn_run(self) -> str:
        """Folder of the run whose model is drawn."""
        return self.runs([self.drawn_dataset], [DRAWN_MODEL])[0]

    @property
    def profile_arguments(self) -> list[str]:
        """Arguments of ``profile`` that say what is measured, and for how long."""
        shown = self.configuration.profile
        lists = ["--scales", *shown.sizes, "--left-out", *shown.left_out, "--baselines", *shown.baselines]
        return [*lists, *(f"--{key.replace('_', '-')}={getattr(shown, key)}" for key in PROFILED)]

    # Data sets and models

    def dataset(self, name: str) -> Dataset:
        """A data set, read once."""
        if name not in self._datasets:
            self._datasets[name] = load_dataset(name)
        return self._datasets[name]

    def model(self, name: str) -> Model:
        """A model, read once; an alias is an error, since it would be a second folder for the same runs."""
        if name not in self._models:
            found = load_model(name)
            if found.name != name:
                raise InputError(f"configuration: {name!r} is another name of the model {found.name!r}")
            self._models[name] = found
        return self._models[name]

    @cached_property
    def archives_file(self) -> Path:
        """The file with what is downloaded."""
        return config_file("archives.yaml")

    def archive(self, name: str) -> Archive:
        """What is downloaded under this name."""
        return Archives.load_named(name, self.archives_file)

    def raw_root(self, dataset: str) -> str:
        """Folder that the parts' paths are relative to."""
        source = self.dataset(dataset).source
        if isinstance(source, Files):
            return self.configuration.samples_dir
        if isinstance(source, Archived):
            return f"{self.configuration.data_dir}/archives/{source.archive}"
        return f"{self.configuration.data_dir}/raw/{dataset}"

    def raw_input(self, dataset: str, part: str) -> list[str]:
        """What a store is built from. A missing file of the user's is left to the command's own message."""
        found, root = self.dataset(dataset), self.raw_root(dataset)
        given = self.part(dataset, part)
        if isinstance(found.source, Generated | Archived):
            return [root]
        if isinstance(found.source, Downloaded):
            return [f"{root}/{part}"]
        path = Path(root) / given.path
        files = sorted(file for file in path.rglob("*") if file.is_file()) if path.is_dir() else [path]
        if isinstance(given, RowsPart) and given.frames:
            files.append(path.with_name(given.frames))
        return [str(file) for file in files if file.exists()]

    def manifest_input(self, dataset: str) -> list[str]:
        """The user's own split, if it is one; a missing file is likewise left to the command."""
        rule = self.dataset(dataset).splits
        return [rule.path] if isinstance(rule, ByManifest) and Path(rule.path).exists() else []

    def stores_folder(self, dataset: str) -> str:
        """Folder with the stores that a data set reads."""
        return f"{self.configuration.data_dir}/stores/{self.dataset(dataset).stores}"

    def part(self, dataset: str, part: str) -> Part:
        """One of its parts.

        Raises:
            InputError: it has none of this name.
        """
        parts = self.dataset(dataset).parts
        if part not in parts:
            checked_name(part, "part")
            raise InputError(f"data set {dataset!r} has no part {part!r}: {', '.join(parts)}")
        return parts[part]

    def stores(self, dataset: str) -> list[str]:
        """The store of each of its parts."""
        return [f"{self.stores_folder(dataset)}/{part}" for part in self.dataset(dataset).parts]

    def splits(self, dataset: str) -> str:
        """Folder with its split manifests."""
        return f"{self.configuration.data_dir}/splits/{dataset}"
