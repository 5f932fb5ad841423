"""What every model must obey, for every file in ``config/models``: a new model is tested by being there.

The symmetries of LEIGNN and its ablations are tested in ``tests/leignn/test_model.py``, on more
structures.
"""

import sys
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import torch
from ase import Atoms
from conftest import copper_frames, make_batch, structures
from scipy.spatial.transform import Rotation

from leignn import LEIGNNCalculator
from leignn.config.model import load_model
from leignn.config.run import resolve_run
from leignn.data.frames import Frames
from leignn.data.store import write_store
from leignn.data.structure import Structure
from leignn.evaluation.predict import predict
from leignn.graph import GraphSpec
from leignn.potential import EnergyPotential, Potential
from leignn.registry import build_potential
from leignn.resources import CONFIG
from leignn.trained import load_trained
from leignn.training.loss import absolute_errors
from leignn.training.start import starting_point
from leignn.training.train import train

MODELS = sorted(path.stem for path in (CONFIG / "models").glob("*.yaml"))
if sys.version_info >= (3, 13):
    MODELS.remove("chgnet")  # no wheel
# Every neighbour of these structures: which of equally distant ones a smaller graph takes is no model's.
GRAPH = GraphSpec(5.0, 80, "ties")
MEMBERS = ("slab", "triclinic", "layer", "molecule", "isolated atom")


def build(name: str, seed: int = 0) -> Potential:
    """The model at scale smoke, in float64."""
    torch.manual_seed(seed)
    config = load_model(name)
    model = build_potential(config.potential, GRAPH, config.hyperparameters["smoke"], config.environment)
    return model.double().eval()


@pytest.fixture(scope="module")
def split(tmp_path_factory) -> tuple[Path, Path]:
    """A store and a manifest with every element of :func:`members`, labelled at random."""
    folder, rng, found = tmp_path_factory.mktemp("members"), np.random.default_rng(0), []
    for number, atoms in enumerate(members() * 2):
        atoms.rattle(0.1, seed=number)
        structure = Structure.from_atoms(atoms, "members", number)
        structure.energy, structure.forces[:] = rng.normal(), rng.normal(size=(len(atoms), 3))
        found.append(structure)
    write_store(folder / "all", [found], {})
    rows = range(len(found))
    table = pd.DataFrame({"part": "all", "index": rows, "system_id": "members", "frame": rows})
    table.to_csv(folder / "train.csv", index=False)
    return folder, folder / "train.csv"


@pytest.fixture(scope="module", params=MODELS)
def model(request: pytest.FixtureRequest, split: tuple[Path, Path]) -> Potential:
    """A model with the statistics of a training split, and no parameter at a special value such as zero."""
    potential = build(request.param)
    frames = Frames(*split, potential.graph, torch.float64)
    potential.load_statistics(potential.compute_statistics(frames, 0.0))
    with torch.no_grad():
        for parameter in potential.parameters():
            if parameter.requires_grad:
                parameter += 0.05 * torch.randn_like(parameter)
    return potential


@pytest.fixture
def other_model(model: Potential) -> Potential:
    """A model whose symmetries are not tested elsewhere."""
    if type(model).__module__ == "leignn.model":
        pytest.skip("in tests/leignn/test_model.py")
    return model


def trainable(model: Potential) -> bool:
    return any(p.requires_grad for p in model.parameters())


def members() -> list[Atoms]:
    return [structures()[name] for name in MEMBERS]


def evaluate(model: Potential, atoms: list[Atoms]) -> tuple[np.ndarray, list[np.ndarray]]:
    """Energies (B,) and the forces (n, 3) of each structure, predicted as one batch."""
    with torch.no_grad():
        output = model(make_batch(atoms, model.graph))
    cuts = np.cumsum([len(a) for a in atoms])[:-1]
    return output["energy"].numpy(), np.split(output["forces"].numpy(), cuts)


def assert_same(model: Potential, found: np.ndarray, expected: np.ndarray) -> None:
    """Equal as far as the model's tables allow: some packages keep float32 tables in float64 models."""
    relative = 1e-6 if trainable(model) else 1e-4
    np.testing.assert_allclose(found, expected, rtol=0, atol=relative * max(1, np.abs(expected).max()))


def test_forces_are_there(model) -> None:
    """Else the tests below would pass for a model that returns nothing."""
    energies, forces = evaluate(model, members())
    assert np.isfinite(energies).all() and all(np.isfinite(f).all() for f in forces)
    assert [f.shape for f in forces] == [(len(a), 3) for a in members()]
    if type(model).__name__ != "MeanEnergyZeroForces":
        assert np.ptp(energies) > 1e-4
        assert all(np.abs(f).max() > 1e-5 for f in forces[:-1])
    if model.equivariant:  # else nothing says that an atom without neighbours has no direction
        np.testing.assert_allclose(forces[-1], 0, atol=1e-10)


@pytest.mark.parametrize("proper", [True, False], ids=["rotation", "reflection"])
def test_orthogonal_transformations(other_model, proper) -> None:
    if not other_model.equivariant:
        pytest.skip("not equivariant by design")
    matrix = Rotation.random(random_state=3).as_matrix() * (1 if proper else -1)
    turned = members()
    for atoms in turned:
        atoms.set_cell(atoms.cell.array @ matrix.T)
        atoms.positions = atoms.positions @ matrix.T
    energies, forces = evaluate(other_model, members())
    turned_energies, turned_forces = evaluate(other_model, turned)
    assert_same(other_model, turned_energies, energies)
    assert_same(other_model, np.concatenate(turned_forces), np.concatenate(forces) @ matrix.T)


def test_translation_and_lattice_moves_of_single_atoms(other_model) -> None:
    moved = members()
    for number, atoms in enumerate(moved):
        moves = np.random.default_rng(number).integers(-2, 3, (len(atoms), 3)) * atoms.pbc
        atoms.positions += [1.3, -5.2, 7.7] + moves @ atoms.cell.array
    energies, forces = evaluate(other_model, members())
    moved_energies, moved_forces = evaluate(other_model, moved)
    assert_same(other_model, moved_energies, energies)
    assert_same(other_model, np.concatenate(moved_forces), np.concatenate(forces))


def test_permutation(other_model) -> None:
    orders = [np.random.default_rng(n).permutation(len(a)) for n, a in enumerate(members())]
    energies, forces = evaluate(other_model, members())
    other, other_forces = evaluate(other_model, [a[o] for a, o in zip(members(), orders, strict=True)])
    assert_same(other_model, other, energies)
    for order, found, expected in zip(orders, other_forces, forces, strict=True):
        assert_same(other_model, found, expected[order])


def test_a_batch_equals_its_structures(other_model) -> None:
    energies, forces = evaluate(other_model, members())
    for atoms, energy, force in zip(members(), energies, forces, strict=True):
        alone, (force_alone,) = evaluate(other_model, [atoms])
        assert_same(other_model, alone, energy[None])
        assert_same(other_model, force_alone, force)


def test_forces_are_the_gradient_of_the_energy(model) -> None:
    if not isinstance(model, EnergyPotential):
        pytest.skip("predicts its forces directly")
    step = 1e-4
    rng = np.random.default_rng(0)
    directions = [rng.normal(size=(len(a), 3)) for a in members()]
    energies = []
    for sign in (1, -1):
        moved = members()
        for atoms, direction in zip(moved, directions, strict=True):
            atoms.positions += sign * step * direction
        energies.append(evaluate(model, moved)[0])
    _, forces = evaluate(model, members())
    expected = [-(f * d).sum() for f, d in zip(forces, directions, strict=True)]
    found = (energies[0] - energies[1]) / (2 * step)
    np.testing.assert_allclose(found, expected, rtol=1e-4, atol=1e-6 * np.abs(expected).max())


def test_stress_is_the_derivative_of_the_energy_by_strain(model) -> None:
    if not isinstance(model, EnergyPotential):
        pytest.skip("predicts its forces directly")
    step = 1e-4
    periodic = [a for a in members() if a.cell.rank == 3]
    strains = np.random.default_rng(0).normal(size=(len(periodic), 3, 3))
    strains += strains.transpose(0, 2, 1)
    energies = []
    for sign in (1, -1):
        strained = []
        for atoms, strain in zip(periodic, strains, strict=True):
            deformed = atoms.copy()
            deformed.set_cell(atoms.cell.array @ (np.eye(3) + sign * step * strain), scale_atoms=True)
            strained.append(deformed)
        energies.append(evaluate(model, strained)[0])
    output = model.with_stress(make_batch(periodic, model.graph))
    stress = output["stress"].numpy()
    np.testing.assert_array_equal(stress, stress.transpose(0, 2, 1))
    expected = (energies[0] - energies[1]) / (2 * step)
    found = [(s * e).sum() * a.get_volume() for s, e, a in zip(stress, strains, periodic, strict=True)]
    np.testing.assert_allclose(found, expected, rtol=1e-4, atol=1e-6 * np.abs(expected).max())
    unstrained, forces = evaluate(model, periodic)
    assert_same(model, output["energy"].numpy(), unstrained)
    assert_same(model, output["forces"].numpy(), np.concatenate(forces))


def test_every_parameter_learns(model) -> None:
    """Gradients of energies and forces are finite, with an isolated atom in the batch, and reach all.

    But for LEIGNN's published network, which has layers whose results nothing reads.
    """
    if not trainable(model):
        pytest.skip("nothing to train")
    model.train()
    try:
        output = model(make_batch(members(), model.graph))
        loss = output["energy"].square().sum() + output["forces"].square().sum()
        named = {n: p for n, p in model.named_parameters() if p.requires_grad}
        gradients = torch.autograd.grad(loss, list(named.values()), allow_unused=True)
    finally:
        model.eval()
    assert all(g.isfinite().all() for g in gradients if g is not None)
    idle = [n for n, g in zip(named, gradients, strict=True) if g is None or not g.any()]
    assert not [
        name for name in idle if not name.startswith(("global_scalar_layers", "global_vector_layers"))
    ]


def test_state_dict_restores_the_model(model, request) -> None:
    """Statistics included: the other model is built from its hyperparameters alone."""
    other = build(request.node.callspec.params["model"], seed=1)
    other.load_state_dict(model.state_dict())
    (energies, forces), (found, found_forces) = evaluate(model, members()), evaluate(other, members())
    np.testing.assert_array_equal(found, energies)
    np.testing.assert_array_equal(np.concatenate(found_forces), np.concatenate(forces))


@pytest.mark.parametrize("name", MODELS)
def test_a_trained_checkpoint_predicts_and_runs_in_ase(copper, tmp_path, name) -> None:
    stores, splits = copper
    protocol = {
        "learning_rate": 1e-2, "batch_size": 4, "evaluate_every": 20, "max_steps": 60, "forces_weight": 50,
    }  # fmt: skip
    run = resolve_run("oc20_standin", name, "smoke", 0, {"training": protocol})
    potential, train_frames, shift = starting_point(run, stores, splits)
    statistics = potential.compute_statistics(train_frames, shift)
    train(run, stores, splits, tmp_path / "run", "cpu")
    checkpoint = tmp_path / "run" / "checkpoint.pt"
    trained = load_trained(checkpoint)
    if list(trained.parameters()):
        potential.load_statistics(statistics)
        batch = train_frames[range(len(train_frames))]
        before, after = (
            absolute_errors(p.eval()(batch), batch, shift) for p in (potential, trained.potential)
        )
        assert after.forces < 0.9 * before.forces

    frames = Frames(stores, splits / "test.csv", trained.graph)
    energies, forces = predict(trained, frames, 3, "cpu")
    structure = copper_frames()[44]
    atoms = Atoms(structure.atomic_numbers, structure.pos, cell=structure.cell, pbc=True)
    atoms.calc = LEIGNNCalculator(checkpoint)
    assert atoms.get_potential_energy() == pytest.approx(energies[0], abs=1e-3)
    np.testing.assert_allclose(atoms.get_forces(), forces[: len(atoms)], atol=1e-3)
