"""ForceNet's harmonics against scipy, and the random rotations that stand in for its symmetry."""

import numpy as np
import pytest
import torch
from conftest import make_batch, structures
from scipy.special import sph_harm_y

from baselines.forcenet import ForceNet, random_rotations, spherical_harmonics
from leignn.graph import GraphSpec

SPEC = GraphSpec(5.0, 80, "ties")


def forcenet(augment: bool = True) -> ForceNet:
    torch.manual_seed(0)
    return ForceNet(SPEC, hidden_channels=8, num_interactions=2, augment=augment).double()


def test_harmonics_span_scipys() -> None:
    """Each degree is an orthogonal change of basis of scipy's, so their squares sum to the same."""
    unit = torch.nn.functional.normalize(torch.randn(40, 3, dtype=torch.float64), dim=1)
    polar, azimuth = np.arccos(unit[:, 2].numpy()), np.arctan2(unit[:, 1].numpy(), unit[:, 0].numpy())
    found, start = spherical_harmonics(unit).numpy(), 0
    for degree in range(3):
        theirs = [sph_harm_y(degree, order, polar, azimuth) for order in range(-degree, degree + 1)]
        theirs = np.stack(theirs, axis=1)
        ours = found[:, start : start + 2 * degree + 1]
        np.testing.assert_allclose(ours @ ours.T, (theirs @ theirs.conj().T).real, atol=1e-12)
        start += 2 * degree + 1
    assert start == found.shape[1]


def test_rotations_are_rotations_and_uniform() -> None:
    rotations = random_rotations(4000, seed=1)
    identity = torch.eye(3, dtype=torch.float64).expand_as(rotations)
    torch.testing.assert_close(rotations @ rotations.mT, identity)
    torch.testing.assert_close(torch.linalg.det(rotations), torch.ones(4000, dtype=torch.float64))
    # Of a uniform rotation every entry has mean 0 and mean square 1/3.
    assert rotations.mean(0).abs().max() < 5 / np.sqrt(3 * 4000)
    assert (rotations.square().mean(0) - 1 / 3).abs().max() < 5 * 0.3 / np.sqrt(4000)


def test_training_turns_each_structure_and_its_forces_back() -> None:
    model, batch = forcenet(), [structures()["slab"], structures()["molecule"]]
    rotations = random_rotations(2, seed=0).numpy()
    turned = [atoms.copy() for atoms in batch]
    for atoms, rotation in zip(turned, rotations, strict=True):
        atoms.set_cell(atoms.cell.array @ rotation.T)
        atoms.positions = atoms.positions @ rotation.T
    with torch.no_grad():
        seen, plain = model.train()(make_batch(batch, SPEC)), model.eval()(make_batch(turned, SPEC))
    np.testing.assert_allclose(seen["energy"], plain["energy"], rtol=1e-8)
    cut = len(batch[0])
    expected = [plain["forces"][:cut] @ rotations[0], plain["forces"][cut:] @ rotations[1]]
    np.testing.assert_allclose(seen["forces"], np.concatenate(expected), atol=1e-8)


def test_it_is_not_equivariant_and_the_rotations_go_on_after_a_resume() -> None:
    model, atoms = forcenet().train(), [structures()["slab"]]
    first, second = (model(make_batch(atoms, SPEC))["energy"].item() for _ in range(2))
    assert first != pytest.approx(second, rel=1e-6)
    assert not ForceNet.equivariant
    resumed = forcenet().train()
    resumed.load_state_dict(model.state_dict())
    assert (
        resumed(make_batch(atoms, SPEC))["energy"].item() == model(make_batch(atoms, SPEC))["energy"].item()
    )


def test_without_augmentation_training_sees_the_structure_as_it_is() -> None:
    model, atoms = forcenet(augment=False), [structures()["slab"]]
    energies = [
        network(make_batch(atoms, SPEC))["energy"].item() for network in (model.train(), model.eval())
    ]
    assert energies[0] == energies[1]
