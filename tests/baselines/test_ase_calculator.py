"""Pretrained potentials through ASE calculators: CHGNet beside its own prediction; what is refused."""

import numpy as np
import pytest
import torch
from ase import Atoms
from ase.build import molecule
from conftest import make_batch, structures

from baselines.ase_calculator import PretrainedCalculator
from leignn.errors import RunFailedError
from leignn.graph import GraphSpec

pytest.importorskip("chgnet", reason="of which there is no wheel for Python 3.13")


@pytest.fixture(scope="module")
def chgnet() -> PretrainedCalculator:
    return PretrainedCalculator(GraphSpec(6.0, 20), "chgnet")


def test_equals_chgnets_own_prediction(chgnet) -> None:
    """Total energy in eV, where CHGNet itself gives eV an atom."""
    slab = structures()["slab"]
    with torch.no_grad():
        output = chgnet(make_batch([slab], None))
    from pymatgen.io.ase import AseAtomsAdaptor

    own = chgnet._on("cpu").model.predict_structure(AseAtomsAdaptor.get_structure(slab))
    np.testing.assert_allclose(output["energy"], len(slab) * own["e"], rtol=1e-5)
    np.testing.assert_allclose(output["forces"], own["f"], atol=1e-4)


def test_energy_of_copper_is_the_one_of_its_data_base(chgnet) -> None:
    """Materials Project mp-30, PBE: −4.10 eV an atom."""
    from ase.build import bulk

    output = chgnet(make_batch([bulk("Cu", a=3.62, cubic=True)], None))
    assert output["energy"].item() / 4 == pytest.approx(-4.10, abs=0.05)


def test_without_a_cell_is_as_in_a_large_one(chgnet) -> None:
    free, boxed = molecule("CH3OH"), molecule("CH3OH")
    boxed.set_cell([40, 40, 40])
    boxed.pbc = True
    output = chgnet(make_batch([free, boxed], None))
    np.testing.assert_allclose(*output["energy"], rtol=1e-6)
    np.testing.assert_allclose(*output["forces"].split(len(free)), atol=2e-4)  # float32


def test_an_element_it_does_not_know_fails_the_run(chgnet) -> None:
    with pytest.raises(RunFailedError, match="chgnet cannot evaluate Og2"):
        chgnet(make_batch([Atoms("Og2", positions=[[0, 0, 0], [2, 0, 0]])], None))
