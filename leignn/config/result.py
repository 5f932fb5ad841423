"""What a table or figure shows: ``config/results/<name>.yaml``, read by rules, tables, page and claims."""

from pathlib import Path
from typing import Literal, Self

from pydantic import PositiveInt, model_validator

from leignn.config.base import Strict, load_yaml
from leignn.config.names import Name, checked_name

Kind = Literal["number", "whole", "text", "boolean"]  # of values in a CSV
DEFAULT = "default"  # the key that holds for every scale which has none of its own


class Column(Strict):
    """A column of a table; the key it stands under is its name in the CSV."""

    title: str = ""
    """Heading where people read it; without one, the column's name."""
    unit: str = ""
    """Of its numbers, as printed."""
    metric: str = ""
    """Read from the runs: a function of leignn/evaluation/metrics.py, a key in ``metrics.json``."""
    observable: str = ""
    """Read from the simulations: a key of ``observables.json``, ``outcome.<key>`` one of its outcome."""
    best: Literal["lowest", "highest"] | None = None
    """Which values are better: ranks are given, best and second best marked."""
    decimals: int | None = None
    """Printed; four significant digits without."""
    whole_from: float | None = None
    """Numbers from this one on are printed without decimals."""
    remark: str = ""
    """Words that follow the unit below the table."""
    counts: str = ""
    """What the column counts: its largest value stands below the table."""
    shown: Literal["everywhere", "page", "csv"] = "everywhere"
    """Everywhere (CSV, Markdown, LaTeX, page) beside the published; on page and in CSV; in the CSV only."""
    type: Kind = "number"
    """Of the values in the CSV, for a column that a command of its own writes."""
    values: list[str] = []
    """All texts that may stand there, where they are few."""
    optional: bool = False
    """Whether the CSV may lack it."""


class Improvement(Strict):
    """A last row: by how many percent of the other's error a model's is smaller."""

    model: str
    """Title of the better one."""
    over: str
    """Title of the other."""


class Table(Strict):
    """Rows are models. A table whose columns read metrics or observables is built by `build-table`, beside
    the published values in ``config/published/<name>.csv``; others have a command of their own."""

    columns: dict[str, Column]
    """By name, in order. With ``groups`` the CSV has each of them once a group: ``<group>_<name>``."""
    groups: dict[str, str] = {}
    """Groups of columns and their titles: the test splits of one data set, or ``members``."""
    members: bool = False
    """The groups are members of a family: data sets with the same ``published_as``, one test split each."""
    split: str = ""
    """Test split of a table without ``groups``; not needed where a run has only one."""
    published_for: str = ""
    """Data set of the published rows that stand beside data which compare with none."""
    trivial: bool = False
    """The first row is that of the trivial predictor, run or not."""
    improvement: Improvement | None = None
    rank_correlation: bool = False
    """Below are the ranks of the models, measured and published, and Spearman's correlation of them."""
    label: str = "model"
    """The column that names the rows."""
    sections: list[str] = ["dataset", "scale"]
    """Columns that part it into several tables on the page, and into several measurements for claims."""

    @model_validator(mode="after")
    def _reads_from_runs_or_not(self) -> Self:
        if len({bool(column.metric or column.observable) for column in self.columns.values()}) > 1:
            raise ValueError("columns: some read a metric or an observable, others neither")
        for name, column in self.columns.items():
            if column.metric and column.observable:
                raise ValueError(f"columns.{name}: reads a metric and an observable")
        if self.built and not self.published_for:
            raise ValueError("published_for is missing: whose published values stand beside stand-in data?")
        if self.members and not self.groups:
            raise ValueError("members without groups: which are they?")
        if self.groups and self.simulated:
            raise ValueError("groups: simulations have no test splits to part observables by")
        return self

    @property
    def built(self) -> bool:
        """Whether `build-table` makes it, from runs and simulations."""
        return any(column.metric or column.observable for column in self.columns.values())

    @property
    def simulated(self) -> bool:
        """Whether it needs the simulations of its runs."""
        return any(column.observable for column in self.columns.values())


class Result(Strict):
    """One table, figure or both: ``results/<name>.csv``, ``results/<name>.svg``."""

    title: str
    """Heading on the page."""
    caption: str
    """What it shows, in a paragraph."""
    order: int
    """Results stand on the page by this number."""
    category: str
    """Its heading in Snakemake's report."""
    table: Table | None = None
    figure: bool = False
    """Whether there is a figure."""
    simulations: bool = False
    """Whether a figure needs simulations of its runs; of a table its columns say it."""
    models: dict[str, list[Name]] = {}
    """Names of files in ``config/models``, by scale or ``default``."""
    datasets: dict[str, list[Name]] = {}
    """Names of data sets, likewise; a result without any shows what is published."""
    models_on: dict[str, list[Name]] = {}
    """Models on a data set that only some of them are run on, at every scale."""
    on_request: dict[str, list[Name]] = {}
    """Data sets, likewise, that are run only where the configuration's ``also`` names the result."""
    seeds: dict[str, dict[str, PositiveInt]] = {}
    """How many seeds, by scale or ``default``, then by model or ``default``; one without. The configuration's
    ``seeds`` stand in place of them."""
    experiments: dict[str, dict[str, list[Name]]] = {}
    """Where a table joins several measurements: the models of each, likewise."""

    def models_at(self, scale: str) -> list[str]:
        """Models of its rows at a scale."""
        return self.models.get(scale, self.models.get(DEFAULT, []))

    def runs_at(self, scale: str) -> list[tuple[str, str]]:
        """Data set and model of each of its runs at a scale."""
        models = self.models_at(scale)
        return [
            (dataset, model)
            for dataset in self.datasets_at(scale)
            for model in models
            if model in self.models_on.get(dataset, models)
        ]

    def seeds_at(self, scale: str, model: str) -> int:
        """How many seeds of a model at a scale."""
        counts = self.seeds.get(scale, self.seeds.get(DEFAULT, {}))
        return counts.get(model, counts.get(DEFAULT, 1))

    def measured_at(self, scale: str, experiment: str) -> list[str]:
        """Models of one of its measurements at a scale."""
        models = self.experiments[experiment]
        return models.get(scale, models.get(DEFAULT, []))

    def datasets_at(self, scale: str) -> list[str]:
        """Data sets that its runs are trained on at a scale."""
        return self.datasets.get(scale, self.datasets.get(DEFAULT, []))

    @property
    def simulated(self) -> bool:
        """Whether table or figure needs simulations of its runs."""
        return self.simulations or (self.table is not None and self.table.simulated)

    @property
    def short_title(self) -> str:
        """``Table 1`` of "Table 1. Energies and forces"."""
        return self.title.split(". ")[0]


def load_results(files: list[Path]) -> dict[str, Result]:
    """Every declaration by the name of its file, in the page's order.

    Raises:
        InputError: a file cannot be read, or has an unknown key or a value that does not fit.
    """
    found = {
        checked_name(path.stem, f"{path}: name of the file"): Result.checked(load_yaml(path), path)
        for path in map(Path, files)
    }
    return dict(sorted(found.items(), key=lambda item: (item[1].order, item[0])))
