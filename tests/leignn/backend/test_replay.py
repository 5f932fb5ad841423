"""Batches with room to spare, and recordings of them where there is a GPU."""

import copy
import pickle

import pytest
import torch
from ase import Atoms
from ase.build import bulk, fcc111
from conftest import make_batch, random_crystal

from leignn.backend import accelerate
from leignn.backend.replay import Replay, Room
from leignn.backend.training_replay import TrainingReplay
from leignn.batch import Batch
from leignn.graph import GraphSpec
from leignn.model import LEIGNN

SPEC = GraphSpec(6.0, 20)


def batches() -> list[Batch]:
    """Of two structures each and of different numbers of atoms and edges, the last without any edge."""
    slab = fcc111("Cu", (2, 2, 3), vacuum=6.0, periodic=True)
    slab.rattle(0.1, seed=1)
    lone = Atoms("O", positions=[[0.0, 0.0, 0.0]])
    found = [
        make_batch(structures, SPEC)
        for structures in ([slab, random_crystal(2, 9)], [bulk("Cu"), slab], [lone, lone])
    ]
    for batch in found:
        batch.pos, batch.cell = batch.pos.double(), batch.cell.double()
    return found


@pytest.mark.parametrize("changes", [{}, {"global_phases": False}, {"update": "painn"}])
def test_what_is_to_spare_is_noticed_by_nobody(changes) -> None:
    """A batch in a room that another has left."""
    torch.manual_seed(0)
    model = LEIGNN(SPEC, 16, 2, 24, **changes).double().eval()
    first, second, third = batches()
    room = Room(first, 30, 700)
    for batch in (first, second, third, first):
        room.fill(batch)
        assert len(room.batch.pos) == 30 and room.batch.edge_index.shape[1] == 700
        assert (room.batch.edge_index[1].diff() >= 0).all()
        with torch.no_grad():
            found, expected = model(room.batch), model(batch)
        torch.testing.assert_close(found["energy"][:-1], expected["energy"], rtol=1e-12, atol=1e-12)
        torch.testing.assert_close(
            found["forces"][: len(batch.pos)], expected["forces"], rtol=1e-12, atol=1e-12
        )


@pytest.mark.parametrize("kind", [Replay, TrainingReplay])
def test_a_copy_has_no_recordings(kind) -> None:
    replay = kind(LEIGNN(SPEC, 16, 2, 24))
    replay._recordings[()] = object()
    for other in (copy.deepcopy(replay), pickle.loads(pickle.dumps(replay))):
        assert type(other) is kind and not other._recordings and other._potential is not replay._potential


needs_gpu = pytest.mark.skipif(not torch.cuda.is_available(), reason="there is no GPU")


@needs_gpu
@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_a_recording_gives_what_the_model_gives(dtype) -> None:
    """First computed, then recorded, then replayed; for other positions and another number of edges, too."""
    torch.manual_seed(0)
    model = accelerate(LEIGNN(SPEC, 64, 2, 24)).to("cuda", dtype).eval()
    replay = Replay(model)
    tolerance = 1e-5 if dtype == torch.float32 else 1e-12
    for number in range(8):
        slab = fcc111("Cu", (2, 2, 3), vacuum=6.0, periodic=True)
        slab.rattle(0.1, seed=number)
        batch = make_batch([slab], SPEC).to("cuda")
        batch.pos, batch.cell = batch.pos.to(dtype), batch.cell.to(dtype)
        with torch.no_grad():
            found, expected = replay(batch), model(batch)
        for name, value in expected.items():
            assert (found[name] - value).abs().max() <= tolerance * value.abs().max()
    assert replay._recordings


def on_gpu(seeds: list[int], repeat: tuple[int, int, int] = (2, 2, 3)) -> Batch:
    """Rattled slabs."""
    slabs = [fcc111("Cu", repeat, vacuum=6.0, periodic=True) for _ in seeds]
    for slab, seed in zip(slabs, seeds, strict=True):
        slab.rattle(0.1, seed=seed)
    batch = make_batch(slabs, SPEC).to("cuda")
    batch.pos, batch.cell = batch.pos.float(), batch.cell.float()
    return batch


def gradients(output: dict[str, torch.Tensor], model: LEIGNN) -> dict[str, torch.Tensor]:
    """Of a loss, those that there are."""
    model.zero_grad()
    (output["energy"].abs().mean() + 50 * output["forces"].abs().mean()).backward()
    return {name: p.grad.clone() for name, p in model.named_parameters() if p.grad is not None}


@needs_gpu
@pytest.mark.parametrize("changes", [{}, {"global_phases": False}, {"update": "painn"}])
def test_a_recorded_training_step_has_the_gradients_of_the_model(changes) -> None:
    """Of batches of several sizes in turns, with weights that change; all structures of another number."""
    torch.manual_seed(0)
    model = accelerate(LEIGNN(SPEC, 64, 2, 24, **changes)).to("cuda").train()
    replay = TrainingReplay(model)
    for number in range(12):
        batch = on_gpu([number, number + 1], (2, 2, 3 + number % 3))
        found, expected = replay(batch), model(batch)
        for name, value in expected.items():
            assert (found[name] - value).abs().max() <= 1e-5 * value.abs().max()
        found, expected = gradients(found, model), gradients(expected, model)
        assert found.keys() == expected.keys()
        for name, value in expected.items():
            assert (found[name] - value).abs().max() <= 1e-4 * value.abs().max()
        with torch.no_grad():
            for parameter in model.parameters():
                parameter -= 1e-3 * torch.randn_like(parameter)
    assert len(replay._recordings) == 3


@needs_gpu
def test_a_recorded_training_step_has_the_bits_of_the_first(same_bits) -> None:
    """So that a training that is resumed, and computes what it had recorded, goes on as it would have."""
    torch.manual_seed(0)
    model = accelerate(LEIGNN(SPEC, 64, 2, 24)).to("cuda").train()
    replay, batch = TrainingReplay(model), on_gpu(list(range(200)), (2, 2, 4))  # 3 200 atoms
    first, *others = (gradients(replay(batch), model) for _ in range(3))
    assert replay._recordings
    assert all(torch.equal(other[name], value) for other in others for name, value in first.items())


@needs_gpu
def test_gradients_that_another_batch_has_overwritten_are_refused() -> None:
    model = accelerate(LEIGNN(SPEC, 64, 2, 24)).to("cuda").train()
    replay, batch = TrainingReplay(model), on_gpu([0, 1])
    for _ in range(2):
        gradients(replay(batch), model)
    old = replay(batch)
    replay(batch)
    with pytest.raises(RuntimeError, match="another batch"):
        gradients(old, model)
