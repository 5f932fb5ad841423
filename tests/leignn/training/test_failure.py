"""Runs that fail: recorded, and told in a sentence."""

import re
import sys

import numpy as np
import pytest
import torch
import yaml
from training_runs import PROTOCOL, config

import baselines
from baselines.schnet import SchNet
from baselines.trivial import MeanEnergyZeroForces
from leignn import cli
from leignn.data.frames import Frames
from leignn.errors import RunFailedError
from leignn.evaluation.predict import predict
from leignn.report.runs import load_run
from leignn.trained import load_trained
from leignn.training.train import train


def test_a_diverging_run_stops_with_a_sentence(copper, tmp_path) -> None:
    with pytest.raises(RunFailedError, match="the loss is .* at step 1, batch .* cu/"):
        train(config(learning_rate=1e30, clip_norm=1e30), *copper, tmp_path / "run", "cpu")
    assert not (tmp_path / "run" / "checkpoint.pt").exists()


def test_a_model_that_has_died_is_a_failure(copper, tmp_path, monkeypatch) -> None:
    """Its losses are finite, and it would pass for a bad model."""
    forward, calls = SchNet.forward, []

    def dying(self, batch):
        output = forward(self, batch)
        calls.append(len(batch.natoms))
        return output if len(calls) < 4 else output | {"forces": 0 * output["forces"]}

    monkeypatch.setattr(SchNet, "forward", dying)
    with pytest.raises(RunFailedError, match="all forces are exactly zero in validation after step"):
        train(config("schnet"), *copper, tmp_path / "run", "cpu")


def test_a_failed_prediction_is_recorded_whole(copper, tmp_path, monkeypatch) -> None:
    """The second of two splits fails: no half set of predictions is left."""
    stores, splits = copper
    folder = tmp_path / "run"
    folder.mkdir()
    (folder / "config.yaml").write_text(yaml.safe_dump(config("trivial").plain()))
    train(config("trivial"), stores, splits, folder, "cpu")
    forward, calls = MeanEnergyZeroForces.forward, []

    def refusing(self, batch):
        calls.append(len(batch.natoms))
        if len(calls) > 1:
            raise RunFailedError("element X is unknown")
        return forward(self, batch)

    monkeypatch.setattr(MeanEnergyZeroForces, "forward", refusing)
    paths = ["--run", str(folder), "--stores", str(stores), "--splits", str(splits)]
    predictions = folder / "predictions"
    predicting = ["predict", *paths, "--predict", "val", "test", "--output", str(predictions)]
    assert cli.main([*predicting, "--record-failure"]) == 0
    assert [file.name for file in predictions.iterdir()] == ["failure.txt"]
    scoring = ["score", *paths, "--predictions", str(predictions), "--output", f"{folder}/metrics.json"]
    assert cli.main(scoring) == 0
    assert load_run(folder).metrics["message"] == "element X is unknown"


def test_a_step_that_does_not_fit_the_memory(copper, tmp_path, monkeypatch) -> None:
    def full(self, batch):
        raise torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 9 GiB")

    monkeypatch.setattr(SchNet, "forward", full)
    words = "out of memory: a step of schnet with 2 structures at once does not fit; give --pieces a larger"
    with pytest.raises(RunFailedError, match=words):
        train(config("schnet"), *copper, tmp_path / "run", "cpu", pieces=2)


def test_a_prediction_is_made_in_halves_where_memory_is_short(copper, tmp_path, monkeypatch) -> None:
    stores, splits = copper
    train(config("schnet", max_steps=20), stores, splits, tmp_path, "cpu")
    trained = load_trained(tmp_path / "checkpoint.pt", "cpu")
    frames = Frames(stores, splits / "test.csv", trained.graph)
    expected = predict(trained, frames, 5, "cpu")
    forward, tried, holds = SchNet.forward, [], 1

    def limited(self, batch):
        tried.append(len(batch.natoms))
        if len(batch.natoms) > holds:
            raise torch.OutOfMemoryError("CUDA out of memory")
        return forward(self, batch)

    monkeypatch.setattr(SchNet, "forward", limited)
    for one, other in zip(expected, predict(trained, frames, 5, "cpu"), strict=True):
        np.testing.assert_allclose(one, other, rtol=1e-5, atol=1e-5)
    assert tried == [4, 2, 1, 1, 1, 1]  # what does not fit is not tried again
    holds = 0
    with pytest.raises(
        RunFailedError, match=r"out of memory: cu/\d+ of .*test.csv \(\d+ atoms\) does not fit"
    ):
        predict(trained, frames, 5, "cpu")


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"training": PROTOCOL | {"learning_rate": 1e30, "clip_norm": 1e30}}, "the loss is"),
        (
            {"potential": "baselines.foreign:Model"},
            "needs the package 'absent_package'.*workflow/envs/torch",
        ),
        (
            {
                "potential": "baselines.ase_calculator:PretrainedCalculator",
                "hyperparameters": {"calculator": "chgnet"},
            },
            "chgnet needs the package 'chgnet': .*requirements-nodeps.txt",
        ),
    ],
)
def test_a_failed_run_is_recorded_up_to_the_table(copper, tmp_path, monkeypatch, changes, message) -> None:
    """As the workflow runs it: every command ends well, the run's metrics say what happened."""
    stores, splits = copper
    folder = tmp_path / "run"
    folder.mkdir()
    (folder / "config.yaml").write_text(yaml.safe_dump(config().plain() | changes))
    (tmp_path / "foreign.py").write_text("import absent_package")
    monkeypatch.setitem(sys.modules, "chgnet", None)  # as on Python 3.13
    monkeypatch.setattr("baselines.__path__", [*baselines.__path__, str(tmp_path)])
    paths = ["--stores", str(stores), "--splits", str(splits)]
    training = ["train", "--config", f"{folder}/config.yaml", *paths, "--output", str(folder)]
    training += ["--device", "cpu"]
    assert cli.main(training) == 2
    assert not (folder / "checkpoint.pt").exists()
    assert cli.main([*training, "--record-failure"]) == 0
    predictions = f"{folder}/predictions"
    predicting = ["predict", "--run", str(folder), *paths, "--predict", "test", "--output", predictions]
    assert cli.main(predicting) == 2
    assert cli.main([*predicting, "--record-failure"]) == 0
    scoring = ["score", "--run", str(folder), *paths, "--predictions", predictions]
    assert cli.main([*scoring, "--output", f"{folder}/metrics.json"]) == 0
    run = load_run(folder)
    assert run.metrics["status"] == "failed" and re.search(message, run.metrics["message"])
    assert run.metrics["splits"] == {} and run.log().empty
    assert run.provenance()["failure"] == run.metrics["message"]
    with pytest.raises(RunFailedError, match=message):
        load_trained(folder / "checkpoint.pt")
