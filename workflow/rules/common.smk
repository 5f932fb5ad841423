# What all rules share: the plan (leignn/plan.py), and thin functions of wildcards. Nothing imports torch.
import functools
import gc
import json
import shlex
import sys
from contextlib import contextmanager
from pathlib import Path

# The library lies beside the workflow, wherever that is run: here and in its jobs.
LIBRARY = str(Path(str(workflow.current_basedir)).parents[1])
sys.path.insert(0, LIBRARY)
FIRST = shlex.quote(LIBRARY).replace("{", "{{").replace("}", "}}")
shell.prefix(f"export PYTHONPATH={FIRST}${{{{PYTHONPATH:+:$PYTHONPATH}}}}; ")

from leignn.errors import InputError
from leignn.plan import DRAWN_MODEL, Plan
from leignn.resources import config_file

gc.freeze()  # nothing of what has been imported is garbage, to be found again and again

# snakemake-storage-plugin-s3 0.3.6 remembers that a folder is not there, also after another machine made it.
if s3 := sys.modules.get("snakemake_storage_plugin_s3"):
    s3.StorageObject.is_dir = lambda this: any(this.get_subkeys())


@contextmanager
def in_one_sentence():
    """End with one sentence and exit code 2 on bad input, as the commands do."""
    try:
        yield
    except InputError as error:
        print(f"error: {error}", file=sys.stderr, flush=True)
        sys.exit(2)


class Told:
    """The plan as the rules ask it: a target that it does not know ends in one sentence, too."""

    def __init__(self, plan):
        self._plan = plan

    def __getattr__(self, name):
        with in_one_sentence():
            found = getattr(self._plan, name)
        if not callable(found):
            return found

        @functools.wraps(found)
        def method(*arguments):
            with in_one_sentence():
                return found(*arguments)

        return method


GIVEN = json.dumps(config)  # before it is added to

with in_one_sentence():
    PLAN = Told(Plan.of(config))

SETTINGS = PLAN.configuration.model_dump()
DATA, RESULTS, LOGS = SETTINGS["data_dir"], PLAN.folder, PLAN.logs
BENCHMARKS = f"{LOGS}/benchmarks"
FIRST_OF_ALL = 10**6  # priority of what everything else waits for
RUN = PLAN.run
SIMULATION = f"{RUN}/md/start{{start}}"
# For the captions in workflow/report. As parameters, a changed caption would run a measurement anew.
config["scale"] = SETTINGS["scale"]
config["captions"] = {name: result.caption for name, result in PLAN.results.items()}


def shown(path):
    """Mark a result's file for Snakemake's report: its declaration has category, title and caption."""
    result = PLAN.results[Path(path).stem]
    return report(
        path,
        caption="../report/caption.rst",
        category=result.category,
        labels={"result": result.title},
    )


def code_of(command):
    """Fingerprint of the code behind a command and the run's model: what an edit touches is made anew."""

    def fingerprint(wildcards):
        return PLAN.code(command, wildcards.model)

    return fingerprint


def dataset_files(wildcards):
    """The data set's file, and the one with what it shares with others."""
    return [local(file) for file in PLAN.dataset(wildcards.dataset).files]


def resolved_run(wildcards):
    """All that a run depends on, from data set, model and settings."""
    return PLAN.resolved(
        wildcards.dataset, wildcards.model, wildcards.scale, int(wildcards.seed)
    )


def by_length(wildcards):
    """Priority of a training: those of most steps first; short jobs then fill the gaps at the end."""
    return PLAN.steps(wildcards.dataset, wildcards.model)


def model_file(wildcards):
    resolved_run(wildcards)  # a run that cannot be configured is told at once
    return local(PLAN.model(wildcards.model).file)


def model_environment(wildcards):
    """Conda file of the model's packages."""
    return f"../envs/{PLAN.model(wildcards.model).environment}.yaml"


def part_of(wildcards):
    return PLAN.part(wildcards.dataset, wildcards.part).plain()


def labels_of(wildcards):
    return PLAN.dataset(wildcards.dataset).labels.plain()


def analysis_of(wildcards):
    """What a data set asks of trajectories."""
    return PLAN.dataset(wildcards.dataset).dynamics.plain()


def manifest_input(wildcards):
    return PLAN.manifest_input(wildcards.dataset)


def archive_of(wildcards):
    return PLAN.archive(wildcards.archive).plain()


def split_rule(wildcards):
    return PLAN.dataset(wildcards.dataset).splits.plain()


def raw_root(wildcards, input):
    """Folder that the parts' paths are relative to, where a storage has put it."""
    folder = PLAN.raw_root(wildcards.dataset)
    planned = PLAN.raw_input(wildcards.dataset, wildcards.part)
    return str(input.raw[0]).removesuffix(planned[0]) + folder if planned else folder


def raw_input(wildcards):
    return PLAN.raw_input(wildcards.dataset, wildcards.part)


def stores_folder(wildcards, input):
    """Folder of the stores, where a storage has put them."""
    return str(Path(input.stores[0]).parent)


def run_folders(wildcards, input):
    """Likewise of runs."""
    return [str(Path(metrics).parent) for metrics in input.metrics]


def stores_input(wildcards):
    return PLAN.stores(wildcards.dataset)


def test_splits(wildcards):
    return PLAN.dataset(wildcards.dataset).test_splits


def first_test_split(wildcards):
    return test_splits(wildcards)[0]


def simulation_arguments(wildcards):
    return PLAN.simulation_arguments(
        wildcards.dataset, wildcards.model, wildcards.scale
    )


def drawn(wildcards):
    """The trained run and the data that Figures 1 to 3 show."""
    return {
        "checkpoint": f"{PLAN.drawn_run}/checkpoint.pt",
        "stores": PLAN.stores(PLAN.drawn_dataset),
        "splits": PLAN.splits(PLAN.drawn_dataset),
    }


def drawn_split(wildcards):
    return PLAN.dataset(PLAN.drawn_dataset).test_splits[0]


def profiled(wildcards):
    """What `profile` reads: the first data set and all models of Table 1."""
    return {
        "dataset": [local(file) for file in PLAN.dataset(PLAN.drawn_dataset).files],
        "models": [local(PLAN.model(name).file) for name in PLAN.models_of("table1")],
        "stores": PLAN.stores(PLAN.drawn_dataset),
        "splits": PLAN.splits(PLAN.drawn_dataset),
    }


def declarations(names):
    """Files that declare results. As all that is shipped they are read where they lie, not from a storage."""
    return [local(file) for file in PLAN.declarations(names)]


def table_declaration(wildcards):
    return declarations([wildcards.table])


def table_published(wildcards):
    return local(config_file(f"published/{wildcards.table}.csv"))


def table_metrics(wildcards):
    return PLAN.run_files([wildcards.table], "metrics.json")


def table_observables(wildcards):
    """Of the simulations, where the table has any."""
    if wildcards.table not in PLAN.simulated:
        return []
    return PLAN.simulation_files([wildcards.table], "observables.json")


def table_category(wildcards):
    return PLAN.results[wildcards.table].category


def table_title(wildcards):
    return {"result": PLAN.results[wildcards.table].title}


# Whether there is such a data set, part, model, scale or archive, the plan says in a sentence.
wildcard_constraints:
    dataset="[^/]+",
    part="[^/]+",
    model="[^/]+",
    scale="[^/]+",
    seed=r"0|[1-9]\d*",
    start=r"0|[1-9]\d*",
    purpose="simulation|limitations",
    system="melt|solid|gas",
    table="|".join(PLAN.built),
    archive="[^/]+",
