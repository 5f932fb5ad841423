"""Energy drift, against forces that are a gradient and forces that do known work."""

import ase.io
import numpy as np
import pandas as pd
import pytest
from ase import units
from ase.build import bulk
from ase.calculators.calculator import all_changes
from ase.calculators.emt import EMT
from ase.md.velocitydistribution import MaxwellBoltzmannDistribution, Stationary

from leignn import cli
from leignn.md.drift import energy_drift

PULL = 0.05  # eV/Å


class Heated(EMT):
    """EMT with an added constant force on every atom, of which its energy knows nothing."""

    def calculate(self, atoms=None, properties=("energy",), system_changes=all_changes) -> None:
        super().calculate(atoms, properties, system_changes)
        self.results["forces"] = self.results["forces"] + PULL * np.array([1.0, 0.0, 0.0])


def test_drift_of_forces_that_are_a_gradient_and_of_some_that_are_not() -> None:
    """EMT keeps its energy. A uniform force f moves N atoms of mass m by f t²/2m, and does N f²t²/2m of work.

    A straight line through t² over [0, T] has the slope T.
    """
    timestep, steps = 1.0, 100
    drifts = {}
    for calculator in (EMT(), Heated()):
        atoms = bulk("Cu", cubic=True).repeat(2)
        atoms.calc = calculator
        MaxwellBoltzmannDistribution(atoms, temperature_K=300, rng=np.random.default_rng(0))
        Stationary(atoms)
        drifts[type(calculator)], reason = energy_drift(atoms, timestep, steps)
        assert reason == ""
    assert abs(drifts[EMT]) < 0.5
    picosecond = 1000 * units.fs
    work = 1000 * PULL**2 / (2 * atoms.get_masses()[0]) * (steps * timestep * units.fs) * picosecond
    assert drifts[Heated] - drifts[EMT] == pytest.approx(work, rel=0.02)


def test_rows_of_a_run(untrained, tmp_path, capsys) -> None:
    starts = [bulk("Cu", cubic=True), bulk("Cu", cubic=True)]
    starts[1].rattle(0.05)
    ase.io.write(tmp_path / "starts.extxyz", starts)
    command = [
        "measure-drift",
        "--checkpoint",
        str(untrained["leignn"] / "checkpoint.pt"),
        "--duration",
        "10",
    ]
    command += ["--starts", str(tmp_path / "starts.extxyz"), "--output", str(tmp_path / "drift.csv")]
    assert cli.main([*command, "--timesteps", "1", "2"]) == 0
    rows = pd.read_csv(tmp_path / "drift.csv")
    assert list(rows["timestep_fs"]) == [1, 2] and (rows["experiment"] == "nve_drift").all()
    assert rows["value"].notna().all() and rows["stderr"].notna().all() and rows["direct_forces"].all()
    for wrong, message in (
        (["--timesteps", "8"], "8.0 fs"),
        (["--duration", "0"], "--duration: 0.0 is not positive"),
        (["--starts", str(tmp_path / "none.xyz")], "none.xyz cannot be read"),
    ):
        assert cli.main([*command, *wrong]) == 2
        assert message in capsys.readouterr().err
