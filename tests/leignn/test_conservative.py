"""LEIGNN-C: its energy is smooth where neighbours come and go, and local; what every model obeys is tested in
``tests/baselines/test_every_model.py``."""

from collections.abc import Callable

import numpy as np
import pytest
import torch
from ase import Atoms
from ase.build import bulk, molecule
from conftest import make_batch, random_crystal, structures

from leignn.conservative import ConservativeLEIGNN
from leignn.graph import GraphSpec
from leignn.model import LEIGNN
from leignn.potential import Potential

SPEC = GraphSpec(5.0, 12)


def build(potential: type[ConservativeLEIGNN] | type[LEIGNN] = ConservativeLEIGNN) -> Potential:
    """With parameters large enough for neighbours far away to be felt."""
    torch.manual_seed(3)
    model = potential(SPEC, hidden_channels=16, num_layers=2, num_rbf=12).double().eval()
    with torch.no_grad():
        for layer in model.message_layers:
            layer.rbf_proj.bias.normal_()
    return model.requires_grad_(False)


def predict(model: Potential, atoms: Atoms) -> np.ndarray:
    """Energy and forces (1 + 3 n,)."""
    with torch.no_grad():
        output = model(make_batch([atoms], model.graph))
    return torch.cat([output["energy"], output["forces"].flatten()]).numpy()


def crowded(shift: float) -> Atoms:
    """A crystal with more than K neighbours an atom, of which one is moved."""
    atoms = random_crystal(1, 12)
    atoms.positions[0] += shift * np.array([0.8, 0.5, -0.3])
    return atoms


def sparse(shift: float) -> Atoms:
    """Two molecules, of which one moves out of the other's cutoff."""
    other = molecule("CH3OH")
    other.positions += [4.0 + shift, 1.0, 0.5]
    return molecule("H2O") + other


def edges(model: ConservativeLEIGNN, atoms: Atoms) -> int:
    return model.near(make_batch([atoms], model.graph))[0].shape[1]


def nearest(model: LEIGNN, atoms: Atoms) -> int:
    """What changes where K nearest neighbours change: which they are."""
    index, vector = model.edges(make_batch([atoms], model.graph))
    return hash(tuple(sorted(map(tuple, index.T.tolist()))))


def crossings(count: Callable[[float], int]) -> list[float]:
    """Where along the path an edge comes or goes, to the last bit."""
    found, grid = [], np.linspace(0, 1.5, 60)
    for low, high in zip(grid[:-1], grid[1:], strict=True):
        if (before := count(low)) == count(high):
            continue
        while (middle := (low + high) / 2) not in (low, high):
            low, high = (middle, high) if count(middle) == before else (low, middle)
        found.append(high)
    return found


@pytest.mark.parametrize("path", [crowded, sparse])
def test_energy_forces_and_their_slope_are_continuous_where_a_neighbour_comes_or_goes(path) -> None:
    model = build()
    places = crossings(lambda shift: edges(model, path(shift)))
    assert len(places) > 5
    for place in places:
        for step in (1e-3, 1e-4):
            before, here, after = (predict(model, path(place + move)) for move in (-step, 0, step))
            # A jump would leave jump/step, a kink the kink itself, whatever the step.
            kink = np.abs(after - 2 * here + before).max() / step
            assert kink < 200 * step
            assert np.abs(after - before).max() < 20 * step


def test_the_published_models_jump_there() -> None:
    """That the test above can see it."""
    model = build(LEIGNN)
    jumps = []
    for place in crossings(lambda shift: nearest(model, crowded(shift))):
        before, after = (predict(model, crowded(place + move)) for move in (-1e-6, 1e-6))
        jumps.append(np.abs(after - before).max())
    assert max(jumps) > 1e-3


def test_forces_are_minus_the_gradient_of_every_coordinate() -> None:
    model, atoms, step = build(), structures()["layer"], 1e-5
    found = predict(model, atoms)[1:]
    for coordinate in range(3 * len(atoms)):
        energies = []
        for sign in (1, -1):
            moved = atoms.copy()
            moved.positions.flat[coordinate] += sign * step
            energies.append(predict(model, moved)[0])
        assert found[coordinate] == pytest.approx(
            (energies[1] - energies[0]) / (2 * step), rel=1e-6, abs=1e-7
        )


def test_forces_add_up_to_nothing(atoms) -> None:
    forces = predict(build(), atoms)[1:].reshape(-1, 3)
    np.testing.assert_allclose(forces.sum(0), 0, atol=1e-12 * max(1, np.abs(forces).max()))


def test_molecules_beyond_the_cutoff_do_not_interact() -> None:
    model, one, other = build(), molecule("H2O"), molecule("CH3OH")
    far = other.copy()
    far.positions += [SPEC.cutoff + np.ptp(one.positions) + np.ptp(other.positions), 0, 0]
    alone = [predict(model, atoms) for atoms in (one, other)]
    together = predict(model, one + far)
    np.testing.assert_allclose(together[0], alone[0][0] + alone[1][0], rtol=1e-13)
    np.testing.assert_allclose(together[1:], np.concatenate([a[1:] for a in alone]), atol=1e-12)


def test_energy_is_quadratic_at_a_site_of_symmetry() -> None:
    """There vectors vanish, and the norm of NMU must not be a cone: forces double with the displacement."""
    model, forces = build(), []
    for displacement in (0.005, 0.01):
        atoms = bulk("Cu", cubic=True).repeat(2)
        atoms.positions[0, 0] += displacement
        forces.append(predict(model, atoms)[1])
    assert abs(forces[0]) > 1e-6
    assert forces[1] / forces[0] == pytest.approx(2, rel=0.05)
