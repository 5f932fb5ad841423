"""Data sets without forces, or without energies, train by what they have."""

from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import torch
from conftest import copper_frames
from made_runs import run_config

from leignn.data.store import write_store
from leignn.errors import InputError, RunFailedError
from leignn.model import LEIGNN
from leignn.training.train import train

SMALL = {"hidden_channels": 16, "num_layers": 1, "num_rbf": 16}
PROTOCOL = {"batch_size": 4, "evaluate_every": 10, "max_steps": 40, "early_stopping": 2}


def without(label: str, copper: tuple[Path, Path], folder: Path) -> tuple[Path, Path]:
    frames = copper_frames()
    for frame in frames:
        if label in ("energies", "labels"):
            frame.energy = np.nan
        if label in ("forces", "labels"):
            frame.forces[:] = np.nan
    write_store(folder / "stores" / "all", [frames], {})
    return folder / "stores", copper[1]


@pytest.mark.parametrize(("label", "there"), [("forces", "energy"), ("energies", "forces")])
@pytest.mark.parametrize("target", ["as_is", "minus_train_mean"])
def test_it_trains_to_the_end_by_what_there_is(copper, tmp_path, label, there, target) -> None:
    data = without(label, copper, tmp_path)
    config = run_config(PROTOCOL | {"energy_target": target}, hyperparameters=SMALL)
    train(config, *data, tmp_path / "run", "cpu")
    log = pd.read_csv(tmp_path / "run" / "log.csv")
    column, other = "val_energy_mae_mev", "val_forces_mae_mev_per_ang"
    if there == "forces":
        column, other = other, column
    assert log["step"].tolist() == [10, 20, 30, 40]
    assert log[column].notna().all() and log[other].isna().all()
    assert log[column].iloc[-1] < log[column].iloc[0]


def test_nothing_to_train_by_is_said(copper, tmp_path) -> None:
    with pytest.raises(InputError, match="neither energies nor forces"):
        train(
            run_config(PROTOCOL, hyperparameters=SMALL),
            *without("labels", copper, tmp_path),
            tmp_path / "r",
            "cpu",
        )


def test_a_prediction_that_is_not_finite_in_validation_names_structure_and_atom(
    copper, tmp_path, monkeypatch
) -> None:
    forward = LEIGNN.forward

    def broken(self, batch):
        output = forward(self, batch)
        if not self.training:
            output["forces"] = output["forces"].index_fill(0, torch.tensor([8 + 5]), torch.nan)
        return output

    monkeypatch.setattr(LEIGNN, "forward", broken)
    with pytest.raises(RunFailedError, match="atom 5 of cu/41 is .*nan.*, in validation after step 10"):
        train(run_config(PROTOCOL, hyperparameters=SMALL), *copper, tmp_path / "run", "cpu")
