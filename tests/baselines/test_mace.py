"""MACE beside mace-torch's own data pipeline, its statistics, and what importing it must not do."""

import io
import os
import pickle
import subprocess
import sys

import numpy as np
import pytest
import torch
from ase import Atoms
from conftest import copper_frames, make_batch, structures

from baselines.mace import MACE
from leignn.data.frames import Frames
from leignn.errors import InputError
from leignn.graph import GraphSpec
from leignn.resources import CHECKOUT as ROOT

SPEC = GraphSpec(4.5, 200, "ties")  # all neighbours
SIZES = {
    "channels": 4,
    "max_l": 1,
    "max_ell": 2,
    "correlation": 2,
    "num_interactions": 2,
    "num_bessel": 5,
    "radial_layers": [8],
    "readout_channels": 4,
}
STATISTICS = {"average_neighbors": 20.0, "scale": 1.7, "atomic_energies": {"Cu": -3.0, "O": 0.5}}


def fitted() -> MACE:
    torch.manual_seed(0)
    model = MACE(SPEC, **SIZES).double().eval()
    model.load_statistics(STATISTICS)
    return model


@pytest.mark.parametrize("name", ["slab", "triclinic", "molecule", "layer"])
def test_equals_mace_torch_on_its_own_neighbours(name) -> None:
    """Neighbours by matscipy, forces by mace-torch: edges and signs of ours are right."""
    from mace.data import AtomicData, config_from_atoms
    from mace.tools import AtomicNumberTable

    model, atoms = fitted(), structures()[name]
    output = model(make_batch([atoms], SPEC))
    default = torch.get_default_dtype()
    torch.set_default_dtype(torch.float64)
    try:
        data = AtomicData.from_config(
            config_from_atoms(atoms), z_table=AtomicNumberTable(list(range(1, 119))), cutoff=SPEC.cutoff
        )
    finally:
        torch.set_default_dtype(default)
    content = data.to_dict() | {"batch": torch.zeros(len(atoms), dtype=torch.long)}
    content["ptr"] = torch.tensor([0, len(atoms)])
    del content["head"]
    expected = model.network(content)
    np.testing.assert_allclose(output["energy"].detach(), expected["energy"].detach(), rtol=1e-9)
    np.testing.assert_allclose(output["forces"], expected["forces"], atol=1e-8)


def test_statistics_of_the_training_split(copper) -> None:
    frames = Frames(copper[0], copper[1] / "train.csv", SPEC)
    statistics = MACE(SPEC, **SIZES).compute_statistics(frames, energy_shift=0.25)
    known = copper_frames()[:40]
    forces = np.concatenate([s.forces[~s.fixed] for s in known if np.isfinite(s.forces).all()])
    assert statistics["scale"] == pytest.approx(np.sqrt(np.mean(forces.astype(float) ** 2)), rel=1e-6)
    energies = [s.energy - 0.25 for s in known if np.isfinite(s.energy)]
    assert statistics["atomic_energies"] == {"Cu": pytest.approx(np.mean(energies) / 8)}
    neighbours = frames[range(40)].edge_index.shape[1] / (40 * 8)
    assert statistics["average_neighbors"] == pytest.approx(neighbours)


def test_an_isolated_atom_has_the_fitted_energy_of_its_element() -> None:
    """Its interaction energy does not depend on the fit, so the difference does."""
    model, atom = fitted(), make_batch([Atoms("Cu"), Atoms("O")], SPEC)
    before = model(atom)["energy"]
    model.load_statistics(STATISTICS | {"atomic_energies": {"Cu": -2.0, "O": 0.0}})
    np.testing.assert_allclose(model(atom)["energy"] - before, [1.0, -0.5])


def test_without_statistics_it_is_an_error_also_after_loading() -> None:
    unfitted, other = MACE(SPEC, **SIZES), MACE(SPEC, **SIZES)
    other.load_statistics(STATISTICS)
    other.load_state_dict(unfitted.state_dict())
    for model in (unfitted, other):
        with pytest.raises(InputError, match="no statistics of a training split"):
            model(make_batch([Atoms("Cu")], SPEC))


def test_elements_without_training_are_evaluated() -> None:
    with torch.no_grad():
        output = fitted()(make_batch([Atoms("PtOg", positions=[[0, 0, 0], [2, 0, 0]])], SPEC))
    assert output["energy"].isfinite().all() and output["forces"].abs().max() > 0


def test_importing_is_quiet_and_leaves_torch_load_safe(tmp_path) -> None:
    class Evil:
        def __reduce__(self):
            return print, ("unpickled",)

    content = io.BytesIO()
    torch.save({"a": Evil()}, content, pickle_module=pickle)
    (tmp_path / "evil.pt").write_bytes(content.getvalue())
    code = f"""
import baselines.mace, os, torch
assert "TORCH_FORCE_NO_WEIGHTS_ONLY_LOAD" not in os.environ
try:
    torch.load({str(tmp_path / "evil.pt")!r})
except Exception:
    print("refused")
"""
    environment = {k: v for k, v in os.environ.items() if k != "TORCH_FORCE_NO_WEIGHTS_ONLY_LOAD"}
    done = subprocess.run(
        [sys.executable, "-c", code], cwd=ROOT, env=environment, capture_output=True, text=True
    )
    assert (done.stdout, done.stderr) == ("refused\n", "")
