# Helpers of all rules, and the only Python of the workflow. Nothing here imports torch.
import json
import sys
from functools import cache
from pathlib import Path

sys.path.insert(0, workflow.basedir)  # the library lies beside the Snakefile

from leignn.config import load_validated, validate
from leignn.configure import find_model, resolve_run
from leignn.data.dataset_config import base_files, load_dataset, stores_of, test_splits
from leignn.errors import InputError

TABLES = ["table1", "table2", "oc20_50k", "md17", "iso17"]
RUN = "results/runs/{dataset}/{scale}/{model}/seed{seed}"


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


def table_metrics(wildcards):
    return run_files([wildcards.table], "metrics.json")


try:
    validate(config, "config", "configuration")
    for table in TABLES:
        check_table(table)
except InputError as error:
    stop(error)

DATA = config["data_dir"]


wildcard_constraints:
    dataset="[A-Za-z0-9_]+",
    part="[A-Za-z0-9_]+",
    model="[A-Za-z0-9_]+",
    scale="[a-z]+",
    seed=r"\d+",
    table="|".join(TABLES),
    archive="[a-z0-9_]+",
