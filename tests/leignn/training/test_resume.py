"""A stopped training goes on only with the data and the code that it began with."""

import json
import os
import shutil
import signal
import subprocess
import sys
from pathlib import Path

import pandas as pd
import pytest
import yaml
from conftest import copper_frames
from made_runs import run_config
from training_runs import interrupted_after

from leignn import cli
from leignn.data.store import write_store
from leignn.training import train as module
from leignn.training.callbacks import RunLog
from leignn.training.train import train

PROTOCOL = {"batch_size": 4, "evaluate_every": 10, "max_steps": 30}
SMALL = {"hidden_channels": 16, "num_layers": 1, "num_rbf": 16}


@pytest.fixture
def data(copper, tmp_path) -> tuple[Path, Path]:
    """Copies of the stores and splits, to change."""
    for folder in copper:
        shutil.copytree(folder, tmp_path / folder.name)
    return tmp_path / "stores", tmp_path / "splits"


def stopped(data: tuple[Path, Path], run: Path) -> None:
    """A training that is interrupted after its second evaluation."""
    with interrupted_after(20):
        train(run_config(PROTOCOL, hyperparameters=SMALL), *data, run, "cpu")
    assert (run / "resume" / "last.ckpt").exists()


def changed_store(data, settings) -> None:
    frames = copper_frames()
    frames[3].energy += 1e-9
    write_store(data[0] / "all", [frames], {})


def changed_split(name: str):
    def change(data, settings) -> None:
        table = pd.read_csv(data[1] / f"{name}.csv", dtype=str)
        table.iloc[::-1].to_csv(data[1] / f"{name}.csv", index=False)

    return change


CHANGES = {
    "stores.all": changed_store,
    "splits.train": changed_split("train"),
    "splits.val": changed_split("val"),
    "configuration.training.learning_rate": lambda data, settings: settings.update(learning_rate=1e-5),
    "code": lambda data, settings: settings["patch"].setattr(module, "fingerprint", lambda *modules: "other"),
    "packages.torch": lambda data, settings: settings["patch"].setattr(
        module, "versions", lambda: module_versions() | {"torch": "0"}
    ),
}
module_versions = module.versions


@pytest.mark.parametrize("what", CHANGES)
def test_what_a_training_depends_on_has_changed(data, tmp_path, monkeypatch, capsys, what) -> None:
    run = tmp_path / "run"
    stopped(data, run)
    settings = {"patch": monkeypatch}
    CHANGES[what](data, settings)
    rate = {"learning_rate": settings["learning_rate"]} if "learning_rate" in settings else {}
    capsys.readouterr()
    train(run_config(PROTOCOL | rate, hyperparameters=SMALL), *data, run, "cpu")
    said = capsys.readouterr().out
    assert f"is of another {what}" in said and "beginning anew" in said
    assert pd.read_csv(run / "log.csv")["step"].tolist() == [10, 20, 30]


def test_nothing_has_changed(data, tmp_path, monkeypatch, capsys) -> None:
    """Not even by a test split, another data set's store, or stores that were built again."""
    run = tmp_path / "run"
    stopped(data, run)
    changed_split("test")(data, {})
    write_store(data[0] / "other", [copper_frames()[:2]], {})
    write_store(data[0] / "all", [copper_frames()], {})
    train(run_config(PROTOCOL, hyperparameters=SMALL), *data, run, "cpu")
    assert "resuming from" in capsys.readouterr().out


def killed(*_) -> None:
    raise KeyboardInterrupt


def test_a_log_that_is_gone_comes_back_when_nothing_is_left_to_train(data, tmp_path, monkeypatch) -> None:
    """Snakemake removes the outputs of a job that it kills, here after the last evaluation."""
    run, config = tmp_path / "run", run_config(PROTOCOL, hyperparameters=SMALL)
    with monkeypatch.context() as patch, pytest.raises(KeyboardInterrupt):
        patch.setattr(module.TrainedPotential, "save", killed)
        train(config, *data, run, "cpu")
    before = (run / "log.csv").read_text()
    (run / "log.csv").unlink()
    train(config, *data, run, "cpu")
    assert (run / "log.csv").read_text() == before


def test_provenance_names_what_was_read_not_what_lies_there_afterwards(copper, data, tmp_path) -> None:
    class Exchanged(RunLog):
        def __init__(self, *arguments) -> None:
            super().__init__(*arguments)
            if (data[0] / "all").exists():
                changed_store(data, {})

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(module, "RunLog", Exchanged)
        train(run_config(PROTOCOL, hyperparameters=SMALL), *data, tmp_path / "run", "cpu")
    record = json.loads((tmp_path / "run" / "provenance.json").read_text())
    assert record["data"] == module.checksums(*copper) != module.checksums(*data)


HOLD = """
import sys, time
from pathlib import Path
from leignn.lock import only_writer
with only_writer(Path(sys.argv[1])):
    print("held", flush=True)
    time.sleep(60)
"""


def test_a_second_training_of_the_same_run_is_refused_and_a_kill_frees_it(copper, tmp_path, capsys) -> None:
    run = tmp_path / "run"
    run.mkdir()
    (run / "config.yaml").write_text(yaml.safe_dump(run_config(PROTOCOL, hyperparameters=SMALL).plain()))
    training = ["train", "--config", str(run / "config.yaml"), "--stores", str(copper[0])]
    training += ["--splits", str(copper[1]), "--output", str(run), "--device", "cpu"]
    with subprocess.Popen([sys.executable, "-c", HOLD, str(run)], stdout=subprocess.PIPE, text=True) as other:
        other.stdout.readline()
        for options in ([], ["--record-failure"]):
            assert cli.main([*training, *options]) == 2
            assert f"process {other.pid} on " in capsys.readouterr().err
        assert not (run / "checkpoint.pt").exists()
        os.kill(other.pid, signal.SIGKILL)
    assert cli.main(training) == 0
    assert sorted(p.name for p in run.iterdir()) == [
        "checkpoint.pt", "config.yaml", "log.csv", "provenance.json", "tensorboard",
    ]  # fmt: skip
