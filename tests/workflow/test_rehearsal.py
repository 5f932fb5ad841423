"""Scale paper from download to table: every rule, every model at its published size, two steps each.

A server on this machine has the archives in their published layouts with a few small structures
(``published.py``); a user's files name it in place of the publishers (``mirror.py``). Each test can be run
alone, ``pytest -m slow tests/workflow/test_rehearsal.py -k table1``; together they share their work.
"""

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from hashlib import md5
from pathlib import Path

import pandas as pd
import pytest
import yaml

from leignn.config.model import load_model
from tests.workflow.dry_runs import PARTS, RESULTS, ROOT
from tests.workflow.mirror import place_of, served, write_configuration
from tests.workflow.published import ARCHIVES, published

pytestmark = pytest.mark.slow

MOLECULES = ["md17_ethanol", "rmd17_full_uracil"]  # of ten each, whose files are alike
# Beyond two steps and two molecules: one core, no GPU, small batches (PaiNN's of ISO17 would take 18 GB),
# one short simulation a model, few and short timings.
CONFIGURATION = {
    "scale": "paper",
    "also": ["md17", "iso17"],
    "gpu": 0,
    "results": {"md17": {"datasets": MOLECULES}},
    "training": {"max_steps": 2, "evaluate_every": 1, "batch_size": 4, "loader_workers": 0},
    "simulation": {"starts": 1, "settings": {"steps": 8, "every": 2}},
    "limitations": {"starts": 1},
    "profile": {"batch_size": 2, "seconds": 1, "longest": 0.05},
}
BUILT = {  # tables of runs, and the columns that say something after two steps
    "table1": ["id_energy_mev", "ood_both_forces_mev_per_ang"],
    "table2": ["id_energy_mev", "ood_both_forces_mev_per_ang"],
    "table3": ["forces_mev_per_ang", "stability_ps", "rdf_mae", "temperature_k"],
    "oc20_50k": ["id_energy_mev", "ood_both_forces_mev_per_ang"],
    "iso17": ["test_within_energy_mev", "test_other_forces_mev_per_ang"],
}
OTHER_SIZES = ["mace", "painn", "painn_direct", "dimenetpp", "gemnet_dt"]  # that scale paper's set changes


@dataclass
class User:
    """Who has a mirror: a folder, and what the mirror is, has, and was asked for."""

    folder: Path
    url: str
    files: dict[str, bytes]
    asked: list[str]

    def make(self, *targets: str) -> None:
        """Run the workflow on one core, as the README has it for a folder elsewhere."""
        where = ["-s", str(ROOT / "Snakefile"), "-d", str(self.folder), "--configfile", "mine.yaml"]
        done = subprocess.run(
            [sys.executable, "-m", "snakemake", "--cores", "1", *where, "--", *targets],
            cwd=self.folder,
            capture_output=True,
            text=True,
            env=os.environ | {"NO_PROXY": "127.0.0.1", "OMP_NUM_THREADS": "1"},
        )
        assert done.returncode == 0, done.stdout[-3000:] + done.stderr[-3000:]

    def table(self, name: str) -> pd.DataFrame:
        return pd.read_csv(self.folder / "results" / f"{name}.csv")


@pytest.fixture(scope="module")
def user(tmp_path_factory) -> Iterator[User]:
    files = published(tmp_path_factory.mktemp("files"))
    folder = tmp_path_factory.mktemp("paper")
    with served(files) as (url, asked):
        write_configuration(folder, url, files)
        (folder / "mine.yaml").write_text(yaml.safe_dump(CONFIGURATION))
        yield User(folder, url, files, asked)


def titles(name: str) -> set[str]:
    return {load_model(model).title for model in RESULTS[name].models_at("paper")}


def test_every_download_says_what_came_from_where(user) -> None:
    parts = yaml.safe_load((ROOT / "config/datasets/oc20_200k.yaml").read_text())["parts"]
    folders = {f"data/raw/oc20_200k/{part}": place_of(entry["url"]) for part, entry in parts.items()}
    for name, archive in ARCHIVES.items():
        folders[f"data/archives/{name}"] = place_of(archive.get("url", "zenodo"))
    # Two answer with no file, so that the next place is asked; a record, with the file that has the members.
    folders["data/archives/rmd17"] = "ndownloader.figshare.com/files/23950376"
    folders["data/archives/lips"] = "zenodo.org/api/records/7196767/files/lips.xyz/content"
    folders |= {
        f"data/archives/{name}": "zenodo.org/api/records/10208201/files/MD.zip/content"
        for name in ("h2o", "ch4")
    }
    assert len(folders) == PARTS + len(ARCHIVES)
    user.make(*folders)
    for folder, place in folders.items():
        found = json.loads((user.folder / folder / "download.json").read_text())
        assert found["url"] == f"{user.url}/{place}"
        assert found["md5"] == md5(user.files[place]).hexdigest()
        assert len(list((user.folder / folder).iterdir())) > 1
    assert (
        place_of(ARCHIVES["rmd17"]["url"]) in user.asked and place_of(ARCHIVES["lips"]["url"]) in user.asked
    )


@pytest.mark.parametrize("name", BUILT)
def test_every_model_has_its_row(user, name) -> None:
    user.make(f"results/{name}.csv")
    table = user.table(name)
    rows = table[(table.scale == "paper") & table.steps.notna()]  # the others compare
    datasets = RESULTS[name].datasets_at("paper") or RESULTS[name].on_request["paper"]
    assert set(rows.dataset) == set(datasets)
    for _, own in rows.groupby("dataset"):
        assert set(own.model) == titles(name) and len(own) == len(titles(name))
    check(rows, BUILT[name])


def test_molecules_of_both_publishers_have_their_rows(user) -> None:
    user.make("results/md17.csv")
    table = user.table("md17")
    for published_as, molecule in (("MD17", "ethanol"), ("rMD17", "uracil")):
        rows = table[(table.scale == "paper") & (table.dataset == published_as) & table.steps.notna()]
        assert set(rows.model) == titles("md17") and len(rows) == len(titles("md17"))
        check(rows, [f"{molecule}_energy_mev", f"{molecule}_forces_mev_per_ang"])


def check(rows: pd.DataFrame, columns: list[str]) -> None:
    """Every row has its numbers, of two steps but for what trains none."""
    assert (rows.status == "ok").all(), rows[["model", "status"]].to_string()
    assert rows[columns].notna().all(axis=None), rows[["model", *columns]].to_string()
    assert set(rows.steps) <= {0, 2}


def test_limitations_are_measured(user) -> None:
    user.make("results/limitations.csv")
    table = user.table("limitations")
    for names, experiments in (("drift", ["nve_drift"]), ("separation", ["pair_energy", "pair_forces"])):
        models = {load_model(model).title for model in RESULTS["limitations"].measured_at("paper", names)}
        for experiment in experiments:
            assert set(table.model[table.experiment == experiment]) == models
    # After two steps a simulation may end early, and says so.
    assert not table.status.str.startswith("failed").any(), table.status.unique()
    assert table.value[table.status == "ok"].notna().all()


def test_everything_else(user) -> None:
    """Figures, claims, what goes past the paper, and the page: `make paper` with what is on request."""
    user.make()
    results = user.folder / "results"
    beyond, complexity = user.table("beyond"), user.table("complexity")
    assert set(beyond.model) == titles("beyond")
    ok = beyond.status.eq("ok")
    assert (ok | beyond.status.str.contains("stopped: ")).all()  # as of limitations
    assert beyond[["oc20_forces_mev_per_ang", "md_forces_mev_per_ang"]].notna().all(None)
    assert beyond.drift_mev_per_atom_ps.notna().eq(ok).all()
    rows = complexity[complexity.point == "training structures"]
    assert titles("table1") - {load_model("trivial").title} < set(rows.title)  # it has nothing to train
    others = {f"{load_model(model).title} (open_catalyst)" for model in OTHER_SIZES}
    assert {title for title in rows.title if "open_catalyst" in title} == others
    assert (rows.status == "ok").all() and rows.train_ms.notna().all()
    assert (results / "claims.csv").stat().st_size and "</html>" in (results / "index.html").read_text()
    for name, result in RESULTS.items():
        assert not result.figure or (results / f"{name}.svg").stat().st_size, name
    log = (user.folder / "results/runs/oc20_200k/paper/painn/seed0/config.yaml").read_text()
    assert yaml.safe_load(log)["hyperparameters"]["num_layers"] == 4  # scale paper's set of sizes
