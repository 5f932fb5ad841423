"""Replicas on TorchSim: the forces and the physics of the ASE simulation, each replica for itself."""

import json

import ase.io
import numpy as np
import pandas as pd
import pytest
import torch
from ase import Atoms, units
from ase.build import bulk
from ase.calculators.calculator import Calculator, all_changes
from ase.md.nose_hoover_chain import NoseHooverChainNVT
from torch_sim.integrators.nvt import nvt_nose_hoover
from torch_sim.io import atoms_to_state
from torch_sim.models.interface import validate_model_outputs

from leignn import LEIGNNCalculator, cli
from leignn.errors import InputError
from leignn.md.replicas import simulate_replicas
from leignn.md.simulate import Settings, simulate
from leignn.md.torchsim import NoseHoover, TorchSimPotential
from leignn.potential import Potential
from leignn.trained import TrainedPotential

HEIGHT, PERIOD = 0.3, 1.8  # eV, Å
HELIUM = 2


class Waves(Potential):
    """E = Σ h (1 − cos(2π x / p)) over all coordinates; goes wrong for structures with helium."""

    def __init__(self, calls: int = 10**9) -> None:
        super().__init__()
        self.left = calls

    def forward(self, batch) -> dict[str, torch.Tensor]:
        phase = 2 * np.pi / PERIOD * batch.pos.double()
        energy = torch.zeros(len(batch.natoms), dtype=torch.float64)
        energy.index_add_(0, batch.batch, HEIGHT * (1 - phase.cos()).sum(1))
        self.left -= 1
        if self.left < 0:
            energy[batch.batch[batch.atomic_numbers == HELIUM]] = torch.nan
        return {"energy": energy, "forces": -HEIGHT * 2 * np.pi / PERIOD * phase.sin()}


class WavesCalculator(Calculator):
    implemented_properties = ["energy", "forces"]

    def calculate(self, atoms=None, properties=None, system_changes=all_changes) -> None:
        super().calculate(atoms, properties, system_changes)
        phase = 2 * np.pi / PERIOD * atoms.positions
        forces = -HEIGHT * 2 * np.pi / PERIOD * np.sin(phase)
        self.results = {"energy": HEIGHT * (1 - np.cos(phase)).sum(), "forces": forces}


def crystal(repeat: int = 1) -> Atoms:
    return bulk("Cu", cubic=True).repeat(repeat)


def settings(thermostat: str, seed: int = 0, **changes) -> Settings:
    values = {"temperature": 400.0, "timestep": 2.0, "steps": 120, "every": 2, "friction": 0.05}
    return Settings(thermostat, seed=seed, **values | changes)


def run(output, replicas: list[Atoms], protocol: list[Settings], potential: Potential | None = None) -> list:
    trained = TrainedPotential(potential or Waves(), {}, 0.0)
    return simulate_replicas(replicas, protocol, trained, "cpu", output, [{}] * len(replicas))


@pytest.mark.parametrize("thermostat", ["langevin", "nose-hoover"])
def test_forces_are_those_of_the_ase_calculator(random_checkpoint, tmp_path, thermostat, capsys) -> None:
    """Of every frame; atoms leave the cell on the way. Same folder as ``simulate`` writes."""
    frames = [crystal(2), crystal(2)]
    frames[1].rattle(0.1, seed=3)
    ase.io.write(tmp_path / "start.extxyz", frames)
    command = ["--checkpoint", str(random_checkpoint), "--start", str(tmp_path / "start.extxyz")]
    command += ["--thermostat", thermostat, "--temperature", "900", "--timestep", "4", "--steps", "40"]
    command += ["--every", "5"]
    assert (
        cli.main(["simulate-replicas", *command, "--seeds", "1", "2", "--output", str(tmp_path / "md")]) == 0
    )
    assert "seed 2: finished: 40 steps" in capsys.readouterr().out
    assert cli.main(["simulate", *command, "--seed", "2", "--output", str(tmp_path / "one")]) == 0
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
    one, many = (tmp_path / name for name in ("one", "md/seed2"))
    assert (
        json.loads((one / "outcome.json").read_text()).keys()
        == json.loads((many / "outcome.json").read_text()).keys()
    )
    first = [ase.io.read(folder / "trajectory.extxyz", 0) for folder in (one, many)]
    np.testing.assert_array_equal(first[0].get_momenta(), first[1].get_momenta())
    thermo = [pd.read_csv(folder / "thermo.csv") for folder in (one, many)]
    np.testing.assert_allclose(thermo[0].iloc[0], thermo[1].iloc[0], rtol=1e-5, atol=1e-4)


def test_torchsims_own_check_of_a_model(random_checkpoint) -> None:
    model = TorchSimPotential(LEIGNNCalculator(random_checkpoint).trained, "cpu")
    validate_model_outputs(model, torch.device("cpu"), torch.float64)


def test_kinetic_energy_is_canonical_as_ases_is(tmp_path) -> None:
    """Mean 3/2 N kT and variance 3/2 N (kT)²; within four standard errors, and so is ASE's."""
    protocol = [settings("langevin", seed, steps=1200, every=10) for seed in range(24)]
    run(tmp_path / "many", [crystal() for _ in protocol], protocol)
    atoms = crystal(3)
    atoms.calc = WavesCalculator()
    simulate(atoms, settings("langevin", 1, steps=2500, every=10), tmp_path / "one")
    for size, folders in ((4, [f"many/seed{p.seed}" for p in protocol]), (108, ["one"])):
        tables = [pd.read_csv(tmp_path / folder / "thermo.csv") for folder in folders]
        kinetic = pd.concat([table["kinetic_ev"][20:] for table in tables]) / (units.kB * 400)
        expected, samples = 1.5 * size, len(kinetic) / 1.5  # neighbouring samples hang together
        assert kinetic.mean() == pytest.approx(expected, abs=4 * np.sqrt(expected / samples))
        error = np.sqrt((2 + 4 / size) / samples)  # excess kurtosis of a gamma distribution: 6 / (1.5 N)
        assert kinetic.var() / expected == pytest.approx(1, abs=4 * error)


def test_nose_hoover_is_torchsims_and_ases(tmp_path) -> None:
    """TorchSim's with its chain's second mass; ASE's with the mass of the protocol, to O(Δt²)."""
    timestep, kt = 2 * units.fs, 400 * units.kB
    model = TorchSimPotential(TrainedPotential(Waves(), {}, 0.0), "cpu")
    begin, step = nvt_nose_hoover(
        model=model, dt=torch.tensor(timestep), kT=torch.tensor(kt), chain_length=2, chain_steps=1, sy_steps=1
    )
    start = atoms_to_state([crystal(2)], torch.device("cpu"), torch.float64)
    damping = torch.tensor(20 * timestep)
    theirs, ours = begin(start, tau=damping, seed=0), begin(start.clone(), tau=damping, seed=0)
    dynamics = NoseHoover(model, timestep, kt, 20 * timestep, ours, torch.zeros(2, 1, dtype=torch.float64))
    dynamics.chain.masses[1] = kt * (20 * timestep) ** 2
    for _ in range(100):
        theirs, ours = step(theirs), dynamics.step(ours)
    np.testing.assert_allclose(ours.momenta, theirs.momenta, rtol=1e-5, atol=1e-6)

    def parted(length: float) -> float:
        """Largest distance between our positions and ASE's after 160 fs in steps of ``length`` fs."""
        protocol = settings("nose-hoover", 1, timestep=length, steps=round(160 / length), damping=40 / length)
        output = tmp_path / str(length)
        run(output, [crystal(2)], [protocol])
        atoms, *_, last = ase.io.read(output / "seed1" / "trajectory.extxyz", ":")
        atoms.calc = WavesCalculator()
        NoseHooverChainNVT(atoms, length * units.fs, 400, tdamp=40 * units.fs, tchain=1).run(protocol.steps)
        return np.abs(last.positions - atoms.positions).max()

    assert parted(1.0) < 1e-2 and parted(0.5) < parted(1.0) / 3.5


@pytest.mark.parametrize("thermostat", ["langevin", "nose-hoover"])
def test_replicas_do_not_notice_each_other(tmp_path, thermostat) -> None:
    """One alone, one of two, and one of three of which one goes wrong: the same bytes."""
    sick = crystal(2)
    sick.numbers[5] = HELIUM
    run(tmp_path / "alone", [crystal()], [settings(thermostat, 7)])
    run(tmp_path / "two", [crystal(2), crystal()], [settings(thermostat, s) for s in (1, 7)])
    outcomes = run(
        tmp_path / "three",
        [crystal(2), sick, crystal()],
        [settings(thermostat, s) for s in (1, 2, 7)],
        Waves(calls=31),
    )
    assert [o["status"] for o in outcomes] == ["finished", "stopped", "finished"]
    assert outcomes[1]["steps"] == 31 and "not finite" in outcomes[1]["reason"]
    assert len(ase.io.read(tmp_path / "three" / "seed2" / "trajectory.extxyz", ":")) == 16
    for name in ("trajectory.extxyz", "thermo.csv"):
        alone, two, three = (
            (tmp_path / folder / "seed7" / name).read_bytes() for folder in ("alone", "two", "three")
        )
        assert alone == two == three
        assert (tmp_path / "two" / "seed1" / name).read_bytes() != alone


@pytest.mark.parametrize("thermostat", ["langevin", "nose-hoover"])
def test_a_killed_run_ends_with_the_same_bytes(tmp_path, thermostat) -> None:
    """One replica stops at step 31; states are saved after steps 40, 80 and 120; the kill comes at 103."""

    def start() -> tuple[list[Atoms], list[Settings]]:
        sick = crystal(2)
        sick.numbers[5] = HELIUM
        return [crystal(2), sick, crystal()], [settings(thermostat, seed) for seed in (1, 2, 7)]

    class Killed(Waves):
        calls = 0

        def forward(self, batch):
            self.calls += 1
            if self.calls == 104:
                raise KeyboardInterrupt
            return super().forward(batch)

    whole = run(tmp_path / "whole", *start(), Waves(calls=31))
    with pytest.raises(KeyboardInterrupt):
        run(tmp_path / "killed", *start(), Killed(calls=31))
    again = run(tmp_path / "killed", *start())
    for one, other in zip(whole, again, strict=True):
        assert {k: one[k] for k in ("status", "reason", "steps")} == {
            k: other[k] for k in ("status", "reason", "steps")
        }
    for seed in (1, 2, 7):
        for name in ("trajectory.extxyz", "thermo.csv"):
            files = [tmp_path / folder / f"seed{seed}" / name for folder in ("whole", "killed")]
            assert files[0].read_bytes() == files[1].read_bytes()
    assert not (tmp_path / "killed" / "state.npz").exists()


def test_what_cannot_be_simulated_together(tmp_path) -> None:
    fixed, free = crystal(), crystal()
    fixed.set_constraint(ase.constraints.FixAtoms([0]))
    free.pbc = False
    for replicas, seeds, message in (
        ([crystal(), fixed], (0, 1), "seed 1: .* fixed atoms"),
        ([crystal(), free], (0, 1), "seed 1: .* periodic in"),
        ([crystal(), crystal()], (3, 3), "3 is given more than once"),
    ):
        with pytest.raises(InputError, match=message):
            run(tmp_path / "wrong", replicas, [settings("langevin", seed) for seed in seeds])
        assert not (tmp_path / "wrong").exists()
