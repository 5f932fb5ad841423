"""The accelerated model against the model itself: values, gradients, precision, and where it steps back."""

import copy
import pickle

import numpy as np
import pytest
import torch
from ase import Atoms
from ase.build import bulk, fcc111
from conftest import make_batch, random_crystal
from torch import Tensor, nn
from torch.optim.swa_utils import AveragedModel

from leignn.backend import accelerate, compiled, messages, plain
from leignn.batch import Batch
from leignn.graph import GraphSpec
from leignn.model import LEIGNN, LocalMessagePassing

SPEC = GraphSpec(6.0, 20)


def batch_of(dtype: torch.dtype) -> Batch:
    """With an isolated atom, and atoms of unequal numbers of neighbours."""
    slab = fcc111("Cu", (3, 3, 3), vacuum=6.0, periodic=True)
    slab.rattle(0.1, seed=0)
    lone, pair = Atoms("O", positions=[[0.0, 0.0, 0.0]]), Atoms("H2", [[0, 0, 0], [0, 0, 1]])
    batch = make_batch([slab, lone, random_crystal(2, 9), pair], SPEC)
    batch.pos, batch.cell = batch.pos.to(dtype), batch.cell.to(dtype)
    return batch


def pair_of(*sizes: int, **changes) -> tuple[LEIGNN, LEIGNN]:
    """The model, and the accelerated one of the same parameters."""
    torch.manual_seed(0)
    model = LEIGNN(SPEC, *sizes, **changes)
    return model, accelerate(copy.deepcopy(model))


def run(model: LEIGNN, batch: Batch) -> list[Tensor]:
    """Energies, forces and every gradient of a loss of both, compiled where that is possible."""
    model.zero_grad(set_to_none=True)
    with compiled(True):
        output = model(batch)
        (output["energy"].square().sum() + 50 * output["forces"].square().sum()).backward()
    gradients = [torch.zeros_like(p) if p.grad is None else p.grad for p in model.parameters()]
    return [value.detach() for value in (output["energy"], output["forces"], *gradients)]


def largest_error(found: list[Tensor], expected: list[Tensor]) -> float:
    """Relative to the largest value of each tensor."""
    return max(
        float((f.double() - e).abs().max() / e.abs().max().clamp(min=1e-30))
        for f, e in zip(found, expected, strict=True)
        if e.any() or f.any()
    )


@pytest.mark.parametrize("changes", [{}, {"global_phases": False}, {"update": "painn"}])
@pytest.mark.parametrize("num_rbf", [12, 64])
@pytest.mark.parametrize("threads", [1, 2, 7])
@pytest.mark.parametrize("layers", [1, 3])
def test_float64_agrees_to_rounding(threads_restored, changes, num_rbf, threads, layers) -> None:
    """With fewer Gaussians than it would touch, and with more; a thread may have one atom alone."""
    torch.set_num_threads(threads)
    model, accelerated = (m.double() for m in pair_of(16, layers, num_rbf, **changes))
    batch = batch_of(torch.float64)
    found, expected = run(accelerated, batch), run(model, batch)
    assert largest_error(found, expected) < 1e-12
    assert any(not torch.equal(f, e) for f, e in zip(found, expected, strict=True))  # compiled indeed


def test_float32_is_as_good_as_the_model() -> None:
    """At paper size, against float64: values to 1e-5, and no worse than the model itself in float32."""
    model, accelerated = pair_of()
    expected = run(copy.deepcopy(model).double(), batch_of(torch.float64))
    batch = batch_of(torch.float32)
    found, single = run(accelerated, batch), run(model, batch)
    assert largest_error(found[:2], expected[:2]) < 1e-5
    assert largest_error(found[:2], expected[:2]) < 2 * largest_error(single[:2], expected[:2])
    assert largest_error(found[2:], expected[2:]) < 2 * largest_error(single[2:], expected[2:]) < 2e-3


def test_edges_in_any_order() -> None:
    model = pair_of(16, 2, 24)[1].double()
    batch = batch_of(torch.float64)
    expected = run(model, batch)
    order = torch.randperm(batch.edge_index.shape[1])
    batch.edge_index, batch.cell_offsets = batch.edge_index[:, order], batch.cell_offsets[order]
    assert largest_error(run(model, batch), expected) < 1e-12


def test_parameters_are_the_very_same_under_the_same_names() -> None:
    torch.manual_seed(0)
    model = LEIGNN(SPEC, 16, 2, 24)
    before = dict(model.named_parameters())
    names = list(model.state_dict())
    accelerated = accelerate(accelerate(model))
    assert accelerated is model and isinstance(model.message_layers[0], messages.LocalMessagePassing)
    assert list(model.state_dict()) == names
    assert all(parameter is before[name] for name, parameter in model.named_parameters())
    assert type(plain(model).message_layers[0]) is LocalMessagePassing
    assert not [m for m in model.modules() if type(m).__module__.startswith("leignn.backend")]
    assert all(parameter is before[name] for name, parameter in model.named_parameters())


def copies() -> dict:
    return {
        "deepcopy": copy.deepcopy,
        "pickle": lambda model: pickle.loads(pickle.dumps(model)),
        "average": lambda model: AveragedModel(model).module,
        "double and back": lambda model: copy.deepcopy(model).double().float(),
    }


@pytest.mark.parametrize("name", copies())
def test_copies_are_accelerated_too_and_independent(name) -> None:
    model, accelerated = pair_of(16, 2, 24)
    other = copies()[name](accelerated)
    assert list(other.state_dict()) == list(model.state_dict())
    assert list(map(type, other.modules())) == list(map(type, accelerated.modules()))
    batch = batch_of(torch.float32)
    assert all(map(torch.equal, run(other, batch), run(accelerated, batch)))
    with torch.no_grad():
        other.out_forces.weight.zero_()
    assert accelerated.out_forces.weight.any()


def test_only_leignn_is_accelerated() -> None:
    """Wherever it is; other models, and classes derived from it or from its modules, stay as they are."""

    class Other(LEIGNN):
        pass

    class OtherMessages(LocalMessagePassing):
        pass

    replaced = LEIGNN(SPEC, 16, 2, 24)
    replaced.message_layers[1] = OtherMessages(16, 24)
    for model in (nn.Sequential(nn.Linear(3, 3)), Other(SPEC, 16, 2, 24), replaced):
        before = list(map(type, model.modules()))
        assert list(map(type, accelerate(model).modules())) == before
    inside = accelerate(nn.ModuleDict({"part": LEIGNN(SPEC, 16, 2, 24)}))
    assert isinstance(inside["part"].message_layers[0], messages.LocalMessagePassing)


@pytest.fixture
def calls(monkeypatch) -> list[str]:
    """A name for each time that messages were compiled."""
    found, apply = [], messages.MessageSums.apply
    monkeypatch.setattr(
        messages.MessageSums, "apply", lambda *values: found.append("messages") or apply(*values)
    )
    return found


def crystal(repeats: int) -> Batch:
    batch = make_batch([bulk("Cu", cubic=True).repeat(repeats)], SPEC)
    batch.pos, batch.cell = batch.pos.float(), batch.cell.float()
    return batch


def test_by_itself_it_compiles_what_is_large_in_float_on_the_cpu(calls) -> None:
    model = pair_of(512, 1, 128)[1]
    with torch.no_grad():
        model(crystal(1))
        with torch.autocast("cpu", dtype=torch.bfloat16):
            model(crystal(3))
        with compiled(False):
            model(crystal(3))
        assert calls == []
        model(crystal(3))
    assert calls == ["messages"]


@pytest.mark.parametrize("wanted", [True, False])
def test_gradients_of_positions_are_the_models_own(calls, wanted) -> None:
    model, accelerated = (m.double() for m in pair_of(16, 2, 24))
    batch = batch_of(torch.float64)
    batch.pos.requires_grad_(True)
    gradients = []
    with compiled(wanted):
        for network in (model, accelerated):
            (gradient,) = torch.autograd.grad(network(batch)["energy"].sum(), batch.pos, create_graph=True)
            (second,) = torch.autograd.grad(gradient.square().sum(), batch.pos)
            gradients.append((gradient.detach().numpy(), second.numpy()))
    assert calls == [] and np.abs(gradients[0][0]).max() > 1e-3
    for found, expected in zip(gradients[1], gradients[0], strict=True):
        np.testing.assert_allclose(found, expected, atol=1e-12 * np.abs(expected).max())


@pytest.mark.parametrize("large", [False, True])
@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_gradients_can_be_differentiated_again(calls, large, dtype) -> None:
    """With respect to parameters, of small and of large work alike: a step along the gradient's gradient."""
    channels = 128 if large else 8
    model, accelerated = pair_of(channels, 2, 24)
    batch = crystal(3 if large else 1)

    def second(network: LEIGNN, dtype: torch.dtype) -> list[Tensor]:
        at = copy.deepcopy(batch)
        at.pos, at.cell = batch.pos.to(dtype), batch.cell.to(dtype)
        output = network.to(dtype)(at)
        loss = output["energy"].square().sum() + output["forces"].square().sum()
        parameters = [p for n, p in network.named_parameters() if "mlp_vn" not in n]
        first = torch.autograd.grad(loss, parameters, create_graph=True, allow_unused=True)
        norm = sum(value.square().sum() for value in first if value is not None)
        found = torch.autograd.grad(norm, parameters, allow_unused=True)
        return [torch.zeros(1) if value is None else value for value in found]

    found = second(accelerated, dtype)
    expected = second(model, torch.float64)
    pairs = [(f, e) for f, e in zip(found, expected, strict=True) if e.any()]
    assert len(pairs) > 20 and bool(calls) == large
    tolerance = 1e-10 if dtype == torch.float64 else 1e-3
    assert largest_error([f for f, _ in pairs], [e for _, e in pairs]) < tolerance


def test_forward_mode_and_transforms_are_the_models_own(calls) -> None:
    model = pair_of(16, 2, 24)[1].double()
    batch = batch_of(torch.float64)
    weight = dict(model.named_parameters())["out_forces.weight"].detach()

    def forces(bias: Tensor) -> Tensor:
        parameters = {"message_layers.1.rbf_proj.bias": bias}
        return torch.func.functional_call(model, parameters, (batch,))["forces"].square().sum()

    bias = model.message_layers[1].rbf_proj.bias.detach()
    tangent = torch.randn(bias.shape, dtype=bias.dtype)
    with compiled(True):
        gradient = torch.func.grad(forces)(bias)
        _, slope = torch.func.jvp(forces, (bias,), (tangent,))
    assert calls == [] and weight.any()
    assert slope.item() == pytest.approx((gradient * tangent).sum().item(), rel=1e-10)
