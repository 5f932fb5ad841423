"""DeepPot-SE on the project's graph against deepmd-kit's own model and statistics."""

import io

import numpy as np
import pytest
import torch
from ase import Atoms
from ase.build import bulk
from conftest import make_batch, random_crystal

from baselines.deeppot_se import DeepPotSE
from leignn.graph import GraphSpec

SPEC = GraphSpec(4.5, 500, "ties")  # all neighbours
SIZES = {"smooth_from": 1.0, "neighbors_of_element": 60, "embedding": [4, 8], "axis": 3, "fitting": [10, 10]}
SYMBOLS = ["H", "O", "Cu"]


class Crystals:
    """A training split of random crystals of three elements."""

    def __init__(self, count: int = 6) -> None:
        self.atoms = [random_crystal(seed, 9) for seed in range(count)]
        for seed, atoms in enumerate(self.atoms):
            atoms.symbols = np.random.default_rng(seed).permutation(SYMBOLS * 3)

    def __len__(self) -> int:
        return len(self.atoms)

    def __getitem__(self, indices: list[int]):
        return make_batch([self.atoms[i] for i in indices], SPEC)

    def gather(self, name: str) -> np.ndarray:
        return np.linspace(-1, 2, len(self))


def fitted(**other: int) -> DeepPotSE:
    torch.manual_seed(0)
    model = DeepPotSE(SPEC, **(SIZES | other)).double().eval()
    model.load_statistics(model.compute_statistics(Crystals(), 0.0))
    return model


def deepmd_frames(atoms: list[Atoms]) -> dict[str, torch.Tensor]:
    types = [[SYMBOLS.index(s) for s in a.symbols] for a in atoms]
    return {
        "coord": torch.from_numpy(np.stack([a.positions for a in atoms])),
        "atype": torch.tensor(types),
        "box": torch.from_numpy(np.stack([a.cell.array.flatten() for a in atoms])),
    }


def test_same_as_deepmd_kits_model_with_its_own_neighbors() -> None:
    from deepmd.pt.model.model import get_model

    model, atoms = fitted(), Crystals().atoms[:2]
    theirs = get_model(
        {
            "type_map": SYMBOLS,
            "descriptor": {
                "type": "se_e2_a", "sel": [60] * 3, "rcut": 4.5, "rcut_smth": 1.0, "neuron": [4, 8],
                "axis_neuron": 3, "type_one_side": False,
            },
            "fitting_net": {"neuron": [10, 10], "resnet_dt": True},
        }
    )  # fmt: skip
    theirs.atomic_model.descriptor.load_state_dict(model.networks["descriptor"].state_dict())
    theirs.atomic_model.fitting_net.load_state_dict(model.networks["fitting"].state_dict())
    expected = theirs(**deepmd_frames(atoms))
    found = model(make_batch(atoms, SPEC))
    shift = 3 * model.element_energies.sum()
    torch.testing.assert_close(found["energy"], expected["energy"][:, 0].detach() + shift)
    torch.testing.assert_close(found["forces"].view(2, 9, 3), expected["force"].detach())
    assert found["forces"].abs().max() > 1e-3


def test_statistics_are_deepmd_kits() -> None:
    from deepmd.pt.model.descriptor.se_a import DescrptSeA

    model = fitted()
    theirs = DescrptSeA(4.5, 1.0, [60] * 3, neuron=[4, 8], axis_neuron=3, type_one_side=False)
    samples = [
        deepmd_frames([atoms]) | {"natoms": torch.tensor([[9, 9, 3, 3, 3]])} for atoms in Crystals().atoms
    ]
    theirs.compute_input_stats(samples)
    ours = model.networks["descriptor"].sea
    torch.testing.assert_close(ours.mean, theirs.sea.mean)
    torch.testing.assert_close(ours.stddev, theirs.sea.stddev)


def test_the_nearest_neighbors_of_an_element_are_kept() -> None:
    """Of more copper neighbours than there are places, the farther ones do not count."""
    model, atoms = fitted(neighbors_of_element=1), Atoms("OCu2", [[0, 0, 0], [0, 0, 2.0], [0, 2.5, 0]])
    farther = atoms.copy()
    farther.positions[2] = [0, 0.2, -2.9]
    batches = [make_batch([a], SPEC) for a in (atoms, farther)]
    entries = [model._environment(batch, model.types(batch))[0] for batch in batches]
    torch.testing.assert_close(entries[0], entries[1])


def test_a_copy_and_a_checkpoint_have_its_networks() -> None:
    model, content = fitted(), io.BytesIO()
    torch.save(model.state_dict(), content)
    content.seek(0)
    other = DeepPotSE(SPEC, **SIZES).double().eval()
    other.load_state_dict(torch.load(content, weights_only=True))
    batch = Crystals()[[0, 1]]
    torch.testing.assert_close(other(batch)["energy"], model(batch)["energy"], rtol=0, atol=0)


def test_smooth_at_the_cutoff() -> None:
    model = fitted()
    near, far = (
        model(make_batch([bulk("Cu", a=np.sqrt(2) * (4.5 + step))], SPEC))["energy"].item()
        for step in (-1e-4, 1e-4)
    )
    assert near == pytest.approx(far, abs=1e-9)
