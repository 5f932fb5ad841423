"""A training that is killed goes on to the same numbers."""

import os
import signal
import subprocess
import sys
import time

import pandas as pd
import pytest
import torch
import yaml
from training_runs import config, interrupted_after

from leignn.config.training import Training
from leignn.training.train import train

COMMAND = """
import sys
from pathlib import Path
from leignn.config.run import load_run_config
from leignn.config.training import Training
from leignn.training.start import starting_point
from leignn.training.train import train
import torch
torch.set_num_threads(1)
Training.checkpoint_every = 50
folder = Path(sys.argv[1])
config = load_run_config(folder)
train(config, Path(sys.argv[2]), Path(sys.argv[3]), folder, "cpu")
"""


def test_a_killed_run_resumes_to_the_same_numbers(copper, tmp_path, monkeypatch, capsys) -> None:
    """Killed by SIGKILL between checkpoints; two checkpoints an evaluation, so either may be the last."""
    monkeypatch.setattr(Training, "checkpoint_every", 50)
    settings = config(evaluate_every=100, max_steps=400, batch_size=1)
    results = {}
    for name in ("straight", "killed"):
        folder = tmp_path / name
        folder.mkdir()
        (folder / "config.yaml").write_text(yaml.safe_dump(settings.plain()))
        if name == "killed":
            command = [sys.executable, "-c", COMMAND, str(folder), *map(str, copper)]
            process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
            while not (folder / "resume" / "last.ckpt").exists() and process.poll() is None:
                time.sleep(0.02)
            time.sleep(0.3)  # in the middle of the second block
            assert process.poll() is None
            os.kill(process.pid, signal.SIGKILL)
            process.wait()
        capsys.readouterr()
        train(settings, *copper, folder, "cpu")
        assert ("resuming" in capsys.readouterr().out) == (name == "killed")
        log = pd.read_csv(folder / "log.csv").drop(columns="seconds")
        results[name] = log, torch.load(folder / "checkpoint.pt", weights_only=True)["state_dict"]
        assert not (folder / "resume").exists()
    pd.testing.assert_frame_equal(results["straight"][0], results["killed"][0], check_exact=True)
    for name, value in results["straight"][1].items():
        assert torch.equal(value, results["killed"][1][name]), name


@pytest.mark.skipif(not torch.cuda.is_available(), reason="there is no GPU")
def test_a_resumed_training_on_a_gpu_has_the_same_bits(copper, tmp_path, same_bits) -> None:
    """Though it computes what had been recorded, and records anew."""
    results = []
    for name in ("straight", "stopped"):
        if name == "stopped":
            with interrupted_after(40):
                train(config(), *copper, tmp_path / name, "cuda")
        train(config(), *copper, tmp_path / name, "cuda")
        results.append(torch.load(tmp_path / name / "checkpoint.pt", weights_only=True)["state_dict"])
    for name, value in results[0].items():
        assert torch.equal(value, results[1][name]), name
