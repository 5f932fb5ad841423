"""Steps on TorchSim, against TorchSim's own, ASE's and the canonical ensemble."""

import ase.io
import numpy as np
import pandas as pd
import pytest
import torch
from ase import units
from ase.md.nose_hoover_chain import NoseHooverChainNVT
from made_runs import run_config
from simulations import Waves, WavesCalculator, crystal, protocol, simulate_many, simulate_one
from torch_sim.integrators.nvt import nvt_nose_hoover
from torch_sim.io import atoms_to_state

from leignn.md.torchsim_integrators import NoseHoover
from leignn.md.torchsim_potential import TorchSimPotential
from leignn.trained import TrainedPotential


def test_kinetic_energy_is_canonical_as_ases_is(tmp_path) -> None:
    """Mean 3/2 N kT and variance 3/2 N (kT)²; within four standard errors, and so is ASE's."""
    seeds = range(24)
    settings = protocol("langevin", steps=1200, every=10)
    simulate_many([crystal() for _ in seeds], settings, tmp_path / "many", seeds)
    atoms = crystal(3)
    atoms.calc = WavesCalculator()
    simulate_one(atoms, protocol("langevin", steps=2500, every=10), tmp_path / "one")
    for size, folders in ((4, [f"many/seed{seed}" for seed in seeds]), (108, ["one"])):
        tables = [pd.read_csv(tmp_path / folder / "thermo.csv") for folder in folders]
        kinetic = pd.concat([table["kinetic_ev"][20:] for table in tables]) / (units.kB * 400)
        expected, samples = 1.5 * size, len(kinetic) / 1.5  # neighbouring samples hang together
        assert kinetic.mean() == pytest.approx(expected, abs=4 * np.sqrt(expected / samples))
        error = np.sqrt((2 + 4 / size) / samples)  # excess kurtosis of a gamma distribution: 6 / (1.5 N)
        assert kinetic.var() / expected == pytest.approx(1, abs=4 * error)


def test_nose_hoover_is_torchsims_and_ases(tmp_path) -> None:
    """TorchSim's with its chain's second mass; ASE's with the mass of the protocol, to O(Δt²)."""
    timestep, kt = 2 * units.fs, 400 * units.kB
    model = TorchSimPotential(TrainedPotential(Waves(), run_config(), 0.0, range(1, 119)), "cpu")
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
        settings = protocol("nose-hoover", timestep=length, steps=round(160 / length), damping=40 / length)
        output = tmp_path / str(length)
        simulate_many([crystal(2)], settings, output, [1])
        atoms, *_, last = ase.io.read(output / "trajectory.extxyz", ":")
        atoms.calc = WavesCalculator()
        NoseHooverChainNVT(atoms, length * units.fs, 400, tdamp=40 * units.fs, tchain=1).run(settings.steps)
        return np.abs(last.positions - atoms.positions).max()

    assert parted(1.0) < 1e-2 and parted(0.5) < parted(1.0) / 3.5
