"""Far from the origin, in float64, and in threads: the numbers are the same."""

from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pandas as pd
import pytest
import torch
from ase.build import bulk, molecule
from conftest import structures

from leignn import LEIGNNCalculator, cli
from leignn.config.run import resolve_run
from leignn.data.frames import Frames, collate
from leignn.data.store import write_store
from leignn.data.structure import Structure
from leignn.evaluation.predict import predict
from leignn.trained import TrainedPotential, load_trained, potential_of


@pytest.mark.parametrize("distance", [1e3, 1e5])
@pytest.mark.parametrize("name", ["slab", "molecule", "triclinic", "wire"])
def test_far_from_the_origin(random_checkpoint, name, distance) -> None:
    """Against the same structure at the origin; every atom also by lattice vectors of its own."""
    near, far = structures()[name], structures()[name]
    far.positions += distance * np.array([1.0, -0.7, 0.4])
    if name == "triclinic":
        far.positions += np.arange(len(far))[:, None] % 3 * 1000 * far.cell[1]
    for atoms in (near, far):
        atoms.calc = LEIGNNCalculator(random_checkpoint)
    scale = max(1.0, np.abs(near.get_forces()).max())
    np.testing.assert_allclose(far.get_forces(), near.get_forces(), atol=1e-5 * scale)
    assert far.get_potential_energy() == pytest.approx(near.get_potential_energy(), abs=1e-4 * scale)


def test_near_the_origin_nothing_moves() -> None:
    for atoms in structures().values():
        batch = collate([Structure.from_atoms(atoms)])
        np.testing.assert_array_equal(batch.pos, atoms.positions.astype(np.float32))


@pytest.fixture(scope="module")
def precise(tmp_path_factory):
    """Random weights of a run in float64."""
    run = resolve_run("oc20_standin", "leignn", "smoke", 0, {"training": {"precision": "64-true"}})
    torch.manual_seed(0)
    path = tmp_path_factory.mktemp("precise") / "checkpoint.pt"
    TrainedPotential(potential_of(run), run, 0.0, range(1, 119)).save(path)
    return path


def test_a_checkpoint_keeps_its_precision(precise, tmp_path) -> None:
    """By differences of the energy that float32 cannot see; and in predictions, to the last bit."""
    trained = load_trained(precise)
    assert {tensor.dtype for tensor in trained.potential.parameters()} == {torch.float64}
    atoms = bulk("Cu", cubic=True)
    atoms.rattle(0.1, seed=1)
    atoms.calc = LEIGNNCalculator(precise)
    before = atoms.get_potential_energy()
    atoms.positions[0, 0] += 1e-9
    assert 0 < abs(atoms.get_potential_energy() - before) < 1e-6
    write_store(tmp_path / "all", [[Structure.from_atoms(atoms, "cu", 0)]], {})
    pd.DataFrame({"part": ["all"], "index": [0], "system_id": ["cu"], "frame": [0]}).to_csv(
        tmp_path / "a.csv"
    )
    frames = Frames(tmp_path, tmp_path / "a.csv", trained.graph, trained.dtype)
    _, forces = predict(trained, frames, 1, "cpu")
    assert forces.dtype == np.float64
    np.testing.assert_allclose(forces, atoms.get_forces(), atol=1e-10)


@pytest.mark.parametrize("model", ["cgcnn", "dimenetpp", "forcenet", "leignn", "schnet", "vanilla"])
def test_the_default_precision_of_pytorch_is_no_matter(model, request) -> None:
    """Whoever sets it, as ASE's other calculators do, gets the run's own precision, and the same forces."""
    request.addfinalizer(lambda: torch.set_default_dtype(torch.float32))
    run, found = resolve_run("melt_standin", model, "smoke", 0), {}
    weights = potential_of(run).state_dict()
    for default in (torch.float32, torch.float64):
        torch.set_default_dtype(default)
        potential = potential_of(run).eval()
        potential.load_state_dict(weights)
        found[default] = potential(collate([Structure.from_atoms(structures()["slab"])]))["forces"].detach()
        assert found[default].dtype == torch.float32
    scale = max(1.0, float(found[torch.float32].abs().max()))
    torch.testing.assert_close(found[torch.float64], found[torch.float32], atol=1e-4 * scale, rtol=1e-4)


def test_threads_that_share_a_calculator(random_checkpoint) -> None:
    calculator = LEIGNNCalculator(random_checkpoint)
    found = [bulk("Cu", cubic=True).repeat((1, 1, 1 + k % 3)) for k in range(8)] + [molecule("CH3OH")]
    for seed, atoms in enumerate(found):
        atoms.rattle(0.1, seed=seed)
        atoms.calc = LEIGNNCalculator(random_checkpoint)
    expected = [atoms.get_forces() for atoms in found]

    def forces(number: int) -> np.ndarray:
        atoms = found[number].copy()
        atoms.calc = calculator
        return atoms.get_forces()

    numbers = list(range(len(found))) * 6
    with ThreadPoolExecutor(4) as pool:
        for number, given in zip(numbers, pool.map(forces, numbers), strict=True):
            np.testing.assert_allclose(given, expected[number], atol=1e-5)


def test_a_prediction_that_is_no_number_is_a_recorded_failure(copper, copper_checkpoint, tmp_path) -> None:
    """Of a model with one weight that is infinite; never NaN among predictions."""
    trained = load_trained(copper_checkpoint)
    next(trained.potential.parameters()).data.view(-1)[:] = torch.inf
    trained.save(tmp_path / "checkpoint.pt")
    command = ["predict", "--run", str(tmp_path), "--stores", str(copper[0]), "--splits", str(copper[1])]
    command += ["--predict", "val", "test", "--output", str(tmp_path / "out")]
    assert cli.main(command) == 2
    assert not (tmp_path / "out").exists()
    assert cli.main([*command, "--record-failure"]) == 0
    assert [path.name for path in (tmp_path / "out").iterdir()] == ["failure.txt"]
    message = (tmp_path / "out" / "failure.txt").read_text()
    assert "atom 0 of cu/40" in message and "val.csv" in message
