"""Models that are built for the elements of the training split: their errors, and their stated sizes."""

import re
import subprocess
import sys

import pytest
from ase import Atoms
from conftest import make_batch

from leignn.config.model import find_model, load_model
from leignn.errors import InputError
from leignn.graph import GraphSpec
from leignn.potential import Potential
from leignn.registry import build_potential
from leignn.resources import CHECKOUT as ROOT

NAMES = ["nequip", "deeppot_se"]
SPEC = GraphSpec(5.0, 50)


def build(name: str, scale: str) -> Potential:
    model = load_model(name)
    return build_potential(model.potential, SPEC, model.hyperparameters[scale], "torch")


def statistics(symbols: str) -> dict:
    names = ("atomic_energies", "radial_mean", "radial_deviation", "angular_deviation")
    return {"average_neighbors": 20.0, "scale": 1.0} | {n: dict.fromkeys(symbols.split(), 1.0) for n in names}


@pytest.mark.parametrize("name", NAMES)
def test_stated_number_of_parameters(name) -> None:
    stated = re.search(
        r"# Parameters with three elements, as in LiPS: ([\d ]+) at paper, ([\d ]+) at mini",
        find_model(name).read_text(),
    )
    for number, scale in zip(stated.groups(), ("paper", "mini"), strict=True):
        model = build(name, scale)
        model.load_statistics(statistics("Li P S"))
        assert sum(p.numel() for p in model.parameters()) == int(number.replace(" ", ""))


@pytest.mark.parametrize("name", NAMES)
def test_without_statistics_it_is_an_error_also_after_loading(name) -> None:
    model, other = build(name, "smoke"), build(name, "smoke")
    other.load_state_dict(model.state_dict())
    for unfitted in (model, other):
        with pytest.raises(InputError, match="no statistics of a training split"):
            unfitted(make_batch([Atoms("Li")], SPEC))


@pytest.mark.parametrize("name", NAMES)
def test_an_element_without_training_is_named(name) -> None:
    model = build(name, "smoke").double()
    model.load_statistics(statistics("Li P S"))
    with pytest.raises(InputError, match="does not know Cu: no training structure has it"):
        model(make_batch([Atoms("LiS"), Atoms("PCu")], SPEC))


def test_importing_is_quiet_and_leaves_torch_as_it_was() -> None:
    code = """
import os, torch
def state():
    return torch.jit.script, torch.get_default_dtype(), torch.get_num_threads(), slice in safe()
safe = torch.serialization.get_safe_globals
before = state()
import torch_geometric, baselines.nequip, baselines.deeppot_se
assert state() == before
print("TORCH_FORCE_NO_WEIGHTS_ONLY_LOAD" in os.environ)
"""
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True)
    assert (done.stdout, done.stderr) == ("False\n", "")
