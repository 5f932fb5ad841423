"""LEIGNN-C accelerated: forces, their gradients by parameters, second derivatives, against the equations."""

import copy

import pytest
import torch
from ase import Atoms
from ase.build import fcc111
from conftest import make_batch, random_crystal
from torch import Tensor, nn

from leignn.backend import accelerate, compiled, plain, smooth_messages
from leignn.backend.smooth_band import SmoothBand
from leignn.backend.smooth_messages import MessageSums
from leignn.batch import Batch
from leignn.conservative import ConservativeLEIGNN, SmoothBasis, SmoothMessagePassing
from leignn.graph import GraphSpec

SPEC = GraphSpec(6.0, 20)


def batch_of(model: ConservativeLEIGNN, dtype: torch.dtype) -> Batch:
    """With an isolated atom, and atoms of unequal numbers of neighbours."""
    slab = fcc111("Cu", (3, 3, 3), vacuum=6.0, periodic=True)
    slab.rattle(0.1, seed=0)
    lone, pair = Atoms("O", positions=[[0.0, 0.0, 0.0]]), Atoms("H2", [[0, 0, 0], [0, 0, 1]])
    batch = make_batch([slab, lone, random_crystal(2, 9), pair], model.graph)
    batch.pos, batch.cell = batch.pos.to(dtype), batch.cell.to(dtype)
    return batch


def pair_of(*sizes: int) -> tuple[ConservativeLEIGNN, ConservativeLEIGNN]:
    """The model, and the accelerated one of the same parameters."""
    torch.manual_seed(0)
    model = ConservativeLEIGNN(SPEC, *sizes)
    with torch.no_grad():
        for layer in model.message_layers:
            layer.rbf_proj.bias.normal_()
    return model, accelerate(copy.deepcopy(model))


@pytest.fixture
def calls(monkeypatch) -> list[str]:
    """A name for each message compiled and for each derivative left to the equations."""
    found: list[str] = []
    apply, by_equations = MessageSums.apply, smooth_messages._plain_gradients
    monkeypatch.setattr(MessageSums, "apply", lambda *values: found.append("sums") or apply(*values))
    monkeypatch.setattr(
        smooth_messages, "_plain_gradients", lambda *values: found.append("plain") or by_equations(*values)
    )
    return found


def run(model: ConservativeLEIGNN, batch: Batch, to_all: bool = False) -> list[Tensor]:
    """Energies, forces and every parameter's gradient of a loss of both, compiled where possible."""
    model.zero_grad(set_to_none=True)
    model.train()
    with compiled(True):
        output = model(batch)
        loss = output["energy"].square().sum() + 50 * output["forces"].square().sum()
        loss.backward(inputs=None if to_all else list(model.parameters()))
    return [output["energy"].detach(), output["forces"].detach(), *(p.grad for p in model.parameters())]


def largest_error(found: list[Tensor], expected: list[Tensor]) -> float:
    """Relative to the largest value of each tensor."""
    return max(
        float((f.double() - e).abs().max() / e.abs().max().clamp(min=1e-30))
        for f, e in zip(found, expected, strict=True)
    )


@pytest.mark.parametrize(("num_rbf", "threads", "layers"), [(64, 1, 1), (64, 2, 3), (64, 7, 3), (8, 1, 3)])
def test_training_in_float64_agrees_to_rounding(threads_restored, calls, num_rbf, threads, layers) -> None:
    """With fewer Gaussians than it would touch, and with more."""
    torch.set_num_threads(threads)
    model, accelerated = (m.double() for m in pair_of(16, layers, num_rbf))
    batch = batch_of(model, torch.float64)
    expected = run(model, batch)
    assert calls == []
    assert largest_error(run(accelerated, batch), expected) < 1e-12
    assert calls == ["sums"] * layers  # and no derivative by the equations
    # Asked for those by positions, too, as by a loop of one's own.
    assert largest_error(run(accelerated, batch, to_all=True), expected) < 1e-12
    assert calls.count("plain") == layers


def test_inference_in_float64_agrees_to_rounding(calls) -> None:
    model, accelerated = (m.double().eval() for m in pair_of(16, 3, 64))
    batch = batch_of(model, torch.float64)
    with torch.no_grad(), compiled(True):
        expected, found = model(batch), accelerated(batch)
    assert calls == ["sums"] * 3
    for name in expected:
        assert largest_error([found[name]], [expected[name]]) < 1e-12
    crystal = make_batch([random_crystal(2, 9)], model.graph)
    with compiled(True):
        stresses = [network.with_stress(crystal)["stress"] for network in (accelerated, model)]
    assert largest_error(stresses[:1], stresses[1:]) < 1e-12


def test_float32_is_as_good_as_the_model() -> None:
    """Against float64."""
    model, accelerated = pair_of(128, 2, 64)
    exact = copy.deepcopy(model).double()
    expected = run(exact, batch_of(model, torch.float64))
    batch = batch_of(model, torch.float32)
    found, single = run(accelerated, batch), run(model, batch)
    assert largest_error(found[:2], expected[:2]) < 2 * largest_error(single[:2], expected[:2]) < 1e-4
    assert largest_error(found[2:], expected[2:]) < 2 * largest_error(single[2:], expected[2:]) < 1e-2


def test_second_derivatives_by_positions(calls) -> None:
    """The Hessian along a direction, which only the equations have."""
    model, accelerated = (m.double() for m in pair_of(16, 2, 64))
    batch = batch_of(model, torch.float64)
    direction, found = torch.randn_like(batch.pos), []
    with compiled(True):
        for network in (model, accelerated):
            pos = batch.pos.clone().requires_grad_(True)
            at = copy.copy(batch)
            at.pos = pos
            (gradient,) = torch.autograd.grad(network.energies(at).sum(), pos, create_graph=True)
            found.append(torch.autograd.grad((gradient * direction).sum(), pos)[0])
    assert "sums" in calls and "plain" in calls
    assert largest_error(found[1:], found[:1]) < 1e-11


def test_parameters_and_plain() -> None:
    model, accelerated = pair_of(16, 2, 24)
    assert list(model.state_dict()) == list(accelerated.state_dict())
    assert type(accelerated.message_layers[0]) is smooth_messages.SmoothMessagePassing
    plain(accelerated)
    assert not [m for m in accelerated.modules() if type(m).__module__.startswith("leignn.backend")]
    batch = batch_of(model, torch.float32)
    assert all(map(torch.equal, run(accelerated, batch), run(model, batch)))


@pytest.mark.parametrize("first", [False, True])
def test_gradients_of_the_messages_are_numeric_ones(calls, first) -> None:
    torch.manual_seed(0)
    atoms, channels, rbf = 5, 2, 24
    ends = torch.tensor([[0, 2, 1, 4, 0, 3, 1, 2], [1, 1, 2, 2, 2, 4, 0, 4]])

    def random(*shape: int) -> Tensor:
        return torch.randn(shape, dtype=torch.float64, requires_grad=True)

    phi, table, grad_dx, grad_dv = (
        random(atoms, 3 * channels), random(rbf + 1, 3 * channels), random(atoms, channels),
        random(atoms, 3, channels),
    )  # fmt: skip
    v = torch.zeros(atoms, 3, channels, dtype=torch.float64) if first else random(atoms, 3, channels)
    u = nn.functional.normalize(random(8, 3), dim=1).detach()
    d = torch.linspace(0.5, 5.2, 8, dtype=torch.float64)
    envelope = torch.rand(8, dtype=torch.float64)
    layer = SmoothMessagePassing(channels, rbf)

    def sums(phi, v, u, d, envelope, table):
        band = SmoothBand(SmoothBasis(rbf, 6.0), d, torch.full_like(d, 5.5))
        band.d, band.envelope = d, envelope
        band.values = band.shapes * envelope.detach().unsqueeze(1)
        band.sort(ends, atoms)

        def by_equations(phi, v, u, d, envelope, table):
            return layer.sums(phi, v, ends, u, band.whole(d, envelope) @ table)

        return MessageSums.apply(band, by_equations, first, phi, v, u, d, envelope, table)

    edges = [value.clone().requires_grad_(True) for value in (u, d, envelope)]
    assert torch.autograd.gradcheck(sums, (phi, v, *edges, table))
    assert "plain" not in calls

    def gradients(phi, v, table, grad_dx, grad_dv):
        """By all that positions move, to be differentiated by all else, as in training."""
        fixed = [value.detach().requires_grad_(True) for value in edges]
        by = [phi, *([] if first else [v]), *fixed]
        return torch.autograd.grad(sums(phi, v, *fixed, table), by, (grad_dx, grad_dv), create_graph=True)

    assert torch.autograd.gradcheck(gradients, (phi, v, table, grad_dx, grad_dv))
    assert "plain" not in calls
    assert torch.autograd.gradgradcheck(sums, (phi, v, *edges, table), (grad_dx, grad_dv))
    assert "plain" in calls
