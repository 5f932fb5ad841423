"""Run folders as `train` and `score` write them, made by hand, and the tables that are built from them."""

from pathlib import Path

import pandas as pd
import yaml

from leignn.config.result import Table
from leignn.config.run import RunConfig, resolve_run
from leignn.files import read_json, write_json
from leignn.provenance import sha256
from leignn.report.runs import load_runs
from leignn.report.tables.build import build_table
from leignn.report.tables.published import load_published
from leignn.report.tables.read import declared_table
from leignn.resources import config_file

SPLITS = ["id", "ood_ads", "ood_cat", "ood_both"]


def run_config(training: dict | None = None, **changes) -> RunConfig:
    """The configuration of a small LEIGNN on the stand-in, with ``changes`` of its keys."""
    content = resolve_run("oc20_standin", "leignn", "smoke", 0, {"training": training or {}}).plain()
    return RunConfig.checked(content | changes, "test")


def make_run(
    folder: Path,
    model: str,
    title: str,
    seed: int = 0,
    energy: float = 100.0,
    published_as: str | None = None,
    **changes,
) -> Path:
    """A run's folder as ``train`` and ``score`` write it, with the same numbers in every split."""
    run = folder / "results" / "runs" / "data" / "mini" / model / f"seed{seed}"
    run.mkdir(parents=True)
    stand_in = published_as is None
    info = {"title": "Some <data>", "stand_in": stand_in, "level": "none", "energy_name": "energy"}
    info["published_as"] = published_as
    config = run_config(dataset="data", scale="mini", model=model, seed=seed, title=title, dataset_info=info)
    split = {
        "structures": 5,
        "energy_count": 4,
        "energy_mae_mev": energy,
        "forces_count": 60,
        "forces_mae_mev_per_ang": energy / 2,
        "forces_cosine": 0.5,
        "efwt_percent": 0.0,
        "zero_forces_mae_mev_per_ang": 200.0,
        "mean_energy_mae_mev": 900.0,
    }
    metrics = {
        "schema": 1,
        **config.identity,
        "stand_in": stand_in,
        "status": "ok",
        "message": "",
        "parameters": 1234,
        "train_structures": 10,
        "train_seconds": 1.0,
        "steps": 20,
        "best_step": 20,
        "splits": {name: split for name in SPLITS},
    } | changes
    log = pd.DataFrame(
        {
            "step": [10, 20],
            "val_energy_mae_mev": [200.0, energy],
            "val_forces_mae_mev_per_ang": [90.0, energy / 2],
        }
    )
    (run / "config.yaml").write_text(yaml.safe_dump(config.plain()))
    write_json(run / "metrics.json", metrics)
    log.to_csv(run / "log.csv", index=False)
    record = {
        "command": "python -m leignn train",
        "git_commit": "abc",
        "git_dirty": False,
        **dict.fromkeys(("packages", "hardware", "data"), {}),
        **dict.fromkeys(("python", "platform", "started", "finished"), "1"),
        "files": {"log.csv": sha256(run / "log.csv")},
    }
    write_json(run / "provenance.json", record)
    return run


def member(folder: Path, molecule: str, model: str, title: str, family: str = "rMD17", **changes) -> Path:
    """A run on one molecule, with its one test split."""
    run = make_run(folder / molecule, model, title, **changes)
    config, metrics = (
        yaml.safe_load((run / "config.yaml").read_text()),
        read_json(run / "metrics.json"),
    )
    config["dataset"] = metrics["dataset"] = f"set_{molecule}"
    config["dataset_info"] |= {"published_as": family, "stand_in": False, "member": molecule}
    metrics["splits"] = {"test": metrics["splits"]["id"]}
    (run / "config.yaml").write_text(yaml.safe_dump(config))
    write_json(run / "metrics.json", metrics)
    return run


def declared(name: str) -> Table:
    """What ``config/results`` says of a table."""
    return declared_table(config_file(f"results/{name}.yaml"))


def published(name: str) -> pd.DataFrame:
    """The published values of a table."""
    return load_published(config_file(f"published/{name}.csv"), declared(name))


def table_of(runs: list[Path], name: str = "table1") -> pd.DataFrame:
    """A table of run folders, its index the models."""
    return build_table(declared(name), published(name), load_runs(runs), []).set_index("model")


def build_arguments(name: str, runs: list[Path], output: Path) -> list[str]:
    """The command that builds a table."""
    files = ["--declaration", str(config_file(f"results/{name}.yaml"))]
    files += ["--published", str(config_file(f"published/{name}.csv"))]
    return [
        "build-table",
        *files,
        "--metrics",
        *(str(run / "metrics.json") for run in runs),
        "--output",
        str(output),
    ]
