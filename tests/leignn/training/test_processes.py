"""Training on two processes."""

import json
import subprocess
import sys
from pathlib import Path

import numpy as np
import pandas as pd
import psutil
import yaml
from conftest import copper_frames
from training_runs import config

from leignn.config.run import RunConfig
from leignn.data.store import write_store
from leignn.training.train import train

COMMAND = [sys.executable, "-m", "leignn", "train", "--device", "cpu", "--processes", "2", "--threads", "1"]


def command(settings: RunConfig, stores: Path, splits: Path, folder: Path) -> list[str]:
    """To train on two processes into ``folder``/two."""
    (folder / "config.yaml").write_text(yaml.safe_dump(settings.plain()))
    inputs = ["--config", folder / "config.yaml", "--stores", stores, "--splits", splits]
    return [str(part) for part in [*COMMAND, *inputs, "--output", folder / "two"]]


def test_two_processes_train_as_one(copper, tmp_path, monkeypatch) -> None:
    """Though one has more labels than the other, in a Slurm job with a single task."""
    stores, splits = copper
    for name, value in {"SLURM_NTASKS": "1", "SLURM_JOB_NAME": "train", "SLURM_JOB_ID": "7"}.items():
        monkeypatch.setenv(name, value)
    settings = config(max_steps=40, batch_size=5, precision="64-true")
    done = subprocess.run(
        command(settings, stores, splits, tmp_path), capture_output=True, text=True, timeout=300
    )
    assert done.returncode == 0, done.stderr
    assert json.loads((tmp_path / "two" / "provenance.json").read_text())["processes"] == 2
    train(settings, stores, splits, tmp_path / "one", device="cpu")
    two, one = (pd.read_csv(tmp_path / name / "log.csv").drop(columns="seconds") for name in ("two", "one"))
    assert one["step"].tolist() == [20, 40]
    pd.testing.assert_frame_equal(two, one, rtol=1e-5)


def test_two_processes_where_one_has_seen_no_energy(copper, tmp_path) -> None:
    """One frame in forty has an energy, and one process has it in each pass; the other waits for nobody."""
    _, splits = copper
    frames = copper_frames()
    for structure in frames[1:40]:
        structure.energy = np.nan
    frames[0].energy = 1.0
    write_store(tmp_path / "stores" / "all", [frames], {})
    run = command(config(max_steps=40, batch_size=2), tmp_path / "stores", splits, tmp_path)
    done = subprocess.run(run, capture_output=True, text=True, timeout=120)
    assert done.returncode == 0, done.stderr
    log = pd.read_csv(tmp_path / "two" / "log.csv")
    assert log["step"].tolist() == [20, 40] and log["epoch"].tolist() == [1, 2]
    assert np.isfinite(log["train_energy_mae_mev"]).all()


def test_a_killed_process_ends_the_others_with_a_sentence(copper, tmp_path) -> None:
    """And the run goes on from where it was."""
    stores, splits = copper
    settings = config(max_steps=20000, batch_size=2, early_stopping=9000)
    run = command(settings, stores, splits, tmp_path)
    with subprocess.Popen(run, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as first:
        try:
            for line in first.stdout:
                if line.startswith("step      40"):
                    break
            (second,) = psutil.Process(first.pid).children()
            second.kill()
            error = first.communicate(timeout=60)[1]
        finally:
            first.kill()
    assert first.returncode == 2 and "Traceback" not in error, error
    assert "another of the 2 processes of this training has ended; run again" in error
    assert (tmp_path / "two" / "resume" / "last.ckpt").exists()
