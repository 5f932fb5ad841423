"""The protocol of a training."""

import pytest
from training_runs import PROTOCOL

from leignn.config.training import Training
from leignn.errors import InputError


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"colour": 1}, "unknown key 'colour'"),
        ({"max_steps": 50}, "no multiple"),
        ({"warmup_steps": 10}, "warmup_steps: only before schedule: cosine or linear"),
        ({"schedule": "cosine", "warmup_steps": 60}, "warmup_steps: 60 of max_steps: 60: none is left"),
        ({"precision": "8"}, "precision"),
        ({"batch_size": "many"}, "here: batch_size: 'many': input should be a valid integer"),
        ({"batch_size": 2.5}, "batch_size: 2.5"),
        ({"tf32": 1}, "tf32: true or false in place of a number, or the reverse"),
        ({"batch_size": True}, "batch_size: true or false in place of a number"),
        ({"energy_target": "x"}, "energy_target"),
    ],
)
def test_bad_protocols(changes, message) -> None:
    with pytest.raises(InputError, match=message):
        Training.checked(PROTOCOL | changes, "here")
    assert Training.checked(PROTOCOL | {"max_steps": "80"}, "here").max_steps == 80
    with pytest.raises(InputError, match="'batch_size' is missing"):
        Training.checked({k: v for k, v in PROTOCOL.items() if k != "batch_size"}, "here")
