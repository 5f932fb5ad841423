"""The metrics of S2EF against sums written out by hand."""

import numpy as np
import pytest
import torch

from leignn.errors import InputError
from leignn.evaluation import metrics
from leignn.evaluation.metrics import MetricSums, Predicted
from leignn.evaluation.score import score_split
from leignn.files import write_arrays
from leignn.schemas import validate

NAMES = ("dataset", "scale", "model", "title", "message")
COUNTS = ("seed", "parameters", "train_structures", "train_seconds", "steps", "best_step")
RECORD = dict.fromkeys(NAMES, "x") | dict.fromkeys(COUNTS, 1)
RECORD |= {"schema": 1, "status": "ok", "stand_in": True}
NATOMS = np.array([3, 2, 4])


def labels(seed: int = 0) -> dict[str, np.ndarray]:
    rng = np.random.default_rng(seed)
    forces = rng.normal(size=(9, 3)).astype(np.float32)
    forces[5:] = np.nan  # the third structure has no forces
    return {
        "energy": rng.normal(size=3),
        "true_energy": np.array([0.5, np.nan, -1.0]),
        "forces": rng.normal(size=(9, 3)).astype(np.float32),
        "true_forces": forces,
        "fixed": np.array([True, False, False, False, True, False, False, False, False]),
    }


def metrics_of(data: dict[str, np.ndarray]) -> dict:
    sums = MetricSums()
    sums.add(Predicted(**data, natoms=NATOMS, mean_energy=0.2))
    return sums.metrics()


def test_means_over_what_is_free_and_labelled() -> None:
    data = labels()
    found = metrics_of(data)
    rows = [1, 2, 3]
    error = np.abs(data["forces"][rows].astype(float) - data["true_forces"][rows])
    assert found["structures"] == 3
    assert found["energy_count"] == 2
    assert found["energy_mae_mev"] == pytest.approx(
        1e3 * np.abs(data["energy"] - data["true_energy"])[[0, 2]].mean()
    )
    assert found["forces_count"] == 9
    assert found["forces_mae_mev_per_ang"] == pytest.approx(1e3 * error.mean(), rel=1e-6)
    assert found["zero_forces_mae_mev_per_ang"] == pytest.approx(
        1e3 * np.abs(data["true_forces"][rows]).mean(), rel=1e-6
    )
    assert found["mean_energy_mae_mev"] == pytest.approx(1e3 * (0.3 + 1.2) / 2)
    cosine = torch.cosine_similarity(
        torch.tensor(data["forces"][rows]), torch.tensor(data["true_forces"][rows])
    )
    assert found["forces_cosine"] == pytest.approx(cosine.mean().item(), rel=1e-6)


def test_efwt_needs_energy_and_every_component_within_its_threshold() -> None:
    data = labels()
    data["true_forces"][5:] = 0.1
    data["true_energy"] = data["energy"] + [0.019, 0.0, 0.021]
    data["forces"] = data["true_forces"] + 0.029
    data["forces"][0] += 1.0  # a fixed atom does not count
    assert metrics_of(data)["efwt_percent"] == pytest.approx(200 / 3)
    data["forces"][2, 1] += 0.002
    assert metrics_of(data)["efwt_percent"] == pytest.approx(100 / 3)


def test_sums_do_not_depend_on_the_chunks() -> None:
    data = labels()
    sums = MetricSums()
    for structures, atoms in ((slice(0, 1), slice(0, 3)), (slice(1, 3), slice(3, 9))):
        per_structure = {k: data[k][structures] for k in ("energy", "true_energy")}
        per_atom = {k: data[k][atoms] for k in ("forces", "true_forces", "fixed")}
        sums.add(Predicted(**per_structure, **per_atom, natoms=NATOMS[structures], mean_energy=0.2))
    for name, value in metrics_of(data).items():
        assert sums.metrics()[name] == pytest.approx(value), name


def test_no_label_is_no_number() -> None:
    data = labels()
    data["true_energy"][:] = np.nan
    data["true_forces"][:] = np.nan
    found = metrics_of(data)
    assert found["energy_mae_mev"] is found["forces_mae_mev_per_ang"] is found["efwt_percent"] is None
    assert found["energy_count"] == found["forces_count"] == 0


def test_foreign_predictions_are_refused(tmp_path) -> None:
    (tmp_path / "id.npz").write_bytes(b"nothing")
    with pytest.raises(InputError, match="id.npz is damaged"):
        score_split(tmp_path / "id.npz", [], 0.0)
    write_arrays(tmp_path / "id.npz", {"energy": np.zeros(3)})
    with pytest.raises(InputError, match="id.npz holds no predictions: no array 'forces'"):
        score_split(tmp_path / "id.npz", [], 0.0)
    write_arrays(tmp_path / "id.npz", {"energy": np.zeros(3), "forces": np.zeros((2, 3))})
    with pytest.raises(InputError, match="3 structures, its manifest 0"):
        score_split(tmp_path / "id.npz", [], 0.0)
    np.savez(tmp_path / "id.npz", energy=np.zeros(0), forces=np.zeros((0, 3)))
    with pytest.raises(InputError, match="id.npz is damaged or was edited"):
        score_split(tmp_path / "id.npz", [], 0.0)


def test_a_new_metric_is_one_function(monkeypatch) -> None:
    monkeypatch.setattr(metrics, "METRICS", dict(metrics.METRICS))

    @metrics.mean_of(1)
    def largest_force_error(predicted: metrics.Predicted) -> np.ndarray:
        return predicted.force_error.max(1)

    data = labels()
    rows = [1, 2, 3]
    worst = np.abs(data["forces"][rows].astype(float) - data["true_forces"][rows]).max(1)
    found = metrics_of(data)
    assert found["largest_force_error"] == pytest.approx(worst.mean())
    validate(RECORD | {"splits": {"test": found}}, "metrics", "metrics.json")
