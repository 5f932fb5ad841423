"""Hyperparameters that a model cannot be built with, each in one sentence."""

import pytest

from leignn.errors import InputError
from leignn.graph import GraphSpec
from leignn.registry import build_potential


@pytest.mark.parametrize(
    ("hyperparameters", "words"),
    [
        ({"update": "pain"}, "update is 'nmu' or 'painn', not 'pain'"),
        ({"hidden_channels": -4}, "negative dimension -4"),
        ({"hidden_channels": 2.5}, "'hidden_channels': 2.5"),
        ({"num_layers": "three"}, "'num_layers': 'three'"),
        ({"channels": 8}, "unexpected keyword argument 'channels'"),
    ],
)
def test_hyperparameters_that_cannot_be_built_with(hyperparameters, words) -> None:
    with pytest.raises(InputError) as error:
        build_potential("leignn.model:LEIGNN", GraphSpec(5.0, 12), hyperparameters, "torch")
    assert str(error.value).startswith("hyperparameters of leignn.model:LEIGNN: {")
    assert words in str(error.value)
