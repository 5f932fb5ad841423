"""One rule for names, at every entrance; folders that would be wildcards or options."""

import shutil
from pathlib import Path

import pytest
import yaml

from leignn.cli import main
from leignn.config.dataset import load_dataset
from leignn.config.names import checked_name
from leignn.config.result import load_results
from leignn.config.run import resolve_run
from leignn.errors import InputError
from leignn.plan import Plan
from leignn.resources import config_file

BAD = ["a b", "a.b", "a/b", "..", "-a", "ä", "", "a\n", "a" * 101, "{a}", "a'"]
SAYS = "is no name: 1 to 100 letters"


@pytest.fixture
def elsewhere(tmp_path, monkeypatch) -> Path:
    monkeypatch.chdir(tmp_path)
    for folder in ("datasets", "models", "results"):
        (tmp_path / "config" / folder).mkdir(parents=True)
    return tmp_path


@pytest.mark.parametrize("text", ["a", "A-1_b", "_", "7", "a" * 100])
def test_what_may_be_a_name(text) -> None:
    assert checked_name(text, "x") == text


@pytest.mark.parametrize("text", BAD)
def test_what_may_not_at_every_entrance(elsewhere, capsys, text) -> None:
    refused, plan = f"{text!r} {SAYS}", Plan.of({})
    entrances = [
        (
            lambda: Plan.of({"results": {"table1": {"models": [text]}}}),
            "configuration: results.table1.models.0",
        ),
        (lambda: Plan.of({"results": {"table1": {"datasets": [text]}}}), "results.table1.datasets.0"),
        (lambda: plan.dataset(text), "data set"),
        (lambda: plan.model(text), "model"),
        (lambda: plan.archive(text), "archive"),
        (lambda: plan.part("lips", text), "part"),
    ]
    if text:  # no name: results lie in results/
        entrances.append((lambda: Plan.of({"run": text}), "configuration: run"))
    for enter, where in entrances:
        with pytest.raises(InputError) as error:
            enter()
        assert f"{where}: {refused}" in str(error.value)
    arguments = ["--model", "leignn", "--scale", "smoke", "--output", "x.yaml"]
    assert main(["configure", f"--dataset={text}", *arguments]) == 2
    folders = ["--run", "r", "--stores", "s", "--splits", "s", "--output", "o"]
    assert main(["predict", f"--predict={text}", *folders]) == 2
    said = capsys.readouterr().err
    assert said.count(SAYS) == 2 and not list(elsewhere.glob("[xo]*"))


def test_names_in_files_and_of_files(elsewhere) -> None:
    shipped = yaml.safe_load(config_file("datasets/lips_sample.yaml").read_text())
    mine = elsewhere / "config/datasets/mine.yaml"
    for key, value, where in [
        ("parts", {"my part": shipped["parts"]["all"]}, "parts.my part"),
        ("source", {"archive": "../x"}, "source.archive"),
        ("source", {"dataset": "a.b"}, "source.dataset"),
        ("splits", {"rule": "manifest", "path": "x.csv", "tests": ["../t"]}, "splits.tests.0"),
        ("base", "../secret", "base"),
    ]:
        mine.write_text(yaml.safe_dump(shipped | {key: value}))
        with pytest.raises(InputError, match=f"config/datasets/mine.yaml: {where}: .* {SAYS}"):
            load_dataset("mine")
    mine.write_text(yaml.safe_dump(shipped | {"members": ["x", "y z"]}))
    with pytest.raises(InputError, match=f"mine.yaml: members: 'y z' {SAYS}"):
        load_dataset("mine_y")

    odd = shutil.copy(config_file("models/leignn.yaml"), elsewhere / "config/models/my model.yaml")
    with pytest.raises(InputError, match=f"my model.yaml: name of the file: 'my model' {SAYS}"):
        resolve_run("lips_sample", str(odd), "smoke", 0)
    table = shutil.copy(config_file("results/table1.yaml"), elsewhere / "config/results/table.1.yaml")
    with pytest.raises(InputError, match=f"table.1.yaml: name of the file: 'table.1' {SAYS}"):
        load_results([table])


def test_a_hyphen_goes_all_the_way(elsewhere) -> None:
    shutil.copy(config_file("datasets/lips_sample.yaml"), elsewhere / "config/datasets/my-data.yaml")
    shutil.copy(config_file("models/schnet.yaml"), elsewhere / "config/models/my-model.yaml")
    results = {"table1": {"datasets": ["my-data"], "models": ["my-model"]}}
    plan = Plan.of({"run": "run-1", "results": results})
    assert plan.runs(["my-data"], ["my-model"]) == ["results/run-1/runs/my-data/mini/my-model/seed0"]


@pytest.mark.parametrize("folder", ["", "-x", "~/x", "a{b}", "a\nb"])
def test_folders_that_are_none(folder) -> None:
    for key in ("data_dir", "samples_dir"):
        with pytest.raises(InputError, match=f"configuration: {key}: .* is no folder"):
            Plan.of({key: folder})


def test_a_folder_is_written_one_way() -> None:
    assert Plan.of({"data_dir": "my data//here/"}).configuration.data_dir == "my data/here"
