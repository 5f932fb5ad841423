"""Simulations: against ASE's own run, resumed to the bit, stopped by their bounds."""

import json

import ase.io
import numpy as np
import pandas as pd
import pytest
from ase import Atoms, units
from ase.build import bulk
from ase.calculators.calculator import Calculator, all_changes
from ase.calculators.emt import EMT
from ase.md.nose_hoover_chain import NoseHooverChainNVT
from ase.md.velocitydistribution import MaxwellBoltzmannDistribution

from leignn import LEIGNNCalculator, cli
from leignn.config.run import resolve_run
from leignn.errors import InputError
from leignn.md.simulate import Settings, simulate
from leignn.training.train import train


class Interrupted(EMT):
    """EMT that is killed, or goes wrong, after some calls."""

    def __init__(self, calls: int, energy: float | None = None) -> None:
        super().__init__()
        self.left, self.energy_then = calls, energy

    def calculate(self, atoms=None, properties=("energy",), system_changes=all_changes) -> None:
        super().calculate(atoms, properties, system_changes)
        self.left -= 1
        if self.left < 0 and self.energy_then is None:
            raise KeyboardInterrupt
        if self.left < 0:
            self.results["energy"] = self.energy_then


def crystal() -> Atoms:
    atoms = bulk("Cu", cubic=True).repeat(2)
    atoms.calc = EMT()
    return atoms


def settings(thermostat: str, **changes) -> Settings:
    values = {"temperature": 400.0, "timestep": 2.0, "steps": 120, "every": 2, "seed": 1}
    return Settings(thermostat, **values | changes)


class Killed(LEIGNNCalculator):
    """Our calculator, killed after some calls. EMT would not do: its bits depend on its past."""

    left = 103

    def calculate(self, *arguments, **more) -> None:
        super().calculate(*arguments, **more)
        self.left -= 1
        if self.left < 0:
            raise KeyboardInterrupt


@pytest.mark.parametrize("thermostat", ["nose-hoover", "langevin"])
def test_a_killed_simulation_ends_with_the_same_bytes(copper_run, tmp_path, thermostat) -> None:
    """States are saved after steps 40, 80 and 120; the kill comes at 103."""

    def atoms(calculator: Calculator) -> Atoms:
        found = crystal()
        found.calc = calculator
        return found

    run, whole, killed = settings(thermostat), tmp_path / "whole", tmp_path / "killed"
    assert simulate(atoms(LEIGNNCalculator(copper_run)), run, whole)["status"] == "finished"
    with pytest.raises(KeyboardInterrupt):
        simulate(atoms(Killed(copper_run)), run, killed)
    assert len((killed / "thermo.csv").read_text().splitlines()) > 80 / 2 + 2  # beyond the last state
    simulate(atoms(LEIGNNCalculator(copper_run)), run, killed)
    for name in ("trajectory.extxyz", "thermo.csv"):
        assert (killed / name).read_bytes() == (whole / name).read_bytes()
    assert not (killed / "state.npz").exists()


def test_nose_hoover_is_ases_with_the_mass_of_the_protocol(tmp_path) -> None:
    """Q = 3 N kT (ttime · dt)², ttime = 20."""
    run = settings("nose-hoover")
    simulate(crystal(), run, tmp_path)
    atoms = crystal()
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
    simulate(crystal(), settings(thermostat, steps=2000, friction=0.02, timestep=4.0), tmp_path)
    temperature = pd.read_csv(tmp_path / "thermo.csv")["temperature_k"][200:]
    assert temperature.mean() == pytest.approx(400, rel=0.06)
    if thermostat == "langevin":  # one Nosé–Hoover variable does not make a small crystal ergodic
        # Canonical: the variance of the kinetic temperature is 2 T² / (3 N).
        assert temperature.std() == pytest.approx(400 * np.sqrt(2 / 96), rel=0.25)


def test_a_simulation_that_breaks_stops_and_says_why(tmp_path) -> None:
    atoms = crystal()
    atoms.calc = Interrupted(30, energy=np.nan)
    outcome = simulate(atoms, settings("langevin"), tmp_path / "energy")
    assert outcome["status"] == "stopped" and "not finite" in outcome["reason"]
    assert outcome == json.loads((tmp_path / "energy" / "outcome.json").read_text()) and outcome["steps"] < 40
    frames = ase.io.read(tmp_path / "energy" / "trajectory.extxyz", ":")
    assert all(np.isfinite(frame.get_potential_energy()) for frame in frames)

    outcome = simulate(crystal(), settings("langevin", timestep=200.0), tmp_path / "hot")
    assert outcome["status"] == "stopped" and "temperature" in outcome["reason"]


def test_other_settings_begin_anew(tmp_path) -> None:
    atoms = crystal()
    atoms.calc = Interrupted(50)
    with pytest.raises(KeyboardInterrupt):
        simulate(atoms, settings("langevin"), tmp_path)
    assert (tmp_path / "state.npz").exists()
    simulate(crystal(), settings("langevin", seed=2, steps=4), tmp_path)
    assert len(ase.io.read(tmp_path / "trajectory.extxyz", ":")) == 3


def test_by_command_with_a_trained_potential(copper_run, tmp_path, capsys) -> None:
    ase.io.write(tmp_path / "start.extxyz", [crystal(), crystal()])
    command = ["simulate", "--checkpoint", str(copper_run), "--start", str(tmp_path / "start.extxyz")]
    command += ["--thermostat", "langevin", "--temperature", "300", "--timestep", "1"]
    output = ["--output", str(tmp_path / "md")]
    assert cli.main([*command, *output, "--steps", "10", "--every", "5"]) == 0
    assert "finished: 10 steps" in capsys.readouterr().out
    assert len(ase.io.read(tmp_path / "md" / "trajectory.extxyz", ":")) == 3
    assert json.loads((tmp_path / "md" / "outcome.json").read_text())["start"]["frame"] in (0, 1)
    for wrong, message in (
        (["--steps", "7", "--every", "5"], "no multiple"),
        (["--steps", "5", "--every", "5", "--frame", "9"], "frame 9"),
        (["--steps", "5", "--every", "5", "--friction", "0"], "friction"),
    ):
        assert cli.main([*command, "--output", str(tmp_path / "wrong"), *wrong]) == 2
        assert message in capsys.readouterr().err
        assert not (tmp_path / "wrong").exists()


def test_a_damaged_state_is_named(tmp_path) -> None:
    (tmp_path / "state.npz").write_bytes(b"PK")
    with pytest.raises(InputError, match="state.npz is damaged .*remove it"):
        simulate(crystal(), settings("langevin"), tmp_path)


@pytest.fixture
def copper_run(copper, tmp_path):
    """A checkpoint of a small LEIGNN, hardly trained."""
    protocol = {"learning_rate": 1e-3, "batch_size": 8, "evaluate_every": 20, "max_steps": 20}
    run = resolve_run("oc20_standin", "leignn", "smoke", 0, {"training": protocol})
    train(run, *copper, tmp_path / "run", "cpu")
    return tmp_path / "run" / "checkpoint.pt"
