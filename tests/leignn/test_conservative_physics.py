"""What a LEIGNN-C trained for half a minute is good for: steady energies in dynamics, phonons of a metal."""

from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from ase import units
from ase.build import bulk
from ase.calculators.emt import EMT
from ase.md.velocitydistribution import MaxwellBoltzmannDistribution
from ase.md.verlet import VelocityVerlet
from ase.phonons import Phonons

from leignn import LEIGNNCalculator
from leignn.config.run import resolve_run
from leignn.data.store import write_store
from leignn.data.structure import Structure
from leignn.training.train import train

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def checkpoint(tmp_path_factory) -> Path:
    """Trained in float64 on rattled and strained copper."""
    folder, rng, found = tmp_path_factory.mktemp("copper"), np.random.default_rng(0), []
    for number in range(220):
        atoms = bulk("Cu", cubic=True).repeat(2)
        atoms.set_cell(atoms.cell.array * (1 + rng.uniform(-0.02, 0.02)), scale_atoms=True)
        atoms.positions += rng.normal(0, rng.uniform(0.02, 0.2), atoms.positions.shape)
        atoms.calc = EMT()
        atoms.get_potential_energy()
        found.append(Structure.from_atoms(atoms, "cu", number))
    write_store(folder / "all", [found], {})
    for name, rows in (("train", range(200)), ("val", range(200, 220))):
        table = pd.DataFrame({"part": "all", "index": rows, "system_id": "cu", "frame": rows})
        table.to_csv(folder / f"{name}.csv", index=False)
    protocol = {
        "precision": "64-true", "learning_rate": 4e-3, "min_learning_rate": 1e-5, "plateau_patience": 1,
        "plateau_factor": 0.5, "batch_size": 4, "evaluate_every": 50, "max_steps": 800,
        "energy_target": "minus_train_mean",
    }  # fmt: skip
    run = resolve_run("oc20_standin", "leignn_c", "smoke", 0, {"training": protocol})
    train(run, folder, folder, folder / "run", "cpu")
    return folder / "run" / "checkpoint.pt"


def test_energy_is_kept_at_constant_energy(checkpoint) -> None:
    """Below 0.1 meV/atom/ps at 1 fs and 800 K, and the fluctuation shrinks with the step's square."""
    deviations = []
    for timestep in (1.0, 2.0):
        atoms = bulk("Cu", cubic=True).repeat(2)
        atoms.calc = LEIGNNCalculator(checkpoint)
        MaxwellBoltzmannDistribution(atoms, temperature_K=800, rng=np.random.default_rng(1))
        dynamics, times, energies = VelocityVerlet(atoms, timestep * units.fs), [], []

        def record(atoms=atoms, dynamics=dynamics, times=times, energies=energies) -> None:
            times.append(dynamics.get_time() / units.fs / 1000)
            energies.append(1000 * atoms.get_total_energy() / len(atoms))

        dynamics.attach(record, interval=5)
        dynamics.run(int(2000 / timestep))
        slope, _ = np.polyfit(times, energies, 1)
        assert abs(slope) < 0.1
        deviations.append(np.std(energies))
    assert 2 < deviations[1] / deviations[0] < 8


def test_phonons_of_copper(checkpoint, tmp_path) -> None:
    """ASE's, without imaginary modes, acoustic at Γ by itself, and near those of what it was trained on."""
    path = np.array([[0, 0, 0], [0.5, 0, 0.5], [0.5, 0.5, 0.5]])
    energies = []
    for name, calculator in (("model", LEIGNNCalculator(checkpoint)), ("emt", EMT())):
        phonons = Phonons(bulk("Cu"), calculator, (3, 3, 3), delta=0.02, name=str(tmp_path / name))
        phonons.run()
        phonons.read(acoustic=False)
        energies.append(1000 * phonons.band_structure(path, verbose=False))
    found, expected = energies
    np.testing.assert_allclose(found[0], 0, atol=1e-3)
    assert found[1:].min() > 10
    np.testing.assert_allclose(found[1:], expected[1:], rtol=0.15)
