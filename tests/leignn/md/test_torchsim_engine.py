"""Replicas on TorchSim: the forces of the ASE simulation, each replica for itself, resumed to the bit."""

import json

import ase.io
import numpy as np
import pandas as pd
import pytest
from ase.constraints import FixAtoms
from simulations import Waves, crystal, helium_crystal, protocol, simulate_many

from leignn import LEIGNNCalculator, cli
from leignn.errors import InputError

SEEDS = (1, 2, 7)
FILES = ("trajectory.extxyz", "thermo.csv")


@pytest.mark.parametrize("thermostat", ["langevin", "nose-hoover"])
def test_forces_are_those_of_the_ase_calculator(random_checkpoint, tmp_path, thermostat, capsys) -> None:
    """Of every frame; atoms leave the cell on the way. Same folder as the ASE engine's."""
    frames = [crystal(2), crystal(2)]
    frames[1].rattle(0.1, seed=3)
    ase.io.write(tmp_path / "start.extxyz", frames)
    command = ["simulate", "--checkpoint", str(random_checkpoint), "--start", str(tmp_path / "start.extxyz")]
    command += ["--thermostat", thermostat, "--temperature", "900", "--timestep", "4", "--steps", "40"]
    command += ["--every", "5"]
    many = ["--engine", "torchsim", "--seeds", "1", "2", "--output", str(tmp_path / "md")]
    assert cli.main([*command, *many]) == 0
    assert "seed 2: finished: 40 steps" in capsys.readouterr().out
    assert cli.main([*command, "--seeds", "2", "--output", str(tmp_path / "one")]) == 0
    calculator = LEIGNNCalculator(random_checkpoint)
    for seed in (1, 2):
        found = ase.io.read(tmp_path / "md" / f"seed{seed}" / "trajectory.extxyz", ":")
        assert len(found) == 9 and found[-1].info["time_fs"] == 160
        for atoms in found:
            energy, forces = atoms.get_potential_energy(), atoms.get_forces()
            atoms.calc = calculator
            expected = atoms.get_forces()
            np.testing.assert_allclose(forces, expected, rtol=0, atol=1e-5 * np.abs(expected).max())
            assert energy == pytest.approx(atoms.get_potential_energy(), abs=1e-3)  # a float32 sum
    one, two = (tmp_path / name for name in ("one", "md/seed2"))
    outcomes = [json.loads((folder / "outcome.json").read_text()) for folder in (one, two)]
    assert outcomes[0].keys() == outcomes[1].keys()
    assert outcomes[0]["start"] == outcomes[1]["start"]
    assert [outcome["engine"] for outcome in outcomes] == ["ase", "torchsim"]
    first = [ase.io.read(folder / "trajectory.extxyz", 0) for folder in (one, two)]
    np.testing.assert_array_equal(first[0].get_momenta(), first[1].get_momenta())
    thermo = [pd.read_csv(folder / "thermo.csv") for folder in (one, two)]
    np.testing.assert_allclose(thermo[0].iloc[0], thermo[1].iloc[0], rtol=1e-5, atol=1e-4)


@pytest.mark.parametrize("thermostat", ["langevin", "nose-hoover"])
def test_replicas_do_not_notice_each_other(tmp_path, thermostat) -> None:
    """One alone, one of two, and one of three of which one goes wrong: the same bytes."""
    settings = protocol(thermostat)
    simulate_many([crystal()], settings, tmp_path / "alone", [7])
    simulate_many([crystal(2), crystal()], settings, tmp_path / "two", [1, 7])
    replicas = [crystal(2), helium_crystal(), crystal()]
    outcomes = simulate_many(replicas, settings, tmp_path / "three", SEEDS, Waves(calls=31))
    assert [o["status"] for o in outcomes] == ["finished", "stopped", "finished"]
    assert outcomes[1]["steps"] == 31 and "not finite" in outcomes[1]["reason"]
    assert len(ase.io.read(tmp_path / "three" / "seed2" / "trajectory.extxyz", ":")) == 16
    for name in FILES:
        alone, two, three = (
            (tmp_path / folder / name).read_bytes() for folder in ("alone", "two/seed7", "three/seed7")
        )
        assert alone == two == three
        assert (tmp_path / "two" / "seed1" / name).read_bytes() != alone


@pytest.mark.parametrize(("calls", "step", "frames"), [(0, 0, 1), (32, 32, 16)])
def test_all_replicas_go_wrong(tmp_path, calls, step, frames) -> None:
    """From the start; and at a step of which a frame would be kept."""
    replicas = [helium_crystal(), helium_crystal()]
    outcomes = simulate_many(replicas, protocol("langevin"), tmp_path, [1, 2], Waves(calls))
    for outcome in outcomes:
        assert (outcome["status"], outcome["steps"]) == ("stopped", step)
        found = ase.io.read(tmp_path / f"seed{outcome['seed']}" / "trajectory.extxyz", ":")
        assert len(found) == frames


@pytest.mark.parametrize("thermostat", ["langevin", "nose-hoover"])
def test_a_killed_run_ends_with_the_same_bytes(tmp_path, thermostat) -> None:
    """One replica stops at step 31; states are saved after steps 40, 80 and 120; the kill comes at 103."""

    class Killed(Waves):
        calls = 0

        def forward(self, batch):
            self.calls += 1
            if self.calls == 104:
                raise KeyboardInterrupt
            return super().forward(batch)

    def run(folder: str, potential: Waves | None) -> list[dict]:
        replicas = [crystal(2), helium_crystal(), crystal()]
        return simulate_many(replicas, protocol(thermostat), tmp_path / folder, SEEDS, potential)

    whole = run("whole", Waves(calls=31))
    with pytest.raises(KeyboardInterrupt):
        run("killed", Killed(calls=31))
    again = run("killed", None)
    for one, other in zip(whole, again, strict=True):
        for key in ("status", "reason", "steps", "time_ps", "settings", "seed", "start"):
            assert one[key] == other[key]
    for seed in SEEDS:
        for name in FILES:
            files = [tmp_path / folder / f"seed{seed}" / name for folder in ("whole", "killed")]
            assert files[0].read_bytes() == files[1].read_bytes()
    assert not (tmp_path / "killed" / "resume").exists()


def test_what_cannot_be_simulated_together(tmp_path) -> None:
    fixed, free = crystal(), crystal()
    fixed.set_constraint(FixAtoms([0]))
    free.pbc = False
    for replicas, seeds, message in (
        ([crystal(), fixed], (0, 1), "seed 1: .* fixed atoms"),
        ([crystal(), free], (0, 1), "seed 1: .* periodic in"),
        ([crystal(), crystal()], (3, 3), "3 is given more than once"),
    ):
        with pytest.raises(InputError, match=message):
            simulate_many(replicas, protocol("langevin"), tmp_path / "wrong", seeds)
        assert not (tmp_path / "wrong").exists()
