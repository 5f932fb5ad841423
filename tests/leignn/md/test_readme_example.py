"""The README's example of a trained potential in ASE, as a reader would type it."""

import re

import ase.io
import numpy as np
from ase import units

from leignn.resources import CHECKOUT


def test_trained_potential_in_ase(copper_checkpoint, tmp_path, monkeypatch) -> None:
    """With the checkpoint of this test, and fewer steps."""
    readme = (CHECKOUT / "README.md").read_text(encoding="utf-8")
    (block,) = [
        text for text in re.findall(r"```python\n(.*?)```", readme, re.DOTALL) if "LEIGNNCalculator" in text
    ]
    for pattern, ours in (
        (r'"results/\S*checkpoint\.pt"', repr(str(copper_checkpoint))),
        (r"steps=100\b", "steps=4"),
        (r"loginterval=100\b", "loginterval=2"),
        (r"run\(1000\)", "run(6)"),
    ):
        block, count = re.subn(pattern, lambda _, ours=ours: ours, block)
        assert count == 1, pattern
    monkeypatch.chdir(tmp_path)
    exec(block, {})

    relaxation, dynamics = (ase.io.read(f"{name}.traj", ":") for name in ("relaxation", "nvt"))
    assert len(relaxation) == 5 and len(dynamics) == 4
    energies = [atoms.get_potential_energy() for atoms in relaxation + dynamics]
    assert np.isfinite(energies).all() and min(energies[1:5]) < energies[0]  # BFGS went downhill
    # From the relaxed positions with velocities of 300 K, which 6 fs with weak friction hardly change.
    np.testing.assert_allclose(dynamics[0].positions, relaxation[-1].positions)
    kinetic = [atoms.get_kinetic_energy() / len(atoms) / (1.5 * units.kB) for atoms in dynamics]
    assert 150 < kinetic[0] < 450 and kinetic[-1] != kinetic[0]
