"""A training ends where its time is up, from where it goes on with more; and at the lowest rate, if asked."""

import pandas as pd
import torch
from training_runs import config

from leignn.files import read_json
from leignn.training.train import train

FEW = {"evaluate_every": 10, "max_steps": 30}


def numbers(run) -> tuple[pd.DataFrame, dict[str, torch.Tensor]]:
    state = torch.load(run / "checkpoint.pt", weights_only=True)["state_dict"]
    return pd.read_csv(run / "log.csv").drop(columns="seconds"), state


def test_what_stopped_for_its_time_goes_on_with_more_to_the_same_numbers(copper, tmp_path, capsys) -> None:
    short, straight = tmp_path / "short", tmp_path / "straight"
    train(config(**FEW, max_hours=1e-9), *copper, short, "cpu")
    record = read_json(short / "provenance.json")
    assert (record["ended"], record["steps"]) == ("max_hours", 10)
    assert len(numbers(short)[0]) == 1 and (short / "resume" / "last.ckpt").exists()

    train(config(**FEW, max_hours=1e-9), *copper, short, "cpu")  # no more time: no further step
    assert read_json(short / "provenance.json")["steps"] == 10

    train(config(**FEW), *copper, short, "cpu")
    assert "resuming" in capsys.readouterr().out and not (short / "resume").exists()
    assert read_json(short / "provenance.json")["ended"] == "max_steps"
    train(config(**FEW), *copper, straight, "cpu")
    (log, state), (straight_log, straight_state) = numbers(short), numbers(straight)
    pd.testing.assert_frame_equal(log, straight_log, check_exact=True)
    assert all(torch.equal(value, straight_state[name]) for name, value in state.items())


def test_it_stops_at_the_lowest_rate_only_where_asked(copper, tmp_path) -> None:
    lowest = {"learning_rate": 1e-5, "min_learning_rate": 1e-5, **FEW}
    for asked, steps, ended in ((True, 10, "lowest rate"), (False, 30, "max_steps")):
        run = tmp_path / str(asked)
        train(config(**lowest, stop_at_lowest_rate=asked), *copper, run, "cpu")
        record = read_json(run / "provenance.json")
        assert (record["steps"], record["ended"]) == (steps, ended)
        assert (run / "resume").exists() is False


def test_it_stops_once_more_evaluations_than_allowed_in_a_row_are_no_better(copper, tmp_path) -> None:
    """As the authors' counter: the best, then three that are no better where two are allowed."""
    # Steps that single precision does not see: every evaluation is the first again.
    still = {"learning_rate": 1e-20, "min_learning_rate": 1e-20, "evaluate_every": 10, "max_steps": 100}
    train(config(**still, early_stopping=2), *copper, tmp_path, "cpu")
    record = read_json(tmp_path / "provenance.json")
    assert (record["steps"], record["best_step"], record["ended"]) == (40, 10, "early stopping")


def test_without_a_warm_up_the_average_keeps_its_decay_from_the_first_step(copper, tmp_path) -> None:
    """A decay of one keeps the weights of the start: all evaluations are alike."""
    for warmup, different in ((False, 1), (True, 3)):
        run = tmp_path / str(warmup)
        train(config(**FEW, ema_decay=1.0, ema_warmup=warmup), *copper, run, "cpu")
        assert numbers(run)[0]["val_forces_mae_mev_per_ang"].nunique() == different
