"""Simulations by ASE: against ASE's own run, at the right temperature, resumed to the bit."""

import ase.io
import numpy as np
import pandas as pd
import pytest
from ase import Atoms, units
from ase.calculators.calculator import Calculator
from ase.calculators.emt import EMT
from ase.md.nose_hoover_chain import NoseHooverChainNVT
from ase.md.velocitydistribution import MaxwellBoltzmannDistribution
from simulations import crystal, protocol, simulate_one

from leignn import LEIGNNCalculator


def copper(calculator: Calculator) -> Atoms:
    atoms = crystal(2)
    atoms.calc = calculator
    return atoms


class Killed(LEIGNNCalculator):
    """Our calculator, killed after some calls. EMT would not do: its bits depend on its past."""

    left = 103

    def calculate(self, *arguments, **more) -> None:
        super().calculate(*arguments, **more)
        self.left -= 1
        if self.left < 0:
            raise KeyboardInterrupt


@pytest.mark.parametrize("thermostat", ["nose-hoover", "langevin"])
def test_a_killed_simulation_ends_with_the_same_bytes(copper_checkpoint, tmp_path, thermostat) -> None:
    """States are saved after steps 40, 80 and 120; the kill comes at 103."""
    settings, whole, killed = protocol(thermostat), tmp_path / "whole", tmp_path / "killed"
    one = simulate_one(copper(LEIGNNCalculator(copper_checkpoint)), settings, whole)
    assert one["status"] == "finished"
    with pytest.raises(KeyboardInterrupt):
        simulate_one(copper(Killed(copper_checkpoint)), settings, killed)
    assert (
        len((killed / "resume" / "thermo.csv").read_text().splitlines()) > 80 / 2 + 2
    )  # beyond the last state
    simulate_one(copper(LEIGNNCalculator(copper_checkpoint)), settings, killed)
    for name in ("trajectory.extxyz", "thermo.csv"):
        assert (killed / name).read_bytes() == (whole / name).read_bytes()
    assert not (killed / "resume").exists()


def test_nose_hoover_is_ases_with_the_mass_of_the_protocol(tmp_path) -> None:
    """Q = 3 N kT (ttime · dt)², ttime = 20."""
    simulate_one(copper(EMT()), protocol("nose-hoover"), tmp_path)
    atoms = copper(EMT())
    MaxwellBoltzmannDistribution(atoms, temperature_K=400, rng=np.random.default_rng(1))
    dynamics = NoseHooverChainNVT(atoms, 2 * units.fs, 400, tdamp=40 * units.fs, tchain=1)
    assert dynamics._thermostat._Q[0] == pytest.approx(3 * len(atoms) * units.kB * 400 * (40 * units.fs) ** 2)
    dynamics.run(120)
    frames = ase.io.read(tmp_path / "trajectory.extxyz", ":")
    assert len(frames) == 61 and frames[-1].info["time_fs"] == 240
    np.testing.assert_allclose(frames[-1].positions, atoms.positions, atol=1e-7)
    np.testing.assert_allclose(frames[-1].get_forces(), atoms.get_forces(), atol=1e-6)
    np.testing.assert_allclose(frames[-1].get_velocities(), atoms.get_velocities(), atol=1e-7)


@pytest.mark.parametrize("thermostat", ["nose-hoover", "langevin"])
def test_temperature_is_kept(tmp_path, thermostat) -> None:
    settings = protocol(thermostat, steps=2000, friction=0.02, timestep=4.0)
    simulate_one(copper(EMT()), settings, tmp_path)
    temperature = pd.read_csv(tmp_path / "thermo.csv")["temperature_k"][200:]
    assert temperature.mean() == pytest.approx(400, rel=0.06)
    if thermostat == "langevin":  # one Nosé–Hoover variable does not make a small crystal ergodic
        # Canonical: the variance of the kinetic temperature is 2 T² / (3 N).
        assert temperature.std() == pytest.approx(400 * np.sqrt(2 / 96), rel=0.25)
