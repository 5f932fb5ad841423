"""What a simulation takes for granted of its start: fixed atoms, constraints, masses, cells."""

import ase.io
import numpy as np
import pandas as pd
import pytest
from ase import Atoms
from ase.build import fcc111
from ase.calculators.emt import EMT
from ase.constraints import FixAtoms, FixBondLength, FixCartesian
from simulations import crystal, protocol, simulate_many, simulate_one

from leignn import cli
from leignn.errors import InputError
from leignn.md.start import check_start


def slab(*constraints) -> Atoms:
    atoms = fcc111("Cu", (2, 2, 3), vacuum=6.0, periodic=True)
    atoms.rattle(0.05, seed=1)
    atoms.set_constraint(constraints)
    atoms.calc = EMT()
    return atoms


@pytest.mark.parametrize(
    "constraint", [FixAtoms(range(4)), FixCartesian(range(8), (True, False, True))], ids=["atoms", "axes"]
)
def test_the_temperature_is_that_of_what_moves(tmp_path, constraint) -> None:
    """Nosé–Hoover and Langevin agree on it, and on the potential energy, with fixed atoms at rest."""
    found = {}
    for thermostat in ("nose-hoover", "langevin"):
        atoms = slab(constraint)
        start, free = atoms.positions.copy(), atoms.get_number_of_degrees_of_freedom()
        settings = protocol(thermostat, temperature=300.0, steps=1500, every=3, timestep=4.0, friction=0.02)
        outcome = simulate_one(atoms, settings, tmp_path / thermostat)
        assert outcome["status"] == "finished"
        frames = ase.io.read(tmp_path / thermostat / "trajectory.extxyz", ":")
        fixed = np.array(constraint.index)
        for axis in np.flatnonzero(getattr(constraint, "mask", np.ones(3, bool))):
            np.testing.assert_array_equal(atoms.positions[fixed, axis], start[fixed, axis])
            assert not frames[-1].get_momenta()[fixed, axis].any()
        assert np.abs(atoms.positions - start).max() > 0.05
        thermo = pd.read_csv(tmp_path / thermostat / "thermo.csv")[100:]
        assert thermo["temperature_k"].mean() == pytest.approx(300, rel=0.12)
        kinetic = np.array([frame.get_kinetic_energy() for frame in frames[100:]])
        assert 2 * kinetic.mean() / free / 8.617e-5 == pytest.approx(300, rel=0.12)
        found[thermostat] = thermo["potential_ev"].mean() - thermo["potential_ev"].min()
    assert found["nose-hoover"] == pytest.approx(found["langevin"], rel=0.3)


def refused() -> dict[str, tuple[Atoms, str]]:
    heavy, light, flat = crystal(), crystal(), crystal()
    heavy.set_masses([np.nan, 1, 1, 1])
    light.set_masses([63, 63, 0, 63])
    flat.cell[2] = flat.cell[1]
    away = crystal()
    away.positions[2, 1] = np.inf
    return {
        "nothing": (Atoms(), "no atom"),
        "mass": (heavy, "mass .* at atom 0"),
        "no mass": (light, "mass .* at atom 2"),
        "cell": (flat, "singular cell"),
        "position": (away, "position .* at atom 2"),
        "bond": (slab(FixBondLength(0, 1)), "FixBondLength"),
        "twice": (slab(FixAtoms([1]), FixCartesian([1], (True, False, False))), "atom 1 more than once"),
        "all": (slab(FixAtoms(range(12))), "no atom that can move"),
    }


@pytest.mark.parametrize("name", refused())
def test_a_start_that_no_integrator_would_refuse(tmp_path, name) -> None:
    atoms, message = refused()[name]
    for simulate in (
        lambda: simulate_one(atoms, protocol("langevin"), tmp_path),
        lambda: simulate_many([atoms], protocol("langevin"), tmp_path, [1]),
    ):
        with pytest.raises(InputError, match=f"^the start of seed 1 .*{message}"):
            simulate()
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("engine", ["ase", "torchsim"])
def test_the_commands_name_file_and_frame(copper_checkpoint, tmp_path, capsys, engine) -> None:
    ase.io.write(tmp_path / "start.traj", [crystal(), slab(FixBondLength(0, 1))])
    command = ["--checkpoint", str(copper_checkpoint), "--output", str(tmp_path / "md")]
    protocol = ["--thermostat", "langevin", "--temperature", "300", "--timestep", "1", "--steps", "50"]
    start = ["--start", str(tmp_path / "start.traj"), "--frame", "1", "--engine", engine]
    assert cli.main(["simulate", *command, *protocol, *start]) == 2
    assert "start.traj: frame 1 has the constraint FixBondLength" in capsys.readouterr().err
    assert cli.main(["measure-drift", *command, "--starts", str(tmp_path / "start.traj")]) == 2
    assert "start.traj: frame 1 has the constraint FixBondLength" in capsys.readouterr().err


def test_isotopes_move_by_their_own_mass(tmp_path) -> None:
    """Deuterium for hydrogen: the heavier atoms draw the larger momenta, in both engines alike."""
    heavy = crystal()
    heavy.set_masses([4 * 63.546, 63.546, 63.546, 63.546])
    check_start(heavy, "")
    settings = protocol("langevin", steps=2)
    simulate_many([heavy.copy()], settings, tmp_path / "many", [1])
    heavy.calc = EMT()
    simulate_one(heavy, settings, tmp_path / "one")
    momenta = [
        ase.io.read(tmp_path / name / "trajectory.extxyz", "0").get_momenta() for name in ("one", "many")
    ]
    light = crystal()
    light.calc = EMT()
    simulate_one(light, settings, tmp_path / "light")
    drawn = ase.io.read(tmp_path / "light" / "trajectory.extxyz", "0").get_momenta()
    np.testing.assert_allclose(momenta[0], momenta[1], atol=1e-7)
    np.testing.assert_allclose(momenta[0][0], 2 * drawn[0], atol=1e-7)
