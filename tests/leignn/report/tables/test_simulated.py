"""Table 3 from made-up results whose means are known."""

from pathlib import Path

import pandas as pd
import pytest
import yaml
from made_runs import run_config

from leignn.cli import main
from leignn.errors import InputError
from leignn.files import read_json, write_json
from leignn.report.page.grid import grids_of
from leignn.report.tables.read import declared_table, read_table
from leignn.resources import config_file

DECLARATION, PUBLISHED = config_file("results/table3.yaml"), config_file("published/table3.csv")


def run(folder: Path, title: str, forces: float | None, simulations: list[dict], published_as=None) -> None:
    """A run's files; ``forces`` None is a failed one."""
    names = {"dataset": "melt", "scale": "mini", "model": title.lower(), "seed": 0}
    info = {"title": "Melt", "stand_in": published_as is None, "published_as": published_as}
    folder.mkdir(parents=True)
    config = run_config(**names, title=title, dataset_info={"level": "", "energy_name": "", **info})
    (folder / "config.yaml").write_text(yaml.safe_dump(config.plain()))
    errors = {
        "structures": 4, "energy_count": 4, "energy_mae_mev": 1.0, "forces_count": 12,
        "forces_mae_mev_per_ang": forces, "forces_cosine": 1.0, "efwt_percent": 0.0,
        "zero_forces_mae_mev_per_ang": 9.0,
    }  # fmt: skip
    status, message = ("failed", "its loss is NaN") if forces is None else ("ok", "")
    metrics = {
        "schema": 1, **names, "title": title, "stand_in": info["stand_in"],
        "status": status, "message": message,
        "parameters": 7, "train_structures": 4, "train_seconds": 1.0, "steps": 1, "best_step": 1,
        "splits": {} if forces is None else {"test": errors},
    }  # fmt: skip
    write_json(folder / "metrics.json", metrics)
    for number, values in enumerate(simulations):
        content = {"schema": 1, **names, "title": title, "stand_in": info["stand_in"], "analysis": {}}
        content["dataset_title"] = info["title"]
        path = folder / "md" / f"start{number}"
        path.mkdir(parents=True)
        write_json(path / "observables.json", content | values)


def outcome(status: str = "finished", time: float = 10.0) -> dict:
    return {"outcome": {"status": status, "reason": "", "time_ps": time, "ns_per_day": 2.0}}


@pytest.fixture
def results(tmp_path) -> Path:
    good = {"temperature_mean_k": 1500.0, "pair_distances_mae": 0.1}
    run(
        tmp_path / "a", "LEIGNN", 10.0,
        [
            outcome() | good | {"stability_ps": 10.0, "rdf_mae": 0.2, "diffusivity_error": 1.0},
            outcome("stopped", 4.0) | good | {"stability_ps": 4.0, "rdf_mae": 0.6},
        ],
    )  # fmt: skip
    run(tmp_path / "b", "SchNet", 20.0, [outcome() | good | {"stability_ps": 9.0, "rdf_mae": 0.3}])
    run(tmp_path / "c", "NequIP", None, [outcome("failed")])
    run(tmp_path / "d", "ForceNet", 90.0, [outcome("stopped", 0.01) | {"stability_ps": 0.01}])
    return tmp_path


def build(results: Path) -> int:
    metrics = [str(p) for p in sorted(results.glob("*/metrics.json"))]
    observables = [str(p) for p in sorted(results.glob("*/md/*/observables.json"))]
    command = ["build-table", "--declaration", str(DECLARATION), "--published", str(PUBLISHED)]
    command += ["--metrics", *metrics]
    return main([*command, "--observables", *observables, "--output", str(results / "table3.csv")])


def test_means_counts_and_ranks(results) -> None:
    assert build(results) == 0
    table = pd.read_csv(results / "table3.csv").set_index("model")
    ours = table.loc["LEIGNN"]
    assert (ours["n_simulations"], ours["n_stopped"], ours["simulated_ps"]) == (2, 1, 10)
    assert ours["stability_ps"] == 7 and ours["stability_ps_stderr"] == pytest.approx(3)
    assert ours["rdf_mae"] == pytest.approx(0.4) and ours["rdf_mae_stderr"] == pytest.approx(0.2)
    assert ours["diffusivity_mae_1e-9_m2_per_s"] == 1 and ours["diffusivity_mae_1e-9_m2_per_s_count"] == 1
    # Of one simulation, or one seed, no error is known: no rank.
    assert ours["stability_ps_rank"] == 1 and ours["rdf_mae_rank"] == 1
    assert table.drop(index="LEIGNN").filter(like="_rank").isna().all(axis=None)
    at_once = table.loc["ForceNet"]
    assert (at_once["n_simulations"], at_once["n_stopped"], at_once["stability_ps"]) == (1, 1, 0.01)
    assert pd.isna(at_once["rdf_mae"])
    failed = table.loc["NequIP"]
    assert failed["status"] == "failed: its loss is NaN" and failed["n_simulations"] == 0
    assert pd.isna(failed["forces_mev_per_ang"]) and failed["forces_mev_per_ang_published"] == 3.7
    assert table.loc["DeepPot-SE", "status"] == "not run"
    assert table["forces_mev_per_ang_difference"].isna().all()  # the data are not LiPS
    text = (results / "table3.md").read_text()
    assert "| 10.0 [1.5] | 7.0 ± 3.0 [50.0] | 0.40 ± 0.20 [0.05] | 1.00 [0.21] |" in text
    assert "LEIGNN 2 of 10 ps" in text and "Stand-in: these" in text and "NequIP failed: its loss" in text
    assert "10.0 [1.5]" in (results / "table3.tex").read_text()


def test_differences_are_given_for_the_published_data_only(tmp_path) -> None:
    run(tmp_path / "a", "LEIGNN", 2.0, [outcome() | {"stability_ps": 50.0, "rdf_mae": 0.07}], "LiPS")
    assert build(tmp_path) == 0
    ours = pd.read_csv(tmp_path / "table3.csv").set_index("model").loc["LEIGNN"]
    assert ours["forces_mev_per_ang_difference"] == pytest.approx(0.5)
    assert ours["rdf_mae_difference"] == pytest.approx(0.02)


def test_observables_of_another_schema(results, capsys) -> None:
    path = results / "a" / "md" / "start0" / "observables.json"
    write_json(path, read_json(path) | {"schema": 0})
    assert build(results) == 2
    assert "a/md/start0/observables.json: schema: 1 was expected" in capsys.readouterr().err
    assert not (results / "table3.csv").exists()


def test_a_table_that_is_not_as_declared_is_no_grid_of_the_page(results) -> None:
    assert build(results) == 0
    path, declared = results / "table3.csv", declared_table(DECLARATION)
    (grid,) = grids_of(read_table(path, declared), declared, [])
    assert grid.rows[-1].label == "LEIGNN"
    pd.read_csv(path).assign(colour=1).to_csv(path, index=False)
    with pytest.raises(InputError, match=r"table3\.csv has a column 'colour'"):
        read_table(path, declared)


def test_the_only_test_split_counts_whatever_it_is_called(results, capsys) -> None:
    for path in results.glob("*/metrics.json"):
        metrics = read_json(path)
        renamed = {name.replace("test", "holdout"): split for name, split in metrics["splits"].items()}
        write_json(path, metrics | {"splits": renamed})
    assert build(results) == 0
    table = pd.read_csv(results / "table3.csv").set_index("model")
    assert table.loc["LEIGNN", "forces_mev_per_ang"] == 10.0
    path = results / "a" / "metrics.json"
    metrics = read_json(path)
    metrics["splits"]["other"] = metrics["splits"]["holdout"]
    write_json(path, metrics)
    assert build(results) == 2
    assert "has not one test split (holdout, other)" in capsys.readouterr().err
