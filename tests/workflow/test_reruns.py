"""What an edit makes anew, and what it leaves alone: dry runs after all files have been made."""

import os
import re
from collections.abc import Sequence
from pathlib import Path

import pytest
import yaml

from leignn.config.result import load_results
from tests.workflow.dry_runs import ROOT, copy_project, snakemake

MINE = "results/runs/mine/smoke/leignn/seed0/metrics.json"
TARGETS = ["results/table1.csv", MINE, "--config", "scale=smoke", "samples_dir=samples"]


def planned(folder: Path, *arguments: str, config: Sequence[str] = ()) -> str:
    """What Snakemake says of the targets."""
    done = snakemake(*arguments, *TARGETS, *config, folder=folder)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


@pytest.fixture(scope="module")
def finished(tmp_path_factory) -> Path:
    """A copy of the project with a data set of its user's, all of whose outputs are there, though empty."""
    project = copy_project(tmp_path_factory.mktemp("project"))
    dataset = {
        "base": "mdsim",
        "title": "Mine",
        "level": "none",
        "labels": {"energy": "some", "forces": "some"},
        "source": {"files": True},
        "parts": {"all": {"format": "rmd17_npz", "path": "all.npz", "frames": "frames.txt"}},
        "splits": {"rule": "manifest", "path": "samples/split.csv"},
    }
    (project / "config/datasets/mine.yaml").write_text(yaml.safe_dump(dataset))
    (project / "samples").mkdir()
    for name in ("all.npz", "frames.txt", "split.csv"):
        (project / "samples" / name).write_text("1\n")
    for line in planned(project, "-n", "--summary").splitlines():
        output = project / line.split("\t")[0]
        if line.startswith(("results", "data")):
            (output.parent if output.suffix else output).mkdir(parents=True, exist_ok=True)
            if output.suffix:
                output.touch()
    planned(project, "--touch", "--forceall")
    assert "Nothing to be done" in planned(project, "-n")
    return project


TABLE1 = load_results([ROOT / "config/results/table1.yaml"])["table1"].models_at("smoke")
CODE, COMMENT = "\nNOTE = 1\n", "\n# a comment\n"
FROM_TRAINING = {"train_model", "predict_run", "score_run"}
EDITS = {
    "a model": ({"baselines/schnet.py": CODE}, FROM_TRAINING | {"build_table"}, ["schnet on oc20_standin"]),
    "a model's settings": (
        {"config/models/schnet.yaml": "graph: {smoke: {cutoff: 5.5}}\n"},
        FROM_TRAINING | {"configure_run", "build_table"},
        ["schnet on oc20_standin"],
    ),
    "the loss": (
        {"leignn/training/loss.py": CODE},
        FROM_TRAINING | {"build_table"},
        ["leignn on mine", *(f"{model} on oc20_standin" for model in TABLE1)],
    ),
    "a metric": ({"leignn/evaluation/metrics.py": CODE}, {"score_run", "build_table"}, []),
    "tables": ({"leignn/report/tables/build.py": CODE}, {"build_table"}, []),
    "a split": ({"samples/split.csv": "2\n"}, FROM_TRAINING | {"split_dataset"}, ["leignn on mine"]),
    "chosen frames": (
        {"samples/frames.txt": "2\n"},
        FROM_TRAINING | {"build_store", "split_dataset"},
        ["leignn on mine"],
    ),
    "comments, and what these results do not need": (
        {
            "baselines/schnet.py": COMMENT,
            "leignn/model.py": COMMENT + '"""And a text."""\n',
            "config/models/schnet.yaml": COMMENT,
            "leignn/md/observables.py": CODE,
            "leignn/report/page/page.html.j2": "\n",
        },
        set(),
        [],
    ),
}


@pytest.mark.parametrize("what", EDITS)
def test_an_edit_reruns_what_depends_on_it(finished, what) -> None:
    """And nothing else: which rules, and which runs are trained."""
    edits, rules, trained = EDITS[what]
    before = {finished / file: (finished / file).read_bytes() for file in edits}
    times = {path: path.stat() for path in before}
    for file, text in edits.items():
        with open(finished / file, "a") as opened:
            opened.write(text)
    try:
        said = planned(finished, "-n")
    finally:
        for path, content in before.items():
            path.write_bytes(content)
            os.utime(path, ns=(times[path].st_atime_ns, times[path].st_mtime_ns))
    assert set(re.findall(r"^(\w+) +\d+$", said, re.MULTILINE)) - {"total"} == rules
    found = set(re.findall(r"Training (\w+ on \w+)", said))
    assert found == set(trained)


def test_a_gpu_makes_nothing_anew_and_is_asked_for_by_name(finished) -> None:
    """On a machine without one, jobs that wait for a GPU end in a sentence, not on the CPU."""
    assert "Nothing to be done" in planned(finished, "-n", config=["gpu=1"])
    said = planned(finished, "-n", "-p", "--forceall", config=["gpu=1"])
    commands = re.findall(r"python -m leignn (?:train|predict) .*", said)
    assert commands and all("--device cuda" in command for command in commands)
