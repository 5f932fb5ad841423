"""A potential known by hand, as a model and as ASE's calculator; and protocols to simulate it by."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from ase import Atoms
from ase.build import bulk
from ase.calculators.calculator import Calculator, all_changes
from made_runs import run_config

from leignn.config.simulation import Simulation
from leignn.md.ase_engine import AseEngine
from leignn.md.loop import simulate
from leignn.md.record import Record
from leignn.md.torchsim_engine import TorchSimEngine
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


def helium_crystal() -> Atoms:
    """One of those that go wrong."""
    atoms = crystal(2)
    atoms.numbers[5] = HELIUM
    return atoms


def protocol(thermostat: str, **changes) -> Simulation:
    values = {"temperature": 400.0, "timestep": 2.0, "steps": 120, "every": 2, "friction": 0.05}
    return Simulation(thermostat=thermostat, **values | changes)


def simulate_one(atoms: Atoms, settings: Simulation, output: Path, seed: int = 1) -> dict[str, Any]:
    """``atoms`` with their calculator, by ASE; the outcome."""
    record = Record(output, "ase", settings, [seed], [atoms], [{}])
    (outcome,) = simulate(AseEngine(atoms, settings, seed), record)
    return outcome


def simulate_many(
    replicas: Sequence[Atoms],
    settings: Simulation,
    output: Path,
    seeds: Sequence[int],
    potential: Potential | None = None,
) -> list[dict[str, Any]]:
    """``replicas`` with ``potential`` (default: waves), by TorchSim; the outcomes."""
    trained = TrainedPotential(potential or Waves(), run_config(), 0.0, range(1, 119))
    record = Record(output, "torchsim", settings, seeds, replicas, [{}] * len(replicas))
    return simulate(TorchSimEngine(replicas, settings, seeds, trained, "cpu"), record)
