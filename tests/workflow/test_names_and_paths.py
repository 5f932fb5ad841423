"""Names and paths as users have them, with spaces and worse: every word reaches its command as one word."""

import re
import shlex
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
UNQUOTED = {"threads"}  # a number of Snakemake's own
ODD = "Jo's $HOME & (data); b"


def snakemake(*arguments: str, folder: Path) -> subprocess.CompletedProcess:
    command = [sys.executable, "-m", "snakemake", "--cores", "2", *arguments]
    return subprocess.run(command, cwd=folder, capture_output=True, text=True, timeout=300)


@pytest.fixture(scope="module")
def project(tmp_path_factory) -> Path:
    """A copy of what the workflow consists of, in a folder with an odd name."""
    folder = tmp_path_factory.mktemp("project") / ODD
    for name in ("leignn", "baselines", "config", "workflow", "profiles"):
        shutil.copytree(ROOT / name, folder / name, ignore=shutil.ignore_patterns("__pycache__"))
    shutil.copy(ROOT / "Snakefile", folder)
    return folder


@pytest.mark.parametrize(
    "path", sorted((ROOT / "workflow" / "rules").glob("*.smk")), ids=lambda path: path.stem
)
def test_every_word_of_a_command_is_quoted(path) -> None:
    shells = re.findall(r'^    shell:\n((?: +".*"\n)+)', path.read_text(), re.MULTILINE)
    assert len(shells) == path.read_text().count("shell:\n")
    for shell in shells:
        for placeholder in re.findall(r"(?<!\{)\{([^{}]+)\}", shell):
            assert placeholder.endswith(":q") or placeholder in UNQUOTED, placeholder


def test_a_dry_run_in_odd_folders(project) -> None:
    """Every command of the whole workflow is what a shell takes apart into the words that were meant."""
    done = snakemake("-np", "--config", f"data_dir={ODD}", "scale=smoke", folder=project)
    assert done.returncode == 0, done.stderr
    commands = re.findall(r"(python -m leignn .*)$", done.stdout, re.MULTILINE)
    assert len(commands) > 100
    for command in commands:
        words = shlex.split(command)
        stores = [words[words.index("--stores") + 1]] if "--stores" in words else []
        assert all(word.startswith(f"{ODD}/stores/") for word in stores)
        assert words[-3] == ">" and words[-2].startswith("logs/") and words[-1] == "2>&1"


def test_a_store_in_an_odd_folder(project) -> None:
    """Downloads nothing: the stand-in is generated, stored and split."""
    config = ["--config", f"data_dir={ODD}", "scale=smoke", "standin={train: 8, validation: 4}"]
    done = snakemake(f"{ODD}/splits/oc20_standin", *config, folder=project)
    assert done.returncode == 0, done.stderr
    assert (project / ODD / "splits/oc20_standin/train.csv").exists()
    assert not (project / "data").exists()


RUN = "results/runs/oc20_standin/mini"


@pytest.mark.parametrize(
    ("target", "sentence"),
    [
        (f"{RUN}/nosuch/seed0/checkpoint.pt", "unknown model 'nosuch': config/models has"),
        (f"{RUN}/e2gnn/seed0/checkpoint.pt", "'e2gnn' is another name of the model 'leignn'"),
        ("results/runs/nosuch/mini/leignn/seed0/metrics.json", "unknown data set 'nosuch'"),
        ("results/runs/my data/mini/leignn/seed0/metrics.json", "data set: 'my data' is no name"),
        ("results/runs/oc20_standin/huge/leignn/seed0/log.csv", "scale: 'huge' is none of smoke, mini"),
        ("results/runs/oc20_standin/paper/leignn/seed0/log.csv", "needs --config scale=paper"),
        (f"{RUN}/leignn/seed0/md/start0/outcome.json", "data set 'oc20_standin' has no key 'md'"),
        ("data/stores/oc20_standin/nosuch", "data set 'oc20_standin' has no part 'nosuch'"),
        ("data/archives/nosuch", "has no 'nosuch', only rmd17"),
        ("data/splits/a.b", "data set: 'a.b' is no name"),
    ],
)
def test_a_target_that_cannot_be_is_one_sentence(project, target, sentence) -> None:
    """Not in a dry run alone, and the folder is not left locked."""
    done = snakemake(target, folder=project)
    assert done.returncode == 2 and "Traceback" not in done.stderr
    assert sentence in done.stderr.splitlines()[-1]
    assert not list((project / ".snakemake" / "locks").glob("*"))
