"""What a model takes from the training split is taken once a training, however often that is stopped."""

import pandas as pd
import torch
from training_runs import interrupted_after

from baselines.deeppot_se import DeepPotSE
from leignn.config.run import resolve_run
from leignn.training.train import train

PROTOCOL = {"batch_size": 4, "evaluate_every": 10, "max_steps": 30, "learning_rate": 1e-3}


def test_a_resumed_training_keeps_its_statistics(copper, tmp_path, monkeypatch) -> None:
    run = resolve_run("oc20_standin", "deeppot_se", "smoke", 0, {"training": PROTOCOL})
    train(run, *copper, tmp_path / "straight", "cpu")
    calls, compute = [], DeepPotSE.compute_statistics

    def counted(self, *arguments):
        calls.append(arguments)
        return compute(self, *arguments)

    monkeypatch.setattr(DeepPotSE, "compute_statistics", counted)
    with interrupted_after(20):
        train(run, *copper, tmp_path / "stopped", "cpu")
    train(run, *copper, tmp_path / "stopped", "cpu")
    assert len(calls) == 1
    # Its networks are built with the statistics: their first weights are those of the straight training too.
    states, logs = [], []
    for name in ("straight", "stopped"):
        states.append(torch.load(tmp_path / name / "checkpoint.pt", weights_only=True)["state_dict"])
        logs.append(pd.read_csv(tmp_path / name / "log.csv").drop(columns="seconds"))
    pd.testing.assert_frame_equal(*logs)
    assert states[0].keys() == states[1].keys() and len(states[0])
    assert all(torch.equal(states[0][name], states[1][name]) for name in states[0])
