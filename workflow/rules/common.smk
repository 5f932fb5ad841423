# Helpers of all rules, and the only Python of the workflow. Nothing here imports torch.
import json
import sys
from functools import cache
from pathlib import Path
from types import SimpleNamespace

sys.path.insert(0, workflow.basedir)  # the library lies beside the Snakefile

from leignn.config.archive import Archives
from leignn.config.dataset import Archived, Downloaded, Files, Generated, load_dataset
from leignn.config.model import find_model, load_model
from leignn.config.result import load_results
from leignn.config.run import merged_simulation, resolve_run
from leignn.errors import InputError
from leignn.schemas import validate
from leignn.resources import config_file, config_files

RUN = "results/runs/{dataset}/{scale}/{model}/seed{seed}"
SIMULATION = f"{RUN}/md/start{{start}}"


def stop(error):
    """End with one sentence and exit code 2, as the commands do."""
    print(f"configuration: error: {error}", file=sys.stderr, flush=True)
    sys.exit(2)


DECLARATIONS = config_files("results")
try:
    RESULTS = load_results(DECLARATIONS.values())
except InputError as error:
    stop(error)
TABLES = [name for name, result in RESULTS.items() if result.table]
BUILT = [name for name in TABLES if RESULTS[name].table.built]
CLAIMED = [name for name in TABLES if name != "claims"]
FIGURES = [name for name, result in RESULTS.items() if result.figure]
SIMULATED = [name for name, result in RESULTS.items() if result.simulated]
WITH_RUNS = [name for name, result in RESULTS.items() if result.models]


def chosen(name, what):
    """The models or data sets of a result: the configuration's, else the declared."""
    result, scale = RESULTS[name], config["scale"]
    declared = {
        "models": result.models_at(scale),
        "datasets": result.datasets_at(scale),
    }
    return config.get(name, declared)[what]


def shown(path):
    """Mark a result's file for Snakemake's report: its declaration has category, title and caption."""
    result = RESULTS[Path(path).stem]
    return report(
        path,
        caption="../report/caption.rst",
        category=result.category,
        labels={"result": result.title},
    )


def declarations(names):
    return [str(DECLARATIONS[name]) for name in names]


def result_files():
    """Every table, every figure, and the page."""
    tables = expand("results/{name}.csv", name=TABLES)
    figures = expand("results/{name}.svg", name=FIGURES)
    return [*tables, *figures, "results/index.html"]


@cache
def dataset_of(name):
    return load_dataset(name)


def dataset_files(wildcards):
    """The data set's file, and the one with what it shares with others."""
    return dataset_of(wildcards.dataset).files


@cache
def model_file(name):
    return find_model(name)


def run_settings():
    """What the configuration says about every run, for `configure`."""
    return {key: config[key] for key in ("scale_training", "training")}


def check_table(table):
    """Raise InputError unless every run of the table can be configured."""
    for model in chosen(table, "models"):
        path = model_file(model)
        if path.stem != model:
            raise InputError(f"{table}: {model!r} is another name of {path.stem!r}")
        for name in chosen(table, "datasets"):
            resolve_run(name, path, config["scale"], 0, run_settings())


@cache
def model_of(name):
    try:
        return load_model(name)
    except InputError as error:
        stop(error)


def model_environment(wildcards):
    """Conda file of the model's packages."""
    return f"../envs/{model_of(wildcards.model).environment}.yaml"


def statistics_input(wildcards):
    """What the model takes from the training split, if anything."""
    if not model_of(wildcards.model).statistics:
        return []
    return f"{RUN}/statistics.json".format(**wildcards)


def part_of(wildcards):
    return dataset_of(wildcards.dataset).parts[wildcards.part].plain()


def archive_of(wildcards):
    return Archives.load_named(wildcards.archive, "config/archives.yaml").plain()


def split_rule(wildcards):
    return dataset_of(wildcards.dataset).splits.plain()


def standin_options():
    return " ".join(f"--{key} {value}" for key, value in config["standin"].items())


def raw_root(wildcards):
    """Folder that the parts' paths are relative to."""
    source = dataset_of(wildcards.dataset).source
    if isinstance(source, Files):
        return config["samples_dir"]
    if isinstance(source, Archived):
        return f"{DATA}/archives/{source.archive}"
    return f"{DATA}/raw/{wildcards.dataset}"


def raw_input(wildcards):
    """What a store is built from. A missing file of the user's is left to the command's own message."""
    dataset = dataset_of(wildcards.dataset)
    if isinstance(dataset.source, Generated):
        return f"{DATA}/raw/{wildcards.dataset}"
    if isinstance(dataset.source, Downloaded):
        return f"{DATA}/raw/{wildcards.dataset}/{wildcards.part}"
    if isinstance(dataset.source, Archived):
        return raw_root(wildcards)
    path = Path(raw_root(wildcards)) / dataset.parts[wildcards.part].path
    return str(path) if path.exists() else []


def stores_folder(wildcards):
    return f"{DATA}/stores/{dataset_of(wildcards.dataset).stores}"


def profiled(wildcards):
    """What `profile` reads: the first data set and all models of Table 1."""
    dataset = SimpleNamespace(dataset=chosen("table1", "datasets")[0])
    return {
        "dataset": dataset_of(dataset.dataset).files[0],
        "models": expand(
            "config/models/{model}.yaml", model=chosen("table1", "models")
        ),
        "stores": stores_input(dataset),
        "splits": f"{DATA}/splits/{dataset.dataset}",
    }


def profiled_stores(wildcards):
    return stores_folder(SimpleNamespace(dataset=chosen("table1", "datasets")[0]))


def stores_input(wildcards):
    return expand(
        "{folder}/{part}",
        folder=stores_folder(wildcards),
        part=dataset_of(wildcards.dataset).parts,
    )


def run_folders(tables):
    """Folders of all runs that the tables show, each once."""
    folders = []
    for table in tables:
        folders += expand(
            RUN,
            dataset=chosen(table, "datasets"),
            model=chosen(table, "models"),
            scale=config["scale"],
            seed=config["seeds"],
        )
    return list(dict.fromkeys(folders))


def run_files(tables, name):
    return expand("{folder}/{name}", folder=run_folders(tables), name=name)


def simulation_files(tables, name):
    """Files of all simulations of the tables' runs."""
    return expand(
        "{folder}/md/start{start}/{name}",
        folder=run_folders(tables),
        start=range(config["simulation"]["starts"]),
        name=name,
    )


def references_of(tables):
    """Observables of the reference trajectory of every data set of the tables."""
    datasets = dict.fromkeys(
        name for table in tables for name in chosen(table, "datasets")
    )
    return expand("{data}/references/{dataset}.npz", data=DATA, dataset=datasets)


def simulation_arguments(wildcards):
    settings = config["simulation"]["settings"]
    found = merged_simulation(
        dataset_of(wildcards.dataset),
        model_of(wildcards.model),
        wildcards.scale,
        settings,
        {},
    )
    return " ".join(f"--{key} {value}" for key, value in found.plain().items())


def drawn_dataset():
    """The data set whose LEIGNN Figures 1 to 3 show."""
    return chosen("table1", "datasets")[0]


def drawn_stores(wildcards):
    return f"{DATA}/stores/{dataset_of(drawn_dataset()).stores}"


def drawn_split(wildcards):
    return dataset_of(drawn_dataset()).test_splits[0]


def drawn(wildcards):
    """The trained run and the data that Figures 1 to 3 show."""
    name, seed = drawn_dataset(), config["seeds"][0]
    run = RUN.format(dataset=name, scale=config["scale"], model="leignn", seed=seed)
    parts = dataset_of(name).parts
    return {
        "checkpoint": f"{run}/checkpoint.pt",
        "stores": [f"{drawn_stores(wildcards)}/{part}" for part in parts],
        "splits": f"{DATA}/splits/{name}",
    }


def first_test_split(wildcards):
    return dataset_of(wildcards.dataset).test_splits[0]


def limitation_files(experiment):
    """What was measured of each run whose limitation it is."""
    return expand(
        f"{RUN}/limitations/{experiment}.csv",
        dataset=drawn_dataset(),
        model=config["limitations"][experiment],
        scale=config["scale"],
        seed=config["seeds"],
    )


def table_declaration(wildcards):
    return declarations([wildcards.table])


def table_published(wildcards):
    return config_file(f"published/{wildcards.table}.csv")


def table_metrics(wildcards):
    return run_files([wildcards.table], "metrics.json")


def table_observables(wildcards):
    """Of the simulations, where the table has any."""
    if wildcards.table not in SIMULATED:
        return []
    return simulation_files([wildcards.table], "observables.json")


def table_category(wildcards):
    return RESULTS[wildcards.table].category


def table_title(wildcards):
    return {"result": RESULTS[wildcards.table].title}


try:
    validate(config, "config", "configuration")
    for table in WITH_RUNS:
        check_table(table)
    for table in SIMULATED:
        for name in chosen(table, "datasets"):
            dataset_of(name).dynamics
    for experiment in ["drift", "separation"]:
        for model in config["limitations"][experiment]:
            model_file(model)
except InputError as error:
    stop(error)

DATA = config["data_dir"]
# For workflow/report/caption.rst. As parameters, a changed caption would run a measurement anew.
config["captions"] = {name: result.caption for name, result in RESULTS.items()}


wildcard_constraints:
    dataset="[A-Za-z0-9_]+",
    part="[A-Za-z0-9_]+",
    model="[A-Za-z0-9_]+",
    scale="[a-z]+",
    seed=r"\d+",
    start=r"\d+",
    purpose="simulation|limitations",
    table="|".join(BUILT),
    archive="[a-z0-9_]+",
