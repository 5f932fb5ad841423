"""The same bits from the same input on a GPU."""

import pytest
import torch
from ase.build import fcc111
from conftest import make_batch

from leignn.backend import accelerate
from leignn.graph import GraphSpec
from leignn.model import LEIGNN


def test_deterministic_algorithms_are_asked_for_and_others_only_named(same_bits) -> None:
    assert torch.are_deterministic_algorithms_enabled()
    assert torch.is_deterministic_algorithms_warn_only_enabled()


@pytest.mark.skipif(not torch.cuda.is_available(), reason="there is no GPU")
@pytest.mark.parametrize("changes", [{}, {"global_scope": "component"}])
def test_gradients_repeat_to_the_bit(same_bits, changes) -> None:
    torch.manual_seed(0)
    spec = GraphSpec(6.0, 20)
    model = accelerate(LEIGNN(spec, 128, 3, 64, **changes)).cuda()
    slabs = [fcc111("Cu", (4, 4, 4), vacuum=6.0, periodic=True) for _ in range(16)]
    for number, slab in enumerate(slabs):
        slab.rattle(0.1, seed=number)
    batch = make_batch(slabs, spec).to("cuda")
    batch.pos, batch.cell = batch.pos.float(), batch.cell.float()
    found = []
    for _ in range(3):
        model.zero_grad(set_to_none=True)
        output = model(batch)
        (output["energy"].square().sum() + output["forces"].square().sum()).backward()
        found.append([output["forces"].detach(), *(p.grad for p in model.parameters() if p.grad is not None)])
    assert all(torch.equal(a, b) for other in found[1:] for a, b in zip(found[0], other, strict=True))
