"""One loop for every engine: what stops it, what begins anew, what it leaves behind."""

import ase.io
import numpy as np
import pytest
from ase import Atoms
from ase.calculators.calculator import all_changes
from ase.calculators.emt import EMT
from simulations import crystal, protocol, simulate_many, simulate_one

from leignn.errors import InputError
from leignn.files import read_json


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


def copper(calculator: EMT) -> Atoms:
    atoms = crystal(2)
    atoms.calc = calculator
    return atoms


def test_a_simulation_that_breaks_stops_and_says_why(tmp_path) -> None:
    outcome = simulate_one(copper(Interrupted(30, np.nan)), protocol("langevin"), tmp_path / "energy")
    assert outcome["status"] == "stopped" and "not finite" in outcome["reason"]
    assert outcome == read_json(tmp_path / "energy" / "outcome.json") and outcome["steps"] < 40
    frames = ase.io.read(tmp_path / "energy" / "trajectory.extxyz", ":")
    assert all(np.isfinite(frame.get_potential_energy()) for frame in frames)

    outcome = simulate_one(copper(EMT()), protocol("langevin", timestep=200.0), tmp_path / "hot")
    assert outcome["status"] == "stopped" and "temperature" in outcome["reason"]

    outcome = simulate_one(copper(Interrupted(0, np.nan)), protocol("langevin"), tmp_path / "start")
    assert (outcome["status"], outcome["steps"]) == ("stopped", 0)
    assert len((tmp_path / "start" / "thermo.csv").read_text().splitlines()) == 2


@pytest.mark.parametrize("other", ["seed", "settings", "engine"])
def test_another_simulation_begins_anew_and_says_so(tmp_path, capsys, other) -> None:
    with pytest.raises(KeyboardInterrupt):
        simulate_one(copper(Interrupted(50)), protocol("langevin"), tmp_path)
    assert (tmp_path / "resume" / "state.npz").exists() and not (tmp_path / "trajectory.extxyz").exists()
    if other == "seed":
        simulate_one(copper(EMT()), protocol("langevin"), tmp_path, seed=2)
    elif other == "settings":
        simulate_one(copper(EMT()), protocol("langevin", steps=4), tmp_path)
    else:
        simulate_many([crystal(2)], protocol("langevin"), tmp_path, [1])
    assert "beginning anew" in capsys.readouterr().out
    frames = ase.io.read(tmp_path / "trajectory.extxyz", ":")
    assert len(frames) == (3 if other == "settings" else 61)
    assert not (tmp_path / "resume").exists()


def test_what_stopped_for_its_time_goes_on_with_more_to_the_same_numbers(tmp_path) -> None:
    short, straight = tmp_path / "short", tmp_path / "straight"
    outcome = simulate_one(copper(EMT()), protocol("langevin", max_hours=1e-9), short)
    assert (outcome["status"], outcome["steps"]) == ("out of time", 2) and "max_hours" in outcome["reason"]
    assert len(ase.io.read(short / "trajectory.extxyz", ":")) == 2
    outcome = simulate_one(copper(EMT()), protocol("langevin", max_hours=9), short)
    assert (outcome["status"], outcome["steps"]) == ("finished", 120)
    assert not (short / "resume").exists()
    simulate_one(copper(EMT()), protocol("langevin"), straight)
    # EMT's own neighbour list is another after a restart, which sums in another order.
    one, other = (np.loadtxt(run / "thermo.csv", delimiter=",", skiprows=1) for run in (short, straight))
    np.testing.assert_allclose(one, other, rtol=1e-7)
    steps = [frame.info["time_fs"] for frame in ase.io.read(short / "trajectory.extxyz", ":")]
    assert steps == [4.0 * frame for frame in range(61)]


def test_a_damaged_state_is_named(tmp_path) -> None:
    (tmp_path / "resume").mkdir()
    (tmp_path / "resume" / "state.npz").write_bytes(b"PK")
    with pytest.raises(InputError, match="state.npz is damaged .*remove it"):
        simulate_one(copper(EMT()), protocol("langevin"), tmp_path)
