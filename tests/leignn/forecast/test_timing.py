"""A model is timed once on a device, and anew where it is another."""

import sys

import pytest

from leignn.config.dataset import load_dataset
from leignn.config.run import resolve_run
from leignn.config.simulation import Simulation
from leignn.forecast import timing
from leignn.forecast.timing import timings

SMOKE = {"scale_training": {"batch_size": 8, "evaluate_every": 20, "max_steps": 40}}
SIMULATION = Simulation(thermostat="langevin", temperature=300, timestep=1, steps=1, every=1)


def wanted(model: str, **changed):
    run = resolve_run("melt_standin", model, "smoke", 0, SMOKE)
    run = run.model_copy(update={"hyperparameters": run.hyperparameters | changed})
    return {model: (run, load_dataset("melt_standin").size, SIMULATION)}


def test_a_model_is_timed_once(tmp_path, monkeypatch) -> None:
    told: list[str] = []
    kept = tmp_path / "timings.json"
    first = timings(wanted("leignn"), kept, "cpu", 1, told.append)["leignn"]
    assert min(first.load, first.predict, first.train, first.dynamics) > 0
    assert 1 <= first.at_once <= 8 and not first.failure and len(told) == 1

    monkeypatch.setattr(timing, "measured", lambda *arguments: pytest.fail("measured anew"))
    assert timings(wanted("leignn"), kept, "cpu", 1, told.append)["leignn"] == first
    for changed, threads in (({"hidden_channels": 32}, 1), ({}, 2)):
        with pytest.raises(pytest.fail.Exception, match="measured anew"):
            timings(wanted("leignn", **changed), kept, "cpu", threads, told.append)


def test_a_model_that_cannot_be_built_has_a_reason_in_place_of_times(tmp_path, monkeypatch) -> None:
    monkeypatch.setitem(sys.modules, "chgnet", None)  # as on Python 3.13
    run, size, simulation = wanted("leignn")["leignn"]
    run = run.model_copy(
        update={
            "potential": "baselines.ase_calculator:PretrainedCalculator",
            "hyperparameters": {"calculator": "chgnet"},
            "environment": "baselines",
        }
    )
    found = timings({"chgnet": (run, size, simulation)}, tmp_path / "timings.json", "cpu", 1, print)["chgnet"]
    assert "needs the package 'chgnet'" in found.failure and found.train is None and found.predict is None


def test_a_model_without_parameters_predicts_and_has_no_training_step(tmp_path) -> None:
    found = timings(wanted("trivial"), tmp_path / "timings.json", "cpu", 1, print)["trivial"]
    assert found.train is None and found.predict > 0
