"""Training on two processes."""

import shutil
import subprocess
import sys

import numpy as np
import pandas as pd
import yaml
from conftest import copper_frames
from training_runs import config

from leignn.data.store import write_store
from leignn.training.train import train


def test_two_processes_train_as_one_with_batches_twice_as_large(copper, tmp_path) -> None:
    """Of frames that all have every label: the mean of two means is then that of both batches."""
    stores, splits = copper
    labelled = tmp_path / "splits"
    shutil.copytree(splits, labelled)
    train_split = pd.read_csv(splits / "train.csv")
    train_split[2:].to_csv(labelled / "train.csv", index=False)  # the first two lack labels
    (tmp_path / "config.yaml").write_text(yaml.safe_dump(config(max_steps=40, batch_size=2).plain()))
    command = [sys.executable, "-m", "leignn", "train", "--config", tmp_path / "config.yaml"]
    command += ["--stores", stores, "--splits", labelled, "--output", tmp_path / "two"]
    command += ["--device", "cpu", "--processes", "2", "--threads", "1"]
    done = subprocess.run([str(part) for part in command], capture_output=True, text=True, timeout=300)
    assert done.returncode == 0, done.stderr
    train(config(max_steps=40, batch_size=4), stores, labelled, tmp_path / "one", device="cpu")
    two, one = (pd.read_csv(tmp_path / name / "log.csv") for name in ("two", "one"))
    assert two["step"].tolist() == one["step"].tolist() == [20, 40]
    assert two["epoch"].tolist() == one["epoch"].tolist() == [20 * 4 / 38, 40 * 4 / 38]
    for column in ("val_forces_mae_mev_per_ang", "val_energy_mae_mev"):
        np.testing.assert_allclose(two[column], one[column], rtol=1e-3)


def test_two_processes_where_one_has_seen_no_energy(copper, tmp_path) -> None:
    """One frame in forty has an energy, and one process has it in each pass; the other waits for nobody."""
    stores, splits = copper
    labelled = tmp_path / "splits"
    shutil.copytree(splits, labelled)
    frames = copper_frames()
    for structure in frames[1:40]:
        structure.energy = np.nan
    frames[0].energy = 1.0
    write_store(tmp_path / "stores" / "all", [frames], {})
    settings = config(max_steps=40, batch_size=1)
    (tmp_path / "config.yaml").write_text(yaml.safe_dump(settings.plain()))
    command = [sys.executable, "-m", "leignn", "train", "--config", tmp_path / "config.yaml"]
    command += ["--stores", tmp_path / "stores", "--splits", labelled, "--output", tmp_path / "run"]
    command += ["--device", "cpu", "--processes", "2", "--threads", "1"]
    done = subprocess.run([str(part) for part in command], capture_output=True, text=True, timeout=120)
    assert done.returncode == 0, done.stderr
    log = pd.read_csv(tmp_path / "run" / "log.csv")
    assert log["step"].tolist() == [20, 40] and log["epoch"].tolist() == [1, 2]
    assert np.isfinite(log["train_energy_mae_mev"]).all()
