"""LEIGNN and its ablations: derivatives and the symmetries of physics, on random weights."""

import copy
from pathlib import Path

import numpy as np
import pytest
import torch
from ase import Atoms
from ase.build import molecule
from conftest import make_batch, random_crystal, structures
from scipy.spatial.transform import Rotation
from torch import Tensor

from leignn.batch import Batch
from leignn.graph import GraphSpec
from leignn.model import LEIGNN, load_published

GOLDEN = Path(__file__).parents[1] / "golden"
SPEC = GraphSpec(5.0, 30, "ties")  # no structure here has a tie that this rule would cut
VARIANTS = {
    "leignn": {},
    "vanilla_nmu": {"global_phases": False},
    "leignn_component": {"global_scope": "component"},
    "vanilla": {"global_phases": False, "update": "painn"},
}


@pytest.fixture(params=sorted(VARIANTS))
def model(request: pytest.FixtureRequest) -> LEIGNN:
    torch.manual_seed(7)
    return LEIGNN(SPEC, hidden_channels=16, num_layers=3, num_rbf=12, **VARIANTS[request.param]).double()


def predict(model: LEIGNN, *atoms: Atoms) -> tuple[np.ndarray, np.ndarray]:
    with torch.no_grad():
        output = model(make_batch(list(atoms), SPEC))
    return output["energy"].numpy(), output["forces"].numpy()


def assert_close(found: np.ndarray, expected: np.ndarray) -> None:
    np.testing.assert_allclose(found, expected, rtol=1e-9, atol=1e-9 * max(1, np.abs(expected).max()))


@pytest.mark.parametrize("proper", [True, False], ids=["rotation", "reflection"])
def test_orthogonal_transformations(model, atoms, proper) -> None:
    matrix = Rotation.random(random_state=3).as_matrix() * (1 if proper else -1)
    turned = atoms.copy()
    turned.set_cell(atoms.cell.array @ matrix.T)
    turned.positions = atoms.positions @ matrix.T
    (energy, forces), (turned_energy, turned_forces) = predict(model, atoms), predict(model, turned)
    assert_close(turned_energy, energy)
    assert_close(turned_forces, forces @ matrix.T)


def test_translation(model, atoms) -> None:
    moved = atoms.copy()
    moved.positions += [1.3, -20.2, 7.7]
    for found, expected in zip(predict(model, moved), predict(model, atoms), strict=True):
        assert_close(found, expected)


def test_permutation(model, atoms) -> None:
    order = np.random.default_rng(2).permutation(len(atoms))
    (energy, forces), (other_energy, other_forces) = predict(model, atoms), predict(model, atoms[order])
    assert_close(other_energy, energy)
    assert_close(other_forces, forces[order])


def test_lattice_moves_of_single_atoms(model, atoms) -> None:
    moved = atoms.copy()
    moves = np.random.default_rng(5).integers(-2, 3, (len(atoms), 3)) * atoms.pbc
    moved.positions += moves @ atoms.cell.array
    for found, expected in zip(predict(model, moved), predict(model, atoms), strict=True):
        assert_close(found, expected)


@pytest.mark.parametrize("name", ["slab", "thin cell", "one-atom cell", "triclinic"])
def test_energy_is_proportional_to_the_supercell(model, name) -> None:
    atoms = structures()[name]
    energy, forces = predict(model, atoms)
    super_energy, super_forces = predict(model, atoms.repeat((2, 1, 3)))
    assert_close(super_energy, 6 * energy)
    assert_close(super_forces, np.tile(forces, (6, 1)))


def test_a_batch_equals_its_structures(model) -> None:
    members = list(structures().values())
    energy, forces = predict(model, *members)
    singles = [predict(model, member) for member in members]
    assert_close(energy, np.concatenate([e for e, _ in singles]))
    assert_close(forces, np.concatenate([f for _, f in singles]))


def test_an_isolated_atom_feels_no_force(model) -> None:
    energy, forces = predict(model, Atoms("O", positions=[[0.0, 0.0, 0.0]]))
    assert np.isfinite(energy).all()
    np.testing.assert_array_equal(forces, 0)


def test_edges_of_the_loader_and_of_the_model_agree(model, atoms) -> None:
    with torch.no_grad():
        from_loader, from_model = model(make_batch([atoms], SPEC)), model(make_batch([atoms], None))
    for name in from_loader:
        assert_close(from_model[name].numpy(), from_loader[name].numpy())


def test_only_global_phases_of_a_structure_let_distant_molecules_interact() -> None:
    networks = []
    for changes in ({"global_phases": False}, {"global_scope": "component"}, {}):
        torch.manual_seed(0)
        networks.append(LEIGNN(SPEC, 16, 3, 12, **changes).double())
    water, ethanol = molecule("H2O"), molecule("CH3CH2OH")
    far = ethanol.copy()
    far.translate([100.0, 0.0, 0.0])
    for net, interacts in zip(networks, (False, False, True), strict=True):
        apart = predict(net, water)[0] + predict(net, ethanol)[0]
        together = predict(net, water + far)[0]
        assert np.allclose(together, apart, atol=1e-9) != interacts


def test_in_a_connected_structure_the_component_is_the_structure() -> None:
    """To the last bit; and a structure of two parts has two means, in one batch with others."""
    torch.manual_seed(0)
    whole, parts = LEIGNN(SPEC, 16, 3, 12), LEIGNN(SPEC, 16, 3, 12, global_scope="component")
    parts.load_state_dict(whole.state_dict())
    connected = [structures()[name] for name in ("slab", "molecule", "isolated atom", "triclinic")]
    for found, expected in zip(
        predict(parts.double(), *connected), predict(whole.double(), *connected), strict=True
    ):
        np.testing.assert_array_equal(found, expected)
    far = molecule("CH3CH2OH")
    far.translate([30.0, 0.0, 0.0])
    mixed = predict(parts, connected[0], molecule("H2O") + far, connected[3])[0]
    singles = [predict(parts, a)[0][0] for a in (connected[0], molecule("H2O"), far, connected[3])]
    assert_close(mixed, np.array([singles[0], singles[1] + singles[2], singles[3]]))


def test_a_scope_that_is_none() -> None:
    with pytest.raises(TypeError, match="global_scope is 'structure' or 'component', not 'atom'"):
        LEIGNN(SPEC, 16, 1, 12, global_scope="atom")


def sums_of(model: LEIGNN, batch: Batch, weights: Tensor) -> Tensor:
    """Energies and forces (B + 3 N,), weighted and added up."""
    output = model(batch)
    return weights @ torch.cat([output["energy"], output["forces"].flatten()])


def batch_for_derivatives() -> tuple[Batch, Tensor]:
    """Two structures, and random weights of their energies and forces."""
    generator = torch.Generator().manual_seed(0)
    batch = make_batch([random_crystal(1, 5), molecule("CH3CH2OH")], SPEC)
    size = len(batch.natoms) + batch.pos.numel()
    return batch, torch.randn(size, generator=generator, dtype=torch.float64)


def test_second_derivatives_with_respect_to_positions(model) -> None:
    """Against differences of the first derivatives, whose own are tested against differences of values."""
    batch, weights = batch_for_derivatives()
    directions = torch.randn(2, *batch.pos.shape, dtype=torch.float64)

    def along(derivatives: int, moved: float) -> float:
        """The value, or its derivative along the first direction, after a move along the second."""
        at = copy.deepcopy(batch)
        at.pos = (batch.pos + moved * directions[1 - derivatives]).requires_grad_(True)
        value = sums_of(model, at, weights)
        if derivatives == 0:
            return value.item()
        (gradient,) = torch.autograd.grad(value, at.pos)
        return (gradient * directions[1]).sum().item()

    at = copy.deepcopy(batch)
    at.pos = batch.pos.clone().requires_grad_(True)
    (gradient,) = torch.autograd.grad(sums_of(model, at, weights), at.pos, create_graph=True)
    slope = (gradient * directions[1]).sum()
    (curvature,) = torch.autograd.grad(slope, at.pos)
    step = 1e-5
    for derivatives, found in ((0, slope), (1, (curvature * directions[0]).sum())):
        expected = (along(derivatives, step) - along(derivatives, -step)) / (2 * step)
        assert found.item() == pytest.approx(expected, rel=1e-6, abs=1e-6), derivatives


def test_third_derivatives_are_there(model) -> None:
    """And symmetric: along one direction and twice another, in either order."""
    batch, weights = batch_for_derivatives()
    batch.pos.requires_grad_(True)
    one, two = torch.randn(2, *batch.pos.shape, dtype=torch.float64)
    found = []
    for directions in ((one, two, two), (two, two, one)):
        value = sums_of(model, batch, weights)
        for direction in directions:
            (gradient,) = torch.autograd.grad(value, batch.pos, create_graph=True)
            value = (gradient * direction).sum()
        found.append(value.item())
    assert abs(found[0]) > 1e-3
    assert found[1] == pytest.approx(found[0], rel=1e-8)


def test_parameters_at_paper_size() -> None:
    with torch.device("meta"):
        model = LEIGNN(GraphSpec(6.0, 20))
    count = sum(p.numel() for p in model.parameters())
    assert round(count / 1e6, 2) == 18.83


def test_published_checkpoints_load(tmp_path) -> None:
    """The names of the golden file, as DataParallel saves them, with and without the basis centres."""
    golden = np.load(GOLDEN / "leignn.npz")
    state = {f"module.{n[6:]}": torch.tensor(golden[n]) for n in golden if n.startswith("param/")}
    torch.save(state, tmp_path / "model.pt")
    model = LEIGNN(GraphSpec(6.0, 20), hidden_channels=32, num_layers=2, num_rbf=16).double()
    load_published(model, torch.load(tmp_path / "model.pt", weights_only=True))
    np.testing.assert_array_equal(model.out_forces.weight.detach(), golden["param/out_forces.weight"])
    del state["module.radial_basis.rbf.offset"]
    load_published(model, state)
    del state["module.out_forces.weight"]
    with pytest.raises(RuntimeError, match="out_forces"):
        load_published(model, state)
