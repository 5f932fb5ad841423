"""Batches with room to spare, and recordings of them where there is a GPU."""

import copy
import pickle

import pytest
import torch
from ase import Atoms
from ase.build import bulk, fcc111
from conftest import make_batch, random_crystal

from leignn.backend import accelerate
from leignn.backend.replay import Replay, Room, roomy
from leignn.batch import Batch
from leignn.graph import GraphSpec
from leignn.model import LEIGNN

SPEC = GraphSpec(6.0, 20)


def test_sizes_grow_by_a_sixteenth_at_most() -> None:
    for count in range(1, 5000):
        assert count <= roomy(count) <= count * 17 / 16
    assert len({roomy(count) for count in range(1024, 2049)}) == 17


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


def test_a_copy_has_no_recordings() -> None:
    replay = Replay(LEIGNN(SPEC, 16, 2, 24))
    replay._recordings[()] = object()
    for other in (copy.deepcopy(replay), pickle.loads(pickle.dumps(replay))):
        assert not other._recordings and other._potential is not replay._potential


@pytest.mark.skipif(not torch.cuda.is_available(), reason="there is no GPU")
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
