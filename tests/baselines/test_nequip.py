"""NequIP on the project's graph against nequip's own network on its own graph."""

import numpy as np
import pytest
import torch
from ase import Atoms
from conftest import make_batch, structures

from baselines.nequip import NequIP
from leignn.graph import GraphSpec

SPEC = GraphSpec(4.5, 500, "ties")  # all neighbours
SIZES = {
    "num_features": 4,
    "l_max": 1,
    "num_layers": 2,
    "num_basis": 4,
    "invariant_layers": 1,
    "invariant_neurons": 8,
}
STATISTICS = {"average_neighbors": 17.0, "scale": 1.7, "atomic_energies": {"O": 0.5, "Na": 1.0, "Cl": -2.0}}


def fitted() -> NequIP:
    torch.manual_seed(0)
    model = NequIP(SPEC, **SIZES).double().eval()
    model.load_statistics(STATISTICS)
    return model


def test_same_as_nequip_with_its_own_neighbors() -> None:
    from nequip.data import AtomicData
    from nequip.model import EnergyModel, SimpleIrrepsConfig
    from nequip.nn import GradientOutput

    model, atoms = fitted(), structures()["thin cell"]
    configuration = model._configuration(3) | {"avg_num_neighbors": 17.0}
    SimpleIrrepsConfig(configuration)
    theirs = EnergyModel(configuration, initialize=False).double()
    weights = {k: v for k, v in model.network.state_dict().items() if not k.endswith("avg_num_neighbors")}
    theirs.load_state_dict(weights)
    data = AtomicData.from_points(
        pos=torch.from_numpy(atoms.positions), r_max=4.5, cell=atoms.cell.array, pbc=atoms.pbc
    )
    data = {k: v for k, v in AtomicData.to_AtomicDataDict(data).items() if k != "edge_vectors"}
    data = {k: v.double() if v.is_floating_point() else v for k, v in data.items()}
    data["pos"] = torch.from_numpy(atoms.positions).clone()
    data["cell"] = torch.from_numpy(atoms.cell.array)
    data["atom_types"] = torch.tensor([["O", "Na", "Cl"].index(s) for s in atoms.symbols])
    found = GradientOutput(theirs, of="total_energy", wrt="pos", out_field="forces", sign=-1.0)(data)
    ours = model(make_batch([atoms], SPEC))
    shift = sum(STATISTICS["atomic_energies"][s] for s in atoms.symbols)
    assert ours["energy"].item() == pytest.approx(1.7 * found["total_energy"].item() + shift, rel=1e-5)
    np.testing.assert_allclose(ours["forces"], 1.7 * found["forces"].detach(), atol=1e-5)
    assert ours["forces"].abs().max() > 1e-3


def test_an_isolated_atoms_energy_differs_by_its_element_alone() -> None:
    model, atom = fitted(), make_batch([Atoms("O")], SPEC)
    before = model(atom)["energy"].item()
    model.element_energies[0] += 1.25
    assert model(atom)["energy"].item() - before == pytest.approx(1.25)
