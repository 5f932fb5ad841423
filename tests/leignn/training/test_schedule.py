"""Schedules that know their end, as the log of a training has them, also of one that was stopped."""

import math

import pandas as pd
import pytest
from training_runs import config, interrupted_after

from leignn.training.train import train


def rates(folder) -> list[float]:
    return pd.read_csv(folder / "log.csv")["learning_rate"].tolist()


def test_half_a_cosine_over_the_budget(copper, tmp_path) -> None:
    run = config(schedule="cosine", max_steps=60)
    train(run, *copper, tmp_path / "whole", device="cpu")
    # The rate of the step before each evaluation; the first step has the whole rate, one past the last none.
    low, high = 1e-5, 3e-3
    expected = [low + (high - low) * math.cos(math.pi * step / 120) ** 2 for step in (19, 39, 59)]
    assert rates(tmp_path / "whole") == pytest.approx(expected, rel=1e-6)

    with interrupted_after(40):
        train(run, *copper, tmp_path / "resumed", device="cpu")
    train(run, *copper, tmp_path / "resumed", device="cpu")
    logs = [pd.read_csv(tmp_path / name / "log.csv").drop(columns="seconds") for name in ("whole", "resumed")]
    pd.testing.assert_frame_equal(*logs, check_exact=True)


def test_evenly_over_the_budget(copper, tmp_path) -> None:
    train(config(schedule="linear", warmup_steps=15, max_steps=60), *copper, tmp_path / "run", device="cpu")
    # Steps 4, 24 and 44 of the 45 after the rise.
    low, high = 1e-5, 3e-3
    expected = [low + (high - low) * share for share in (41 / 45, 21 / 45, 1 / 45)]
    assert rates(tmp_path / "run") == pytest.approx(expected, rel=1e-6)


def test_a_rise_before_it(copper, tmp_path) -> None:
    train(config(schedule="cosine", warmup_steps=30, max_steps=60), *copper, tmp_path / "run", device="cpu")
    low, high = 1e-5, 3e-3
    falling = [low + (high - low) * math.cos(math.pi * step / 60) ** 2 for step in (9, 29)]
    expected = [high * 20 / 30, *falling]
    assert rates(tmp_path / "run") == pytest.approx(expected, rel=1e-6)
