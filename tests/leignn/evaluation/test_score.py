"""Metrics come from predictions of this very checkpoint, configuration, manifest and store, or not at all."""

import json
import shutil
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import yaml
from conftest import copper_frames
from made_runs import run_config

from leignn import cli
from leignn.data.store import write_store
from leignn.files import read_own_arrays, write_arrays
from leignn.training.train import train

SMALL = {"hidden_channels": 16, "num_layers": 1, "num_rbf": 16}


@pytest.fixture
def predicted(copper, tmp_path) -> tuple[Path, Callable[[], int]]:
    """A folder with stores, splits, a trained run and its predictions; and the command that scores them."""
    for folder in copper:
        shutil.copytree(folder, tmp_path / folder.name)
    paths = ["--stores", str(tmp_path / "stores"), "--splits", str(tmp_path / "splits")]
    run = tmp_path / "run"
    config = run_config({"evaluate_every": 1, "max_steps": 1}, hyperparameters=SMALL)
    train(config, tmp_path / "stores", tmp_path / "splits", run, "cpu")
    (run / "config.yaml").write_text(yaml.safe_dump(config.plain()))
    common = ["--run", str(run), *paths]
    predictions = str(run / "predictions")
    assert cli.main(["predict", *common, "--predict", "test", "--output", predictions]) == 0
    scoring = ["score", *common, "--predictions", predictions, "--output", str(run / "metrics.json")]
    return tmp_path, lambda: cli.main(scoring)


def exchange(folder: Path, what: str) -> None:
    if what == "store all":
        frames = copper_frames()
        frames[45].energy += 1.0
        write_store(folder / "stores" / "all", [frames], {})
    elif what == "manifest":
        path = folder / "splits" / "test.csv"
        pd.read_csv(path, dtype=str).iloc[::-1].to_csv(path, index=False)
    elif what == "config.yaml":
        path = folder / "run" / "config.yaml"
        path.write_text(path.read_text().replace("max_steps: 1", "max_steps: 2"))
    else:
        path = folder / "run" / "checkpoint.pt"
        path.write_bytes(path.read_bytes() + b"\0")


@pytest.mark.parametrize("what", ["store all", "manifest", "config.yaml", "checkpoint.pt"])
def test_what_was_exchanged_is_named(predicted, capsys, what) -> None:
    folder, score = predicted
    exchange(folder, what)
    assert score() == 2
    assert what in capsys.readouterr().err
    assert not (folder / "run" / "metrics.json").exists()


def test_a_prediction_that_is_not_finite_is_a_failure_that_names_structure_and_atom(predicted) -> None:
    folder, score = predicted
    assert score() == 0
    assert json.loads((folder / "run" / "metrics.json").read_text())["status"] == "ok"
    path = folder / "run" / "predictions" / "test.npz"
    arrays = read_own_arrays(path)
    arrays["forces"] = arrays["forces"].copy()
    arrays["forces"][8 + 3, 1] = np.nan
    write_arrays(path, arrays)
    assert score() == 0
    metrics = json.loads((folder / "run" / "metrics.json").read_text())
    assert metrics["status"] == "failed" and metrics["splits"] == {}
    assert "the predicted force on atom 3 of cu/45" in metrics["message"]
