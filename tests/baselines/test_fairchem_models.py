"""What is particular to the models on fairchem-core's networks; symmetries have a test for all models."""

import json
from collections.abc import Callable

import numpy as np
import pytest
import torch
from ase import Atoms
from ase.build import bulk, fcc111
from conftest import make_batch, structures

from baselines.dimenet import DimeNetPlusPlus, SphericalBasis, triplets
from baselines.fairchem_imports import fairchem_imports
from baselines.gemnet import GemNetDT, GemNetT
from baselines.painn import PaiNN, PaiNNDirect
from leignn.batch import Batch
from leignn.config.model import load_model
from leignn.errors import InputError
from leignn.graph import GraphSpec
from leignn.potential import Potential

with fairchem_imports():
    from fairchem.core.models.dimenet_plus_plus import DimeNetPlusPlusWrap
    from fairchem.core.models.gemnet.gemnet import GemNetT as FairchemGemNetT
    from fairchem.core.models.painn.painn import PaiNN as FairchemPaiNN
    from fairchem.core.modules.scaling import ScaleFactor

CUTOFF, ALL = 4.5, 500  # Å; more neighbours than there are: fairchem-core's cut of ties differs from ours
PAINN = {"hidden_channels": 12, "num_layers": 2, "num_rbf": 8}
DIMENET = {
    "hidden_channels": 12,
    "out_emb_channels": 10,
    "num_blocks": 2,
    "int_emb_size": 6,
    "basis_emb_size": 4,
    "num_spherical": 3,
    "num_radial": 2,
    "num_before_skip": 1,
    "num_after_skip": 1,
    "num_output_layers": 2,
}
GEMNET = {
    "num_blocks": 2,
    "emb_size_atom": 12,
    "emb_size_edge": 10,
    "emb_size_trip": 8,
    "emb_size_rbf": 6,
    "emb_size_cbf": 4,
    "emb_size_bil_trip": 6,
    "num_radial": 8,
    "num_spherical": 3,
    "num_before_skip": 1,
    "num_after_skip": 1,
    "num_concat": 1,
    "num_atom": 1,
}
MODELS: dict[str, Callable[[GraphSpec], Potential]] = {
    "PaiNN": lambda spec: PaiNN(spec, **PAINN),
    "PaiNN_Direct": lambda spec: PaiNNDirect(spec, **PAINN),
    "DimeNet++": lambda spec: DimeNetPlusPlus(spec, **DIMENET),
    "GemNet-T": lambda spec: GemNetT(spec, **GEMNET),
    "GemNet-dT": lambda spec: GemNetDT(spec, **GEMNET),
}
SCALED = ["PaiNN", "PaiNN_Direct", "GemNet-T", "GemNet-dT"]
CONSERVATIVE = ["PaiNN", "DimeNet++", "GemNet-T"]


def build(name: str) -> Potential:
    """The model in float64, its output layer not zero and its scale factors not one."""
    torch.manual_seed(0)
    potential = MODELS[name](GraphSpec(CUTOFF, ALL)).double()
    if name == "DimeNet++":
        for output in potential.outputs:
            torch.nn.init.normal_(output.lin.weight)
    else:
        values = np.random.default_rng(0).uniform(0.8, 1.4, len(potential.scale_factors()))
        potential.load_statistics(dict(zip(potential.scale_factors(), values.tolist(), strict=True)))
    return potential.eval()


def slabs() -> list[Atoms]:
    """Two periodic structures, small enough for fairchem-core's search and wrapped as it wants them."""
    slab = fcc111("Cu", (2, 2, 2), vacuum=5.0, periodic=True)
    slab.rattle(0.15, seed=3)
    salt = bulk("NaCl", "rocksalt", a=5.0, cubic=True)
    salt.rattle(0.2, seed=4)
    for atoms in (slab, salt):
        atoms.wrap()
    return [slab, salt]


def fairchem_energies_and_forces(network: torch.nn.Module, batch: Batch) -> tuple[torch.Tensor, torch.Tensor]:
    """fairchem-core's own network on its own graph; forces are its direct ones, or minus the gradient.

    In float32: its search knows nothing else.
    """
    network.float().eval()
    batch.cell, batch.pos = batch.cell.float(), batch.pos.float().requires_grad_(True)
    output = network(batch)
    energy = output["energy"].flatten()
    if "forces" not in output:
        output["forces"] = -torch.autograd.grad(energy.sum(), batch.pos)[0]
    return energy.double(), output["forces"].double()


@pytest.mark.filterwarnings("ignore:.*jittable")
@pytest.mark.parametrize("name", SCALED)
def test_same_as_on_fairchems_own_graph(name) -> None:
    """Our edges, shifts and directions mean to the network what its own search finds."""
    ours = build(name)
    direct = {"regress_forces": False} if name in CONSERVATIVE else {"direct_forces": True}
    kind, sizes = (FairchemGemNetT, GEMNET) if name.startswith("GemNet") else (FairchemPaiNN, PAINN)
    theirs = kind(**sizes, cutoff=CUTOFF, max_neighbors=ALL, otf_graph=True, use_pbc=True, **direct)
    theirs.load_state_dict(ours.network.state_dict())
    energy, forces = fairchem_energies_and_forces(theirs, make_batch(slabs(), None))
    found = ours(make_batch(slabs(), ours.graph))
    torch.testing.assert_close(found["energy"], energy, rtol=1e-5, atol=1e-5)
    torch.testing.assert_close(found["forces"], forces, rtol=1e-4, atol=1e-5)
    assert found["forces"].abs().mean() > 1e-2


@pytest.mark.filterwarnings("ignore:Using torch.cross")
def test_dimenet_has_fairchems_energies() -> None:
    """Energies only: fairchem-core's forces lack the angles' part."""
    ours = build("DimeNet++")
    theirs = DimeNetPlusPlusWrap(**DIMENET, cutoff=CUTOFF, otf_graph=True, regress_forces=False)
    theirs.max_neighbors = ALL
    names = {
        "radial_basis": "rbf",
        "embedding": "emb",
        "interactions": "interaction_blocks",
        "outputs": "output_blocks",
    }
    state = {
        ".".join([names[key.split(".")[0]], *key.split(".")[1:]]): value
        for key, value in ours.state_dict().items()
    }
    theirs.load_state_dict(state)
    energy, _ = fairchem_energies_and_forces(theirs, make_batch(slabs(), None))
    torch.testing.assert_close(ours(make_batch(slabs(), ours.graph))["energy"], energy, rtol=1e-5, atol=1e-5)


def test_spherical_basis_is_torch_geometrics() -> None:
    from torch_geometric.nn.models.dimenet import SphericalBasisLayer

    theirs, ours = SphericalBasisLayer(3, 2, CUTOFF).double(), SphericalBasis(3, 2, CUTOFF).double()
    generator = torch.Generator().manual_seed(0)
    vector = torch.randn(20, 3, dtype=torch.float64, generator=generator)
    distance, edges = vector.norm(dim=1), torch.arange(20)
    partner = edges.roll(1)
    angle = torch.acos((vector * vector[partner]).sum(1) / distance / distance[partner])
    expected = theirs(distance, angle, edges)
    torch.testing.assert_close(ours(vector, distance, edges, partner), expected, rtol=1e-5, atol=1e-5)


def test_triplets_are_those_of_a_loop() -> None:
    batch = make_batch(slabs(), GraphSpec(3.0, 8))
    source, target = batch.edge_index.tolist()
    shift = batch.cell_offsets.tolist()
    edges = range(len(source))
    expected = {
        (inner, outer)
        for inner in edges
        for outer in edges
        if target[inner] == source[outer]
        and not (source[inner] == target[outer] and np.array_equal(shift[inner], -np.array(shift[outer])))
    }
    inner, outer = triplets(batch.edge_index, batch.cell_offsets, len(batch.pos))
    assert len(inner) == len(expected)
    assert set(zip(inner.tolist(), outer.tolist(), strict=True)) == expected


def row() -> Atoms:
    """Angles of exactly 0 and π, where an angle has no derivative."""
    return Atoms("HCNO", positions=[[0, 0, z] for z in (0.0, 1.1, 2.3, 3.5)])


@pytest.mark.parametrize("name", CONSERVATIVE)
@pytest.mark.parametrize(
    "atoms", [slabs()[0], structures()["molecule"], row()], ids=["slab", "molecule", "row"]
)
def test_forces_are_the_negative_gradient(name, atoms) -> None:
    potential = build(name)
    forces = potential(make_batch([atoms], potential.graph))["forces"]
    generator = np.random.default_rng(0)
    for _ in range(3):
        direction, step = generator.normal(size=(len(atoms), 3)), 1e-5
        energies = []
        for sign in (1, -1):
            moved = atoms.copy()
            moved.positions += sign * step * direction
            with torch.no_grad():
                energies.append(potential(make_batch([moved], potential.graph))["energy"].item())
        slope = (energies[0] - energies[1]) / (2 * step)
        along = -(forces * torch.from_numpy(direction)).sum().item()
        assert slope == pytest.approx(along, rel=1e-6, abs=1e-7)


@pytest.mark.parametrize("name", CONSERVATIVE)
def test_training_differentiates_the_forces_again(name) -> None:
    """The gradient of a loss of forces with respect to weights, against finite differences."""
    potential = build(name).train()
    batch = make_batch(slabs()[:1], potential.graph)
    weights = [p for p in potential.parameters() if p.requires_grad]

    def loss() -> torch.Tensor:
        return potential(batch)["forces"].square().mean()

    gradients = torch.autograd.grad(loss(), weights, materialize_grads=True)
    generator = torch.Generator().manual_seed(0)
    directions = [torch.randn(w.shape, dtype=w.dtype, generator=generator) for w in weights]
    step, values = 1e-6, []
    for sign in (1, -2):  # from the weights to one side, from there to the other
        with torch.no_grad():
            for weight, direction in zip(weights, directions, strict=True):
                weight += sign * step * direction
        values.append(loss().item())
    slope = (values[0] - values[1]) / (2 * step)
    along = sum((g * d).sum().item() for g, d in zip(gradients, directions, strict=True))
    assert slope == pytest.approx(along, rel=1e-5)


@pytest.mark.parametrize("name", MODELS)
def test_every_trained_parameter_gets_a_gradient(name) -> None:
    """Else training on several GPUs stops. The scale factors are frozen, and nothing else is."""
    potential = build(name).train()
    output = potential(make_batch(slabs(), potential.graph))
    (output["energy"].square().sum() + output["forces"].square().sum()).backward()
    frozen = {key for key, p in potential.named_parameters() if not p.requires_grad}
    assert frozen == {key for key, _ in potential.named_parameters() if key.endswith("scale_factor")}
    for key, parameter in potential.named_parameters():
        assert key in frozen or parameter.grad.abs().sum() > 0, key


@pytest.mark.parametrize("name", MODELS)
@pytest.mark.parametrize(
    "batch",
    [[Atoms("O")], [Atoms("O"), Atoms("H")], [Atoms("O2", [[0, 0, 0], [0, 0, 1.3]])]],
    ids=["one atom", "no edges", "no triplets"],
)
def test_few_atoms(name, batch) -> None:
    potential = build(name).requires_grad_(False)
    output = potential(make_batch(batch, potential.graph))
    assert output["energy"].shape == (len(batch),)
    assert output["forces"].shape == (sum(map(len, batch)), 3)
    assert all(torch.isfinite(value).all() for value in output.values())


class FewFrames:
    """A training split of slabs and salts."""

    def __init__(self, spec: GraphSpec) -> None:
        self._spec = spec
        self._frames = [atoms.copy() for _ in range(6) for atoms in slabs()]
        for seed, atoms in enumerate(self._frames):
            atoms.rattle(0.1, seed=seed)

    def __len__(self) -> int:
        return len(self._frames)

    def __getitem__(self, indices: list[int]) -> Batch:
        return make_batch([self._frames[i] for i in indices], self._spec)


@pytest.mark.parametrize("name", SCALED)
def test_fitted_factors_keep_the_variance(name) -> None:
    """With all factors in place, each output has the variance of its reference (one, where it has none)."""
    potential = build(name)
    frames = FewFrames(potential.graph)
    potential.load_statistics(potential.compute_statistics(frames, 0.0))
    variances: dict[str, list[tuple[int, float, float]]] = {}

    def watch(key: str) -> Callable:
        def hook(module: ScaleFactor, inputs: tuple, options: dict, output: torch.Tensor) -> None:
            reference = options.get("ref")
            wanted = 1.0 if reference is None else reference.var(dim=0).mean().item()
            variances.setdefault(key, []).append((len(output), output.var(dim=0).mean().item(), wanted))

        return hook

    for key, factor in potential.scale_factors().items():
        factor.register_forward_hook(watch(key), with_kwargs=True)
    with torch.no_grad():
        for start in (0, 8):  # the fit's batches, by their sizes
            chosen = np.random.default_rng(0).permutation(len(frames))[start : start + 8].tolist()
            potential(frames[chosen])
    assert set(variances) == set(potential.scale_factors())
    for key, found in variances.items():
        rows, outputs, wanted = np.array(found).T
        assert (rows * outputs).sum() / (rows * wanted).sum() == pytest.approx(1, rel=1e-6), key


@pytest.mark.parametrize("name", SCALED)
def test_statistics_survive_json_and_checkpoint(name) -> None:
    potential = build(name)
    frames = FewFrames(potential.graph)
    statistics = potential.compute_statistics(frames, 0.0)
    assert potential.compute_statistics(frames, 0.0) == statistics  # fitted before: starts afresh
    potential.load_statistics(json.loads(json.dumps(statistics)))
    expected = potential(frames[[0, 1]])

    fresh = MODELS[name](potential.graph).double().eval()
    fresh.load_state_dict(potential.state_dict())
    for key, value in fresh(frames[[0, 1]]).items():
        torch.testing.assert_close(value, expected[key], rtol=0, atol=0)


@pytest.mark.parametrize("name", SCALED)
def test_unfitted_is_an_error(name) -> None:
    potential = MODELS[name](GraphSpec(CUTOFF, ALL))
    batch = make_batch([Atoms("O")], potential.graph)
    with pytest.raises(InputError, match="is not fitted"):
        potential(batch)
    fresh = MODELS[name](GraphSpec(CUTOFF, ALL))
    fresh.load_state_dict(potential.state_dict())
    with pytest.raises(InputError, match="is not fitted"):
        fresh(batch)


def test_statistics_of_another_network_are_refused() -> None:
    statistics = build("PaiNN").compute_statistics(FewFrames(GraphSpec(CUTOFF, ALL)), 0.0)
    with pytest.raises(InputError, match="scale factor"):
        build("GemNet-dT").load_statistics(statistics)


@pytest.mark.filterwarnings("ignore:var")
def test_frames_without_edges_cannot_be_fitted() -> None:
    class Isolated(FewFrames):
        def __getitem__(self, indices: list[int]) -> Batch:
            return make_batch([Atoms("O") for _ in indices], self._spec)

    with pytest.raises(InputError, match="cannot be fitted"):
        build("GemNet-dT").compute_statistics(Isolated(GraphSpec(CUTOFF, ALL)), 0.0)


def test_gemnet_t_has_as_many_parameters_as_published() -> None:
    """MDSim's GemNet-T on LiPS: 1 891 025 (its example_sim/lips_gemnet-t/test_metric.json)."""
    sizes = load_model("gemnet_t").benchmarks["mdsim"].hyperparameters["paper"]
    model = GemNetT(GraphSpec(5.0, 50), **sizes)
    assert sum(p.numel() for p in model.parameters()) == 1_891_025
