"""The README's example of a trained potential in ASE, as a reader would type it."""

import re

import ase.io
import numpy as np
import torch
from ase import units

from leignn.config.run import resolve_run
from leignn.resources import CHECKOUT
from leignn.trained import TrainedPotential, load_trained, potential_of


def example(word: str) -> str:
    """The README's only example with the calculator and this word."""
    readme = (CHECKOUT / "README.md").read_text(encoding="utf-8")
    blocks = re.findall(r"```python\n(.*?)```", readme, re.DOTALL)
    (block,) = [text for text in blocks if "LEIGNNCalculator" in text and word in text]
    return block


def test_trained_potential_in_ase(copper_checkpoint, tmp_path, monkeypatch) -> None:
    """With a checkpoint trained on copper, said to know oxygen too, and fewer steps."""
    trained = load_trained(copper_checkpoint)
    checkpoint = tmp_path / "checkpoint.pt"
    TrainedPotential(trained.potential, trained.config, trained.energy_shift, [8, 29]).save(checkpoint)
    block = example("Langevin")
    for pattern, ours in (
        (r'"results/\S*checkpoint\.pt"', repr(str(checkpoint))),
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


def test_atoms_and_cell_are_relaxed_with_a_conservative_potential(tmp_path) -> None:
    """An untrained one, whose forces and stress are large: the cell moves, and downhill."""
    torch.manual_seed(0)
    config = resolve_run("oc20_standin", "leignn_c", "smoke", 0, {})
    TrainedPotential(potential_of(config), config, 0.0, [29]).save(tmp_path / "checkpoint.pt")
    block, count = re.subn(
        r'"results/\S*checkpoint\.pt"', repr(str(tmp_path / "checkpoint.pt")), example("Filter")
    )
    assert count == 1
    found: dict = {}
    exec(
        block.replace("atoms = bulk", "found = bulk").replace(
            "atoms.calc", "atoms = found.copy(); atoms.calc"
        ),
        found,
    )
    before, after = found["found"], found["atoms"]
    before.calc = after.calc
    assert not np.allclose(before.cell, after.cell)
    energies = after.get_potential_energy(), before.get_potential_energy()
    assert energies[0] < energies[1]
