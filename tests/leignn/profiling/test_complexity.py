"""Counts against arithmetic, memory against known sizes, and the command from stores to figure."""

import json
from functools import partial
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import torch
import yaml
from ase.build import bulk
from conftest import make_batch
from torch import nn

from leignn.backend import compiled
from leignn.cli import main
from leignn.config.run import resolve_run
from leignn.data.store import write_store
from leignn.data.structure import Structure
from leignn.graph import GraphSpec
from leignn.model import LEIGNN, RadialBasis
from leignn.potential import EnergyPotential
from leignn.profiling.complexity import sizes_of
from leignn.profiling.flops import dispatched_flops, energy_flops, opcounter_macs, why_they_differ
from leignn.profiling.measure import Timing, interleaved, peak_memory
from leignn.profiling.profiled import Profiled, too_large
from leignn.report.tables.read import declared_table, read_table
from leignn.resources import CONFIG

PROTOCOL = {"evaluate_every": 20, "max_steps": 20, "batch_size": 4}


class Products(EnergyPotential):
    """A model whose operations can be counted by hand: 3 → 8 twice, once as a layer and once not."""

    def __init__(self, again: bool) -> None:
        super().__init__()
        self.layer = nn.Linear(3, 8, bias=False)
        if again:
            self.alias = nn.Sequential(self.layer)

    def energies(self, batch) -> torch.Tensor:
        return (self.layer(batch.pos) * (batch.pos @ self.layer.weight.T)).sum()[None]


@pytest.mark.parametrize("again", [False, True])
def test_operations_are_those_of_arithmetic(again) -> None:
    atoms, model = bulk("Cu", cubic=True), Products(again).double()
    batch = make_batch([atoms], None)
    product = len(atoms) * 3 * 8
    macs, why = opcounter_macs(model, batch)
    assert (macs, why) == (product * (4 if again else 1), "")
    assert energy_flops(model, batch) == 2 * 2 * product
    model.eval()
    total = dispatched_flops(lambda: model(batch))
    assert total == 2 * 4 * product  # the gradient with respect to positions: as many again
    note = why_they_differ(model, macs, 4 * product, total)
    assert "50% of all" in note and ("two names" if again else "0.50 of the products") in note
    assert dispatched_flops(lambda: model(batch)) == total  # the hooks of the counter have gone


DECLARATION = CONFIG / "results/complexity.yaml"


def test_operations_of_leignn_are_those_of_its_layers() -> None:
    model = LEIGNN(GraphSpec(4.0, 12), hidden_channels=16, num_layers=2, num_rbf=8)
    batch = make_batch([bulk("Cu", cubic=True)], model.graph)
    batch.pos, batch.cell = batch.pos.float(), batch.cell.float()
    with torch.no_grad():
        total = dispatched_flops(lambda: model(batch))
    assert why_they_differ(model, opcounter_macs(model, batch)[0], total, total) == ""


def test_peak_memory_is_that_of_tensors_alive_together() -> None:
    def work() -> None:
        first = torch.zeros(250_000)
        second = torch.zeros(500_000)
        del first
        third = torch.zeros(125_000)
        del second, third

    assert peak_memory(work, "cpu") == 4 * 750_000


def test_functions_take_turns_after_a_warm_up() -> None:
    """By a clock that goes on only while a function runs."""
    calls, now = [], 0.0
    durations = {"slow": [9.0, 1.0, 2.0, 8.0, 3.0, 4.0, 9.0, 5.0, 1.0], "fast": [0.5] * 9}

    def work(name: str) -> None:
        nonlocal now
        now += durations[name][calls.count(name)]
        calls.append(name)

    functions = {name: partial(work, name) for name in durations}
    ended = []
    timings = interleaved(functions, "cpu", 2, 3, 99, 2, finish=ended.append, clock=lambda: now)
    assert calls == [*["slow"] * 3, *["fast"] * 3] * 3 and ended == ["slow", "fast"] * 3
    # 1 2, 3 4, 5 1 without the first of each turn: the quartiles are 1.25 and 3.75
    error = 1.25 * 2.5 / (1.35 * 6**0.5)
    assert timings["slow"] == Timing(2.5, 1.25, 3.75, 1.0, pytest.approx(error), 6)
    assert timings["fast"] == Timing(0.5, 0.5, 0.5, 0.5, 0.0, 6)

    calls.clear()  # two rounds take 30 s: a third would end after 45 s, as they go
    assert interleaved(functions, "cpu", 2, 3, 44, 2, clock=lambda: now)["slow"].repeats == 4
    calls.clear()
    assert interleaved(functions, "cpu", 2, 3, 46, 2, clock=lambda: now)["slow"].repeats == 6
    calls.clear()
    assert interleaved(functions, "cpu", 1, 2, 0, clock=lambda: now)["slow"].repeats == 1


def test_the_first_turn_can_be_warmed_up_by_something_else() -> None:
    calls, now = [], 0.0

    def work(name: str, duration: float) -> None:
        nonlocal now
        now += duration
        calls.append(name)

    functions = {name: partial(work, name, 1.0) for name in ("one", "other")}

    def begin(name: str) -> None:
        work(f"begin {name}", 100.0)

    # The first round takes 2 s, and the second would end after 4 s: what begins is in neither.
    timings = interleaved(functions, "cpu", 1, 2, 5, begin=begin, clock=lambda: now)
    assert calls == ["begin one", "one", "begin other", "other", "one", "one", "other", "other"]
    assert timings["one"] == Timing(1.0, 1.0, 1.0, 1.0, 0.0, 2)


def test_the_error_of_a_median_is_its_scatter() -> None:
    """Of medians of many normal samples."""
    generator = np.random.default_rng(0)
    samples = generator.normal(10.0, 1.0, (400, 50))
    errors = [Timing.of(sample).error for sample in samples]
    assert np.mean(errors) == pytest.approx(np.median(samples, axis=1).std(), rel=0.1)
    assert np.isnan(Timing.of([1.0]).error)


def test_points_too_large_are_not_tried() -> None:
    assert too_large(4.0, 0.2, 1e3, 1.0, "cpu") == ""
    assert "2.0 s" in too_large(10.0, 0.2, 1e3, 1.0, "cpu")
    assert "GB" in too_large(10.0, 0.01, 1e15, 1.0, "cpu")


def test_models_without_anything_to_train(copper: tuple[Path, Path], tmp_path: Path, capsys) -> None:
    stores, splits = copper
    arguments = [
        "profile", "--dataset", "oc20_standin", "--models", "trivial", "--scales", "smoke", "--settings",
        json.dumps({"training": PROTOCOL}), "--stores", str(stores), "--splits", str(splits), "--published",
        str(CONFIG / "published/complexity.csv"), "--output", str(tmp_path / "c.csv"), "--device", "cpu",
    ]  # fmt: skip
    assert main(arguments) == 2
    assert "no model of trivial can be profiled: nothing to train" in capsys.readouterr().err
    assert not (tmp_path / "c.csv").exists()


def test_profile_and_plot(copper: tuple[Path, Path], tmp_path: Path, capsys) -> None:
    stores, splits = copper
    published = tmp_path / "published.csv"
    published.write_text("model,times_leignn,source\nSchNet,7,this test\n")
    models = [str(CONFIG / f"models/{name}.yaml") for name in ("trivial", "schnet", "cgcnn", "leignn")]
    arguments = [
        "profile", "--dataset", str(CONFIG / "datasets/oc20_standin.yaml"), "--models", *models,
        "--scales", "smoke", "--settings", json.dumps({"training": PROTOCOL}), "--stores", str(stores),
        "--splits", str(splits), "--published", str(published), "--output", str(tmp_path / "c.csv"),
        "--device", "cpu", "--batch-size", "2", "--seconds", "0", "--longest", "0", "--left-out", "cgcnn",
    ]  # fmt: skip
    assert main(arguments) == 0
    table = read_table(tmp_path / "c.csv", declared_table(DECLARATION))
    rows = table[table["point"] == "training structures"]
    assert list(rows["title"]) == ["CGCNN", "SchNet", "LEIGNN", "LEIGNN (plain)"]  # trivial: nothing to train
    assert list(rows["form"]) == ["only", "only", "accelerated", "plain"]
    left_out, rows = rows.iloc[0], rows.iloc[1:]
    assert "left out" in left_out["status"] and np.isnan(left_out["train_ms"])
    plain, rows = rows.iloc[2], rows.iloc[:2].set_index("model")
    for same in ("parameters", "inference_gflop", "opcounter_gmac"):
        assert plain[same] == rows.loc["leignn", same]
    assert rows.loc["leignn", "train_ratio"] == 1
    ratio = rows.loc["schnet", "inference_ms"] / rows.loc["leignn", "inference_ms"]
    assert rows.loc["schnet", "inference_ratio"] == pytest.approx(ratio, rel=1e-4)
    assert rows.loc["schnet", "published_ratio"] == 7 and np.isnan(rows.loc["leignn", "published_ratio"])
    np.testing.assert_allclose(rows["train_epoch_s"], rows["train_ms"] * 40 / 1e3, rtol=1e-4)
    assert (rows["train_ms_low"] <= rows["train_ms"]).all() and (rows["train_repeats"] == 4).all()
    relative = rows["train_ms_stderr"] / rows["train_ms"]
    error = rows.loc["schnet", "train_ratio"] * np.hypot(*relative)
    assert rows.loc["schnet", "train_ratio_stderr"] == pytest.approx(error, rel=1e-4)
    assert rows.loc["leignn", "train_ratio_stderr"] == 0
    assert (rows["train_gflop"] > rows["inference_gflop"]).all()
    sizes = table[table["point"] == "atoms"].groupby("title")["atoms"].apply(list)
    assert sizes["LEIGNN"] == [64, 256, 1008, 4000, 9984]
    largest = table[table["atoms"] == 9984]
    assert largest["status"].str.startswith("not tried").all() and largest["inference_ms"].isna().all()
    assert table.loc[table["point"] == "neighbors", "neighbors"].max() > 70

    figure = ["plot-complexity", "--declaration", str(DECLARATION), "--table", str(tmp_path / "c.csv")]
    figure += ["--output", str(tmp_path / "c.svg")]
    assert main(figure) == 0
    assert "SchNet" in (tmp_path / "c.svg").read_text()

    wrong = pd.read_csv(tmp_path / "c.csv").rename(columns={"train_ms": "train_s"})
    wrong.to_csv(tmp_path / "c.csv", index=False)
    assert main(figure) == 2
    assert "train_s" in capsys.readouterr().err


def test_a_model_of_two_sizes_is_profiled_in_both() -> None:
    """At the paper's scale; the configuration's set has the plain name."""

    def sizes(model: str, own: str, others: list) -> dict[str, int]:
        runs = sizes_of("oc20_200k", model, "paper", {"baselines": own}, others)
        return {run.title: run.hyperparameters.get("num_layers") for run in runs}

    both = ["paper_like", "open_catalyst"]
    assert sizes("painn", "paper_like", both) == {"PaiNN": 4, "PaiNN (open_catalyst)": 6}
    assert sizes("painn", "open_catalyst", both) == {"PaiNN": 6, "PaiNN (paper_like)": 4}
    assert sizes("painn", "paper_like", []) == {"PaiNN": 4}
    for one, title in (("leignn", "LEIGNN"), ("schnet", "SchNet")):
        assert list(sizes(one, "paper_like", both)) == [title]
    names = {
        title for model in ("mace", "dimenetpp", "gemnet_dt") for title in sizes(model, "paper_like", both)
    }
    assert {"MACE (open_catalyst)", "DimeNet++ (open_catalyst)", "GemNet-dT (open_catalyst)"} < names


def test_both_sizes_have_rows_of_their_own(copper: tuple[Path, Path], tmp_path: Path) -> None:
    """And stand beside the one value that is published."""
    stores, splits = copper
    schnet = yaml.safe_load((CONFIG / "models/schnet.yaml").read_text())
    smaller = {"source": "this test", "hyperparameters": {"smoke": {"hidden_channels": 8}}}
    schnet["benchmarks"]["oc20"]["baselines"] = {"paper_like": smaller}
    (tmp_path / "schnet.yaml").write_text(yaml.safe_dump(schnet))
    published = tmp_path / "published.csv"
    published.write_text("model,times_leignn,source\nSchNet,7,this test\n")
    arguments = [
        "profile", "--dataset", str(CONFIG / "datasets/oc20_standin.yaml"), "--models",
        str(tmp_path / "schnet.yaml"), "--scales", "smoke", "--baselines", "paper_like", "--settings",
        json.dumps({"training": PROTOCOL}), "--stores", str(stores), "--splits", str(splits), "--published",
        str(published), "--output", str(tmp_path / "c.csv"), "--device", "cpu", "--batch-size", "2",
        "--seconds", "0", "--longest", "0",
    ]  # fmt: skip
    assert main(arguments) == 0
    table = read_table(tmp_path / "c.csv", declared_table(DECLARATION))
    rows = table[table["point"] == "training structures"]
    assert list(rows["title"]) == ["SchNet", "SchNet (paper_like)"]
    for smaller_there in ("parameters", "inference_gflop"):
        assert rows[smaller_there].iloc[1] < rows[smaller_there].iloc[0]
    assert (rows["published_ratio"] == 7).all()


def test_a_plain_form_is_the_same_model_by_its_equations(copper: tuple[Path, Path]) -> None:
    """In parameters and numbers; a model without compiled parts has none."""
    stores, splits = copper
    runs = [resolve_run("oc20_standin", model, "smoke", 0) for model in ("leignn", "schnet", "mace")]
    model, *others = (Profiled(run, stores, splits, "cpu") for run in runs)
    for other in others:
        assert other.plain_form() is None and other.form == "only"
    written = model.plain_form()
    assert written is not None and (model.form, written.form) == ("accelerated", "plain")
    assert type(written.potential.radial_basis) is RadialBasis
    assert type(model.potential.radial_basis) is not RadialBasis
    batch = model.frames[range(2)]
    with torch.no_grad(), compiled(True):
        expected, found = written.potential(batch), model.potential(batch)
    torch.testing.assert_close(found["forces"], expected["forces"], rtol=1e-4, atol=1e-6)

    before = [parameter.clone() for parameter in written.parameters]
    written.training_step(batch)
    assert all(map(torch.equal, before, written.parameters))  # a rate of zero
    assert written.optimizer.state and not model.optimizer.state
    written.release()
    assert not written.optimizer.state and all(p.grad is None for p in written.parameters)


def test_a_batch_is_of_structures_of_the_mean_size(tmp_path: Path) -> None:
    """Of 4, 8, 12 and 40 atoms, 16 on average."""
    cells = [bulk("Cu", cubic=True).repeat((count, 1, 1)) for count in (10, 1, 3, 2)]
    structures = [Structure.from_atoms(atoms, "cu", number) for number, atoms in enumerate(cells)]
    write_store(tmp_path / "all", [structures], {})
    rows = {"part": "all", "index": range(4), "system_id": "cu", "frame": range(4)}
    pd.DataFrame(rows).to_csv(tmp_path / "train.csv", index=False)
    model = Profiled(resolve_run("oc20_standin", "schnet", "smoke", 0), tmp_path, tmp_path, "cpu")
    assert model.batch(2).natoms.tolist() == [12, 8]
    assert sorted(model.batch(9).natoms.tolist()) == [4, 8, 12, 40]
