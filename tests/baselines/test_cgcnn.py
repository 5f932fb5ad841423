"""CGCNN's convolution beside the paper's equation, atom by atom."""

import numpy as np
import torch
from ase.build import bulk
from conftest import make_batch, structures

from baselines.cgcnn import CGCNN
from leignn.graph import GraphSpec

SPEC = GraphSpec(5.0, 80, "ties")


def model() -> CGCNN:
    torch.manual_seed(0)
    return CGCNN(SPEC, 6, 2, 8, 2, 10).double().eval()


def test_equals_loops_over_atoms_and_neighbours() -> None:
    """Xie and Grossman 2018, eq. 5: gates and cores of every pair, summed; then norm, sum, softplus."""
    net, batch = model(), make_batch([structures()["triclinic"]], SPEC)
    found = net(batch)["energy"].item()
    softplus = torch.nn.functional.softplus
    centres = torch.linspace(0, SPEC.cutoff, 10).double()
    with torch.no_grad():
        source, target = batch.edge_index
        shift = batch.cell_offsets.double() @ batch.cell[0]
        atoms = net.atom_embedding.weight[batch.atomic_numbers]
        for convolution, norm in zip(net.convolutions, net.norms, strict=True):
            updated = []
            for i in range(len(atoms)):
                total = torch.zeros(6).double()
                for e in torch.nonzero(target == i).flatten():
                    j = source[e]
                    distance = (batch.pos[j] + shift[e] - batch.pos[i]).norm()
                    basis = torch.exp(-0.5 * ((distance - centres) / (centres[1] - centres[0])) ** 2)
                    z = torch.cat([atoms[i], atoms[j], basis])
                    gate = torch.sigmoid(convolution.lin_f.weight @ z + convolution.lin_f.bias)
                    total += gate * softplus(convolution.lin_s.weight @ z + convolution.lin_s.bias)
                updated.append(softplus(atoms[i] + norm(total)))
            atoms = torch.stack(updated)
        hidden = atoms.mean(0)
        *layers, last = [layer for layer in net.readout if hasattr(layer, "weight")]
        for layer in layers:
            hidden = softplus(layer.weight @ hidden + layer.bias)
        expected = (last.weight @ hidden + last.bias).item()
    np.testing.assert_allclose(found, expected, rtol=1e-5)  # torch-geometric keeps a float32 width


def test_the_energy_is_that_of_the_mean_atom() -> None:
    """A supercell has its cell's energy, as the docstring warns."""
    atoms = bulk("NaCl", "rocksalt", a=5.64)
    atoms.rattle(0.1, seed=0)
    batch = make_batch([atoms, atoms.repeat((2, 1, 2))], SPEC)
    first, second = model()(batch)["energy"].tolist()
    np.testing.assert_allclose(second, first, rtol=1e-9)
