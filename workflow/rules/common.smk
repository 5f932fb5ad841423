# Helpers of all rules, and the only Python of the workflow. Nothing here imports torch.
import json
import sys
from functools import cache
from pathlib import Path
from types import SimpleNamespace

sys.path.insert(0, workflow.basedir)  # the library lies beside the Snakefile

from leignn.config import load_validated, validate
from leignn.configure import find_model, resolve_run
from leignn.data.dataset_config import base_files, load_dataset, stores_of, test_splits
from leignn.errors import InputError
from leignn.md.protocol import analysis_of, as_arguments, simulation_of

TABLES = ["table1", "table2", "oc20_50k", "md17", "iso17"]
MD_TABLES = ["table3", "figure5"]
CLAIMED = [
    *TABLES,
    "table3",
    "complexity",
    "limitations",
    "symmetry",
]  # what the paper's claims are held against
FIGURES = [
    "figure1",
    "figure2",
    "figure3",
    "complexity",
    "figure5",
    "dynamics",
    "limitations",
    "learning_curves",
]
RUN = "results/runs/{dataset}/{scale}/{model}/seed{seed}"
SIMULATION = f"{RUN}/md/start{{start}}"


def stop(error):
    """End with one sentence and exit code 2, as the commands do."""
    print(f"configuration: error: {error}", file=sys.stderr, flush=True)
    sys.exit(2)


def dataset_file(name):
    return Path("config/datasets") / f"{name}.yaml"


@cache
def dataset_of(name):
    return load_dataset(dataset_file(name))


@cache
def model_file(name):
    return find_model(name)


def dataset_base(wildcards):
    """The file with what the data set shares with others."""
    return base_files(dataset_file(wildcards.dataset))


def run_settings():
    """What the configuration says about every run, for `configure`."""
    return {key: config[key] for key in ("scale_training", "training")}


def check_table(table):
    """Raise InputError unless every run of the table can be configured."""
    for model in config[table]["models"]:
        path = model_file(model)
        if path.stem != model:
            raise InputError(f"{table}: {model!r} is another name of {path.stem!r}")
        for name in config[table]["datasets"]:
            resolve_run(dataset_file(name), path, config["scale"], 0, run_settings())


@cache
def model_of(name):
    try:
        return load_validated(model_file(name), "model")
    except InputError as error:
        stop(error)


def model_environment(wildcards):
    """Conda file of the model's packages."""
    return f"../envs/{model_of(wildcards.model).get('environment', 'torch')}.yaml"


def statistics_input(wildcards):
    """What the model takes from the training split, if anything."""
    if not model_of(wildcards.model).get("statistics"):
        return []
    return f"{RUN}/statistics.json".format(**wildcards)


def part_of(wildcards):
    return dataset_of(wildcards.dataset)["parts"][wildcards.part]


def archive_of(wildcards):
    return load_validated("config/archives.yaml", "archives")[wildcards.archive]


def split_rule(wildcards):
    return dataset_of(wildcards.dataset)["splits"]


def standin_options():
    return " ".join(f"--{key} {value}" for key, value in config["standin"].items())


def raw_root(wildcards):
    """Folder that the parts' paths are relative to."""
    source = dataset_of(wildcards.dataset)["source"]
    if "files" in source:
        return config["samples_dir"]
    if "archive" in source:
        return f"{DATA}/archives/{source['archive']}"
    return f"{DATA}/raw/{wildcards.dataset}"


def raw_input(wildcards):
    """What a store is built from. A missing file of the user's is left to the command's own message."""
    dataset = dataset_of(wildcards.dataset)
    if "generate" in dataset["source"]:
        return f"{DATA}/raw/{wildcards.dataset}"
    if "download" in dataset["source"]:
        return f"{DATA}/raw/{wildcards.dataset}/{wildcards.part}"
    if "archive" in dataset["source"]:
        return raw_root(wildcards)
    path = Path(raw_root(wildcards)) / dataset["parts"][wildcards.part]["path"]
    return str(path) if path.exists() else []


def stores_folder(wildcards):
    return f"{DATA}/stores/{stores_of(dataset_of(wildcards.dataset))}"


def profiled(wildcards):
    """What `profile` reads: the first data set and all models of Table 1."""
    dataset = SimpleNamespace(dataset=config["table1"]["datasets"][0])
    return {
        "dataset": dataset_file(dataset.dataset),
        "models": expand(
            "config/models/{model}.yaml", model=config["table1"]["models"]
        ),
        "stores": stores_input(dataset),
        "splits": f"{DATA}/splits/{dataset.dataset}",
    }


def profiled_stores(wildcards):
    return stores_folder(SimpleNamespace(dataset=config["table1"]["datasets"][0]))


def stores_input(wildcards):
    return expand(
        "{folder}/{part}",
        folder=stores_folder(wildcards),
        part=dataset_of(wildcards.dataset)["parts"],
    )


def run_folders(tables):
    """Folders of all runs that the tables show, each once."""
    folders = []
    for table in tables:
        folders += expand(
            RUN,
            dataset=config[table]["datasets"],
            model=config[table]["models"],
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


def references_of(*tables):
    """Observables of the reference trajectory of every data set of the tables."""
    datasets = dict.fromkeys(
        name for table in tables for name in config[table]["datasets"]
    )
    return expand("{data}/references/{dataset}.npz", data=DATA, dataset=datasets)


def simulation_arguments(wildcards):
    settings = config["simulation"]["settings"]
    dataset = dataset_of(wildcards.dataset)
    return as_arguments(
        simulation_of(dataset, model_of(wildcards.model), wildcards.scale, settings)
    )


def drawn_dataset():
    """The data set whose LEIGNN Figures 1 to 3 show."""
    return config["table1"]["datasets"][0]


def drawn_stores(wildcards):
    return f"{DATA}/stores/{stores_of(dataset_of(drawn_dataset()))}"


def drawn_split(wildcards):
    return test_splits(dataset_of(drawn_dataset()))[0]


def drawn(wildcards):
    """The trained run and the data that Figures 1 to 3 show."""
    name, seed = drawn_dataset(), config["seeds"][0]
    run = RUN.format(dataset=name, scale=config["scale"], model="leignn", seed=seed)
    parts = dataset_of(name)["parts"]
    return {
        "checkpoint": f"{run}/checkpoint.pt",
        "stores": [f"{drawn_stores(wildcards)}/{part}" for part in parts],
        "splits": f"{DATA}/splits/{name}",
    }


def first_test_split(wildcards):
    return test_splits(dataset_of(wildcards.dataset))[0]


def limitation_files(experiment):
    """What was measured of each run whose limitation it is."""
    return expand(
        f"{RUN}/limitations/{experiment}.csv",
        dataset=drawn_dataset(),
        model=config["limitations"][experiment],
        scale=config["scale"],
        seed=config["seeds"],
    )


def table_caption(wildcards):
    """The words of workflow/report: a report's caption file has no wildcards in its name."""
    return Path(f"workflow/report/{wildcards.table}.rst").read_text()


def table_metrics(wildcards):
    return run_files([wildcards.table], "metrics.json")


try:
    validate(config, "config", "configuration")
    for table in TABLES + MD_TABLES:
        check_table(table)
    for table in MD_TABLES:
        for name in config[table]["datasets"]:
            analysis_of(dataset_of(name))
    for experiment in ["drift", "separation"]:
        for model in config["limitations"][experiment]:
            model_file(model)
except InputError as error:
    stop(error)

DATA = config["data_dir"]


wildcard_constraints:
    dataset="[A-Za-z0-9_]+",
    part="[A-Za-z0-9_]+",
    model="[A-Za-z0-9_]+",
    scale="[a-z]+",
    seed=r"\d+",
    start=r"\d+",
    purpose="simulation|limitations",
    table="|".join(TABLES),
    archive="[a-z0-9_]+",
