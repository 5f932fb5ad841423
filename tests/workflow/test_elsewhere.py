"""The workflow in other folders, with files of its user's, and in other workflows."""

from pathlib import Path

import ase.io
import pytest
import yaml
from ase.build import bulk
from ase.calculators.emt import EMT

from tests.workflow.dry_runs import (
    MINI_RUNS,
    ROOT,
    SMOKE_RUNS,
    copy_project,
    jobs,
    snakemake,
)


@pytest.fixture
def project(tmp_path) -> Path:
    """A copy of what the workflow consists of."""
    return copy_project(tmp_path)


def files_of_a_stranger(folder: Path) -> None:
    """A tiny data set of a user's own, in a folder without the workflow."""
    (folder / "config/datasets").mkdir(parents=True)
    content = yaml.safe_load((ROOT / "config/datasets/lips_sample.yaml").read_text())
    content |= {"title": "Mine", "parts": {"all": {"format": "ase", "path": "mine.extxyz"}}}
    content["splits"] = {"rule": "random", "seed": 0, "counts": {"train": 4, "val": 2, "test": "rest"}}
    (folder / "config/datasets/mine.yaml").write_text(yaml.safe_dump(content))
    structures = []
    for number in range(8):
        atoms = bulk("Cu", cubic=True)
        atoms.rattle(0.1, seed=number)
        atoms.calc = EMT()
        atoms.get_forces()
        structures.append(atoms)
    (folder / "samples").mkdir()
    ase.io.write(folder / "samples/mine.extxyz", structures)


def test_from_elsewhere(project, tmp_path_factory) -> None:
    """`snakemake -s …/Snakefile -d elsewhere`: with the shipped configuration, and with the user's own."""
    elsewhere = tmp_path_factory.mktemp("elsewhere")
    where = ["-s", str(project / "Snakefile"), "-d", str(elsewhere)]
    done = snakemake("-n", *where, folder=elsewhere)
    assert done.returncode == 0, done.stderr
    assert jobs(done.stdout)["train_model"] == MINI_RUNS

    files_of_a_stranger(elsewhere)
    run = "results/runs/mine/mini/leignn/seed0/config.yaml"
    done = snakemake(*where, run, "data/splits/mine", "--config", "gpu=0", folder=elsewhere)
    assert done.returncode == 0, done.stderr
    assert yaml.safe_load((elsewhere / run).read_text())["dataset_info"]["title"] == "Mine"
    assert len((elsewhere / "data/splits/mine/train.csv").read_text().splitlines()) == 5
    assert not (project / "results").exists() and not (project / "data").exists()


def test_as_a_module_of_another_workflow(project, tmp_path_factory) -> None:
    other = tmp_path_factory.mktemp("other")
    files_of_a_stranger(other)
    (other / "Snakefile").write_text(f"""
module leignn:
    snakefile: "{project}/workflow/Snakefile"
    config: {{"scale": "smoke", "run": "first"}}

use rule * from leignn as leignn_*

rule mine:
    default_target: True
    input: "results/first/runs/mine/smoke/leignn/seed0/config.yaml", "data/smoke/splits/mine"
    output: "mine.txt"
    shell: "ls {{input}} > {{output}}"
""")
    done = snakemake(folder=other)
    assert done.returncode == 0, done.stderr
    assert (other / "results/first/runs/mine/smoke/leignn/seed0/config.yaml").exists()
    assert "train.csv" in (other / "mine.txt").read_text()
    found = jobs(snakemake("-n", "leignn_all", folder=other).stdout)
    assert found["leignn_train_model"] == SMOKE_RUNS
