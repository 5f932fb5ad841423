"""The comparison past the paper: means over seeds, against numbers by hand."""

from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import yaml
from made_runs import make_run

from leignn import cli
from leignn.config.dataset import load_dataset
from leignn.files import read_json, write_json
from leignn.md.limitations import COLUMNS
from leignn.plan import Plan
from leignn.resources import config_file


def run_on(folder: Path, dataset: str, model: str, title: str, seed: int, energy: float) -> Path:
    run = make_run(folder / dataset, model, title, seed=seed, energy=energy)
    config, metrics = yaml.safe_load((run / "config.yaml").read_text()), read_json(run / "metrics.json")
    config["dataset"] = metrics["dataset"] = dataset
    (run / "config.yaml").write_text(yaml.safe_dump(config))
    scored = metrics["splits"]["id"]
    metrics["splits"] = {"val": scored | {"energy_mae_mev": 0.0}, "id": scored}
    write_json(run / "metrics.json", metrics)
    return run


def limitations(path: Path, title: str, seed: int, drifts: dict, couplings: dict, **about) -> Path:
    rows = [{"experiment": "nve_drift", "timestep_fs": t, "value": v} for t, v in drifts.items()]
    rows += [{"experiment": "pair_energy", "separation_ang": s, "value": v} for s, v in couplings.items()]
    known = {"model": title, "seed": seed, "status": "ok", "dataset": "slabs"}
    table = pd.DataFrame(rows).assign(**known | about)
    table.reindex(columns=COLUMNS).to_csv(path, index=False)
    return path


@pytest.fixture
def compared(tmp_path):
    """Arguments: LEIGNN with two seeds on slabs and one on the melt, PaiNN on the slabs alone."""
    runs = [
        run_on(tmp_path, "slabs", "leignn", "LEIGNN", 0, 100.0),
        run_on(tmp_path, "slabs", "leignn", "LEIGNN", 1, 110.0),
        run_on(tmp_path, "melt", "leignn", "LEIGNN", 0, 30.0),
        run_on(tmp_path, "slabs", "painn", "PaiNN", 0, 80.0),
    ]
    rows = [
        limitations(tmp_path / "a.csv", "LEIGNN", 0, {2.0: 9.0, 1.0: -4.0}, {4.0: 50.0, 50.0: -2.0}),
        limitations(tmp_path / "b.csv", "LEIGNN", 1, {2.0: 9.0, 1.0: 8.0}, {4.0: 50.0, 50.0: 4.0}),
        limitations(tmp_path / "c.csv", "PaiNN", 0, {1.0: np.nan}, {}),
        limitations(tmp_path / "d.csv", "LEIGNN", 0, {0.5: 70.0}, {}, dataset="melt"),
    ]
    cost = {"title": "LEIGNN", "train_ms": 5.0, "train_ms_stderr": 0.5, "train_memory_mb": 8.0,
            "inference_ms": 1.0, "inference_ms_stderr": 0.1, "inference_memory_mb": 2.0,
            "device": "cpu", "hardware": "one", "threads": 2}  # fmt: skip
    pd.DataFrame([cost | {"title": "SchNet"}, cost]).to_csv(tmp_path / "costs.csv", index=False)
    return [
        "build-beyond", "--oc20", "slabs", "id", "--md", "melt", "id",
        "--metrics", *(str(run / "metrics.json") for run in runs),
        "--limitations", *map(str, rows), "--costs", str(tmp_path / "costs.csv"),
        "--output", str(tmp_path / "beyond.csv"),
    ]  # fmt: skip


def test_means_over_seeds_at_the_smallest_step_and_the_largest_distance(compared, tmp_path) -> None:
    assert cli.main(compared) == 0
    table = pd.read_csv(tmp_path / "beyond.csv").set_index("model")
    leignn, painn = table.loc["LEIGNN"], table.loc["PaiNN"]
    expected = {
        "oc20_energy_mev": 105.0, "oc20_energy_mev_stderr": 5.0, "oc20_forces_mev_per_ang": 52.5,
        "oc20_seeds": 2, "md_energy_mev": 30.0, "md_seeds": 1,
        "drift_mev_per_atom_ps": 6.0, "drift_mev_per_atom_ps_stderr": 2.0, "timestep_fs": 1.0,
        "coupling_mev": 3.0, "coupling_mev_stderr": 1.0, "separation_ang": 50.0,
        "train_ms": 5.0, "inference_memory_mb": 2.0,
    }  # fmt: skip
    assert leignn[list(expected)].to_dict() == pytest.approx(expected)
    assert np.isnan(leignn["md_energy_mev_stderr"])
    assert painn["oc20_energy_mev"] == 80 and painn["md_seeds"] == 0
    missing = ["md_energy_mev", "drift_mev_per_atom_ps", "coupling_mev", "train_ms"]
    assert painn[missing].isna().all()


def test_a_seed_without_a_value_and_the_error_of_a_measurement(compared, tmp_path) -> None:
    """No mean of those that are left; the size of what is zero but for its error is not taken for a drift."""
    drifts, stopped = {1.0: np.nan, 2.0: 3.0}, "1 of 3 stopped: an atom left"
    limitations(tmp_path / "b.csv", "LEIGNN", 1, drifts, {50.0: 4.0}, status=stopped)
    assert cli.main(compared) == 0
    row = pd.read_csv(tmp_path / "beyond.csv").set_index("model").loc["LEIGNN"]
    assert np.isnan(row["drift_mev_per_atom_ps"]) and row["status"] == stopped and row["coupling_mev"] == 3

    limitations(tmp_path / "a.csv", "LEIGNN", 0, {1.0: -0.3}, {50.0: -2.0}, stderr=0.3)
    limitations(tmp_path / "b.csv", "LEIGNN", 1, {1.0: 0.1}, {50.0: 4.0}, stderr=0.4)
    assert cli.main(compared) == 0
    row = pd.read_csv(tmp_path / "beyond.csv").set_index("model").loc["LEIGNN"]
    assert row["drift_mev_per_atom_ps"] == pytest.approx(0.2)
    assert row["drift_mev_per_atom_ps_stderr"] == pytest.approx(np.hypot(0.1, 0.5 / 2))


def test_its_figure_and_what_it_does_not_take(compared, tmp_path, capsys) -> None:
    assert cli.main(compared) == 0
    declaration = str(config_file("results/beyond.yaml"))
    plot = ["plot-beyond", "--declaration", declaration, "--table", str(tmp_path / "beyond.csv")]
    assert cli.main([*plot, "--output", str(tmp_path / "beyond.svg")]) == 0
    text = (tmp_path / "beyond.svg").read_text(encoding="utf-8")
    assert "PaiNN" in text and text.count("not measured") == 8
    split = ["other" if word == "id" else word for word in compared]
    assert cli.main(split) == 2
    assert "has no split 'other'" in capsys.readouterr().err
    data = ["third" if word == "melt" else word for word in compared]
    assert cli.main(data) == 2
    assert "runs are of melt, neither slabs nor third" in capsys.readouterr().err


def test_the_declared_data_sets_are_of_the_two_kinds() -> None:
    for scale in ("smoke", "mini", "hour", "paper"):
        slabs, trajectory = map(load_dataset, Plan.of({"scale": scale}).compared)
        assert slabs.benchmark == "oc20" and trajectory.md is not None
