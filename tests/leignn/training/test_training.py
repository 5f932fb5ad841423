"""Training: the loss, what is free and labelled, resumption to the bit, the trained potential in ASE."""

import os
import re
import shutil
import signal
import subprocess
import sys
import time

import ase.io
import numpy as np
import pandas as pd
import pytest
import torch
import yaml
from ase import Atoms
from ase.build import bulk
from ase.optimize import BFGS
from conftest import copper_frames, make_batch
from made_runs import run_config

import baselines
from baselines.trivial import MeanEnergyZeroForces
from leignn import LEIGNNCalculator, cli
from leignn.config.run import RunConfig
from leignn.config.training import Training
from leignn.data.frames import Frames, ShuffledBatches
from leignn.data.store import write_store
from leignn.errors import InputError, RunFailedError
from leignn.evaluation.predict import predict
from leignn.report.runs import load_run
from leignn.trained import load_trained, potential_of
from leignn.training.callbacks import ExponentialMovingAverage
from leignn.training.loss import absolute_errors
from leignn.training.statistics import starting_point
from leignn.training.train import train

PROTOCOL = {
    "learning_rate": 3e-3,
    "min_learning_rate": 1e-5,
    "batch_size": 4,
    "energy_weight": 1,
    "forces_weight": 50,
    "clip_norm": 50,
    "evaluate_every": 20,
    "early_stopping": 20,
    "max_steps": 60,
    "plateau_patience": 0,
}
MODELS = {
    "leignn": ("leignn.model:LEIGNN", {"hidden_channels": 16, "num_layers": 2, "num_rbf": 16}),
    "schnet": (
        "baselines.schnet:SchNet",
        {"hidden_channels": 16, "num_filters": 16, "num_interactions": 2, "num_gaussians": 16},
    ),
    "trivial": ("baselines.trivial:MeanEnergyZeroForces", {}),
}


def config(model: str = "leignn", **training) -> RunConfig:
    potential, hyperparameters = MODELS[model]
    graph = {"cutoff": 5.0, "max_neighbors": 20, "rule": "strict"}
    return run_config(
        PROTOCOL | training,
        dataset="copper",
        model=model,
        seed=3,
        title=model,
        potential=potential,
        hyperparameters=hyperparameters,
        graph=graph,
    )


def test_loss_counts_free_and_labelled_atoms_only() -> None:
    structures = copper_frames()[:3]
    batch = make_batch([bulk("Cu", cubic=True).repeat((2, 1, 1))] * 3, None)
    batch.energy = torch.tensor([s.energy for s in structures], dtype=torch.float64)
    batch.forces = torch.tensor(np.concatenate([s.forces for s in structures])).double()
    batch.fixed = torch.tensor(np.concatenate([s.fixed for s in structures]))
    output = {"energy": torch.zeros(3).double(), "forces": torch.zeros_like(batch.forces)}
    errors = absolute_errors(output, batch, energy_shift=1.0)
    assert (errors.energy_count, errors.forces_count) == (2, 2 * 7 * 3)
    by_hand = np.mean([abs(s.energy - 1.0) for s in structures[1:]])
    assert errors.energy.item() == pytest.approx(by_hand)
    forces = np.concatenate([structures[0].forces[1:], structures[2].forces[1:]])
    assert errors.forces.item() == pytest.approx(np.abs(forces).mean(), rel=1e-6)


def test_a_batch_without_labels_has_no_loss() -> None:
    batch = make_batch([bulk("Cu")], None)
    output = {"energy": torch.ones(1, requires_grad=True), "forces": torch.ones(1, 3, requires_grad=True)}
    errors = absolute_errors(output, batch, 0.0)
    assert errors.energy.item() == errors.forces.item() == 0
    assert errors.energy_count == errors.forces_count == 0


def test_batches_are_a_stream_of_permutations() -> None:
    batches = ShuffledBatches(size=10, batch_size=3, steps=5, seed=0)
    stream = []
    for block in range(4):
        batches.set_epoch(block)
        assert len(list(batches)) == len(batches) == 5
        stream += [i for batch in batches for i in batch]
    passes = np.array(stream).reshape(6, 10)
    for one in passes:
        assert sorted(one) == list(range(10))
    assert (passes[0] != passes[1]).any()
    halves = [ShuffledBatches(10, 3, 5, 0, rank, 2) for rank in (0, 1)]
    both = [batch for pair in zip(*halves, strict=True) for batch in pair]
    assert [i for batch in both for i in batch] == stream[:30]


def test_moving_average_against_its_recursion() -> None:
    net = torch.nn.Linear(2, 1, bias=False)
    average = torch.optim.swa_utils.AveragedModel(net, **ExponentialMovingAverage(0.999)._kwargs)
    expected = None
    for n in range(30):
        with torch.no_grad():
            net.weight.fill_(float(n * n))
        average.update_parameters(net)
        decay = min(0.999, (1 + n) / (10 + n))
        expected = float(n * n) if expected is None else decay * expected + (1 - decay) * n * n
    assert average.module.weight[0, 0].item() == pytest.approx(expected, rel=1e-5)


@pytest.mark.parametrize("model", ["leignn", "schnet"])
def test_training_beats_the_trivial_predictor_and_runs_in_ase(copper, tmp_path, model) -> None:
    stores, splits = copper
    errors = {}
    for name in (model, "trivial"):
        run = config(name, max_steps=200)
        potential, train_frames, shift = starting_point(run, stores, splits)
        statistics = potential.compute_statistics(train_frames, shift)
        train(run, stores, splits, tmp_path / name, "cpu", statistics)
        errors[name] = pd.read_csv(tmp_path / name / "log.csv").iloc[-1]
    for quantity in ("val_energy_mae_mev", "val_forces_mae_mev_per_ang"):
        assert errors[model][quantity] < 0.7 * errors["trivial"][quantity]

    calculator = LEIGNNCalculator(tmp_path / model / "checkpoint.pt")
    trained = load_trained(tmp_path / model / "checkpoint.pt")
    test_frames = Frames(stores, splits / "test.csv", trained.graph)
    energy, forces = predict(trained, test_frames, 3, "cpu")
    structure = test_frames.structure(1)
    atoms = Atoms(
        structure.atomic_numbers, structure.pos, cell=structure.cell, pbc=True, calculator=calculator
    )
    assert atoms.get_potential_energy() == pytest.approx(energy[1], abs=1e-4)
    np.testing.assert_allclose(atoms.get_forces(), forces[8:16], atol=1e-4)
    before = np.abs(atoms.get_forces()).max()
    BFGS(atoms, logfile=None).run(fmax=0.05, steps=15)
    assert np.abs(atoms.get_forces()).max() < before


def test_the_kept_weights_are_the_averaged_ones_that_were_validated(copper, tmp_path) -> None:
    """What ``predict`` sees has the log's best error, at a rate at which the raw weights have not."""
    stores, splits = copper
    train(config(learning_rate=1e-2, plateau_patience=9), stores, splits, tmp_path, device="cpu")
    trained = load_trained(tmp_path / "checkpoint.pt", "cpu")
    frames = Frames(stores, splits / "val.csv", trained.graph)
    forces = predict(trained, frames, 4, "cpu")[1]
    labels = frames[list(range(len(frames)))]
    error = np.abs(forces - labels.forces.numpy())[~labels.fixed.numpy()].mean()
    best = pd.read_csv(tmp_path / "log.csv")["val_forces_mae_mev_per_ang"].min()
    assert 1e3 * error == pytest.approx(best, rel=1e-4)


@pytest.mark.parametrize("precision", ["64-true", "bf16-mixed"])
def test_other_precisions_follow_the_default(copper, tmp_path, precision) -> None:
    logs = {}
    for name in ("32-true", precision):
        train(config(precision=name, learning_rate=3e-4, max_steps=20), *copper, tmp_path / name, "cpu")
        logs[name] = pd.read_csv(tmp_path / name / "log.csv")["val_forces_mae_mev_per_ang"].iloc[-1]
    assert logs[precision] == pytest.approx(logs["32-true"], rel=0.02)
    assert logs[precision] != logs["32-true"]


def test_forces_of_schnet_are_the_gradient_of_its_energy(copper) -> None:
    torch.manual_seed(0)
    potential = potential_of(config("schnet")).double().eval()
    atoms = bulk("Cu", cubic=True).repeat((2, 1, 1))
    atoms.rattle(0.1, seed=0)

    def energy(displacement: float) -> float:
        moved = atoms.copy()
        moved.positions[2, 1] += displacement
        return potential(make_batch([moved], potential.graph))["energy"].item()

    force = potential(make_batch([atoms], potential.graph))["forces"][2, 1].item()
    assert force == pytest.approx(-(energy(1e-4) - energy(-1e-4)) / 2e-4, rel=1e-5)


def test_energies_relative_to_the_training_mean(copper, tmp_path) -> None:
    stores, splits = copper
    run = config("trivial", energy_target="minus_train_mean")
    potential, train_frames, shift = starting_point(run, stores, splits)
    statistics = potential.compute_statistics(train_frames, shift)
    train(run, stores, splits, tmp_path / "run", "cpu", statistics)
    trained = load_trained(tmp_path / "run" / "checkpoint.pt")
    expected = np.nanmean([s.energy for s in copper_frames()[:40]])
    assert trained.energy_shift == pytest.approx(expected)
    energy, _ = predict(trained, Frames(stores, splits / "test.csv", None), 2, "cpu")
    np.testing.assert_allclose(energy, expected, rtol=1e-12)


COMMAND = """
import sys
from pathlib import Path
from leignn.config.run import load_run_config
from leignn.config.training import Training
from leignn.training.statistics import starting_point
from leignn.training.train import train
import torch
torch.set_num_threads(1)
Training.checkpoint_every = 50
folder = Path(sys.argv[1])
config = load_run_config(folder)
train(config, Path(sys.argv[2]), Path(sys.argv[3]), folder, "cpu")
"""


def test_a_killed_run_resumes_to_the_same_numbers(copper, tmp_path) -> None:
    """Killed by SIGKILL between checkpoints; two checkpoints an evaluation, so either may be the last."""
    settings = config(evaluate_every=100, max_steps=400, batch_size=1)
    stores, splits = copper
    results = {}
    for name in ("straight", "killed"):
        folder = tmp_path / name
        folder.mkdir()
        (folder / "config.yaml").write_text(yaml.safe_dump(settings.plain()))
        command = [sys.executable, "-c", COMMAND, str(folder), str(stores), str(splits)]
        last = folder / "resume" / "last.ckpt"
        while name == "killed":
            process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
            while not last.exists() and process.poll() is None:
                time.sleep(0.02)
            time.sleep(0.3)  # in the middle of the second block
            assert process.poll() is None
            os.kill(process.pid, signal.SIGKILL)
            process.wait()
            break
        done = subprocess.run(command, capture_output=True, text=True, check=True)
        assert ("resuming" in done.stdout) == (name == "killed")
        log = pd.read_csv(folder / "log.csv").drop(columns="seconds")
        results[name] = log, torch.load(folder / "checkpoint.pt", weights_only=True)["state_dict"]
        assert not (folder / "resume").exists()
    pd.testing.assert_frame_equal(results["straight"][0], results["killed"][0], check_exact=True)
    for name, value in results["straight"][1].items():
        assert torch.equal(value, results["killed"][1][name]), name


def test_a_diverging_run_stops_with_a_sentence(copper, tmp_path) -> None:
    with pytest.raises(RunFailedError, match="the loss is .* at step 1, batch .* cu/"):
        train(config(learning_rate=1e30, clip_norm=1e30), *copper, tmp_path / "run", "cpu")
    assert not (tmp_path / "run" / "checkpoint.pt").exists()


def test_a_failed_prediction_is_recorded_whole(copper, tmp_path, monkeypatch) -> None:
    """The second of two splits fails: no half set of predictions is left."""
    stores, splits = copper
    folder = tmp_path / "run"
    folder.mkdir()
    (folder / "config.yaml").write_text(yaml.safe_dump(config("trivial").plain()))
    train(config("trivial"), stores, splits, folder, "cpu", {"mean_energy": 1.0})
    forward, calls = MeanEnergyZeroForces.forward, []

    def refusing(self, batch):
        calls.append(len(batch.natoms))
        if len(calls) > 1:
            raise RunFailedError("element X is unknown")
        return forward(self, batch)

    monkeypatch.setattr(MeanEnergyZeroForces, "forward", refusing)
    paths = ["--run", str(folder), "--stores", str(stores), "--splits", str(splits)]
    predictions = folder / "predictions"
    predicting = ["predict", *paths, "--predict", "val", "test", "--output", str(predictions)]
    assert cli.main([*predicting, "--record-failure"]) == 0
    assert [file.name for file in predictions.iterdir()] == ["failure.txt"]
    scoring = ["score", *paths, "--predictions", str(predictions), "--output", f"{folder}/metrics.json"]
    assert cli.main(scoring) == 0
    assert load_run(folder).metrics["message"] == "element X is unknown"


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"training": PROTOCOL | {"learning_rate": 1e30, "clip_norm": 1e30}}, "the loss is"),
        (
            {"potential": "baselines.foreign:Model"},
            "needs the package 'absent_package'.*workflow/envs/torch",
        ),
    ],
)
def test_a_failed_run_is_recorded_up_to_the_table(copper, tmp_path, monkeypatch, changes, message) -> None:
    """As the workflow runs it: every command ends well, the run's metrics say what happened."""
    stores, splits = copper
    folder = tmp_path / "run"
    folder.mkdir()
    (folder / "config.yaml").write_text(yaml.safe_dump(config().plain() | changes))
    (tmp_path / "foreign.py").write_text("import absent_package")
    monkeypatch.setattr("baselines.__path__", [*baselines.__path__, str(tmp_path)])
    paths = ["--stores", str(stores), "--splits", str(splits)]
    fitting = ["fit-statistics", "--config", f"{folder}/config.yaml", *paths]
    assert cli.main([*fitting, "--output", f"{folder}/statistics.json", "--record-failure"]) == 0
    training = ["train", "--config", f"{folder}/config.yaml", *paths, "--output", str(folder)]
    training += ["--statistics", f"{folder}/statistics.json", "--device", "cpu"]
    assert cli.main(training) == 2
    assert not (folder / "checkpoint.pt").exists()
    assert cli.main([*training, "--record-failure"]) == 0
    predictions = f"{folder}/predictions"
    predicting = ["predict", "--run", str(folder), *paths, "--predict", "test", "--output", predictions]
    assert cli.main(predicting) == 2
    assert cli.main([*predicting, "--record-failure"]) == 0
    scoring = ["score", "--run", str(folder), *paths, "--predictions", predictions]
    assert cli.main([*scoring, "--output", f"{folder}/metrics.json"]) == 0
    run = load_run(folder)
    assert run.metrics["status"] == "failed" and re.search(message, run.metrics["message"])
    assert run.metrics["splits"] == {} and run.log().empty
    assert run.provenance()["failure"] == run.metrics["message"]
    with pytest.raises(RunFailedError, match=message):
        load_trained(folder / "checkpoint.pt")


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"colour": 1}, "unknown key 'colour'"),
        ({"max_steps": 50}, "no multiple"),
        ({"precision": "8"}, "precision"),
        ({"batch_size": "many"}, "here: batch_size: 'many': input should be a valid integer"),
        ({"batch_size": 2.5}, "batch_size: 2.5"),
        ({"tf32": 1}, "tf32: true or false in place of a number, or the reverse"),
        ({"batch_size": True}, "batch_size: true or false in place of a number"),
        ({"energy_target": "x"}, "energy_target"),
    ],
)
def test_bad_protocols(changes, message) -> None:
    with pytest.raises(InputError, match=message):
        Training.checked(PROTOCOL | changes, "here")
    assert Training.checked(PROTOCOL | {"max_steps": "80"}, "here").max_steps == 80
    with pytest.raises(InputError, match="'batch_size' is missing"):
        Training.checked({k: v for k, v in PROTOCOL.items() if k != "batch_size"}, "here")


def test_empty_or_missing_manifest(copper, tmp_path) -> None:
    pd.DataFrame(columns=["part", "index", "system_id", "frame"]).to_csv(tmp_path / "empty.csv", index=False)
    with pytest.raises(InputError, match="lists no frame"):
        Frames(copper[0], tmp_path / "empty.csv", None)
    with pytest.raises(InputError, match="missing.csv"):
        Frames(copper[0], tmp_path / "missing.csv", None)


def test_relaxed_geometry_writes_a_trajectory_that_ase_reads(copper, tmp_path) -> None:
    train(config(), *copper, tmp_path / "run", "cpu")
    atoms = bulk("Cu", cubic=True)
    atoms.rattle(0.1, seed=1)
    atoms.calc = LEIGNNCalculator(tmp_path / "run" / "checkpoint.pt")
    BFGS(atoms, logfile=None, trajectory=str(tmp_path / "t.traj")).run(fmax=1e-9, steps=3)
    energies = [frame.get_potential_energy() for frame in ase.io.read(tmp_path / "t.traj", ":")]
    assert len(energies) == 4 and len(set(energies)) > 1


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
