"""The measured limitations: drift against known potentials, coupling with and without global phases."""

import ase.io
import numpy as np
import pandas as pd
import pytest
import torch
import yaml
from ase import units
from ase.build import bulk, molecule
from ase.calculators.calculator import all_changes
from ase.calculators.emt import EMT
from ase.md.velocitydistribution import MaxwellBoltzmannDistribution, Stationary

from leignn import LEIGNNCalculator, cli
from leignn.configure import find_model, resolve_run
from leignn.md.limitations import coupling, energy_drift
from leignn.resources import CONFIG
from leignn.trained import TrainedPotential, potential_of, save_failure

PULL = 0.05  # eV/Å


class Heated(EMT):
    """EMT with an added constant force on every atom, of which its energy knows nothing."""

    def calculate(self, atoms=None, properties=("energy",), system_changes=all_changes) -> None:
        super().calculate(atoms, properties, system_changes)
        self.results["forces"] = self.results["forces"] + PULL * np.array([1.0, 0.0, 0.0])


@pytest.fixture(scope="module")
def checkpoints(tmp_path_factory):
    """Untrained models by name, in float32 as all are; and one whose training failed."""
    found = {}
    for name in ("leignn", "vanilla_nmu", "schnet"):
        run = resolve_run(CONFIG / "datasets" / "oc20_standin.yaml", find_model(name), "smoke", 0, {})
        torch.manual_seed(0)
        folder = tmp_path_factory.mktemp(name)
        (folder / "config.yaml").write_text(yaml.safe_dump(run))
        found[name] = folder / "checkpoint.pt"
        if name == "schnet":
            save_failure(found[name], run, "loss NaN at step 3")
        else:
            TrainedPotential(potential_of(run), run, 7.0).save(found[name])
    return found


def test_drift_of_forces_that_are_a_gradient_and_of_some_that_are_not() -> None:
    """EMT keeps its energy. A uniform force f moves N atoms of mass m by f t²/2m, and does N f²t²/2m of work.

    A straight line through t² over [0, T] has the slope T.
    """
    timestep, steps = 1.0, 100
    drifts = {}
    for calculator in (EMT(), Heated()):
        atoms = bulk("Cu", cubic=True).repeat(2)
        atoms.calc = calculator
        MaxwellBoltzmannDistribution(atoms, temperature_K=300, rng=np.random.default_rng(0))
        Stationary(atoms)
        drifts[type(calculator)], reason = energy_drift(atoms, timestep, steps)
        assert reason == ""
    assert abs(drifts[EMT]) < 0.5
    picosecond = 1000 * units.fs
    work = 1000 * PULL**2 / (2 * atoms.get_masses()[0]) * (steps * timestep * units.fs) * picosecond
    assert drifts[Heated] - drifts[EMT] == pytest.approx(work, rel=0.02)


def test_only_global_phases_couple_what_is_apart(checkpoints) -> None:
    one, other = molecule("CO"), molecule("NH3")
    energy, forces = coupling(LEIGNNCalculator(checkpoints["vanilla_nmu"]), one, other, 20.0)
    assert abs(energy) < 1e-4 and forces < 1e-4
    near = coupling(LEIGNNCalculator(checkpoints["vanilla_nmu"]), one, other, 4.0)
    assert min(near[1], abs(near[0])) > 1e-2
    coupled = LEIGNNCalculator(checkpoints["leignn"])
    for distance in (20.0, 40.0):
        energy, forces = coupling(coupled, one, other, distance)
        assert abs(energy) > 1e-2 and forces > 1e-2


def test_table_and_figure(checkpoints, tmp_path, capsys) -> None:
    starts = [bulk("Cu", cubic=True), bulk("Cu", cubic=True)]
    starts[1].rattle(0.05)
    ase.io.write(tmp_path / "starts.extxyz", starts)
    table = tmp_path / "limitations.csv"
    command = ["measure-limitations", "--starts", str(tmp_path / "starts.extxyz"), "--output", str(table)]
    command += ["--duration", "10", "--timesteps", "1", "2", "--separations", "5", "20"]
    drift, separation = (
        [str(checkpoints[name]) for name in names] for names in (("schnet", "leignn"), ("vanilla_nmu",))
    )
    assert cli.main([*command, "--drift", *drift, "--separation", *separation]) == 0
    rows = pd.read_csv(table)
    assert list(rows["experiment"]) == ["nve_drift"] * 3 + ["pair_energy", "pair_forces"] * 2
    assert rows["status"][0] == "failed: loss NaN at step 3" and (rows["status"][1:] == "ok").all()
    assert rows["value"][1:].notna().all() and set(rows["stand_in"]) == {True}
    figure = tmp_path / "limitations.svg"
    assert cli.main(["plot-limitations", "--table", str(table), "--output", str(figure)]) == 0
    text = figure.read_text()
    assert "Vanilla + NMU" in text and "meV/atom/ps" in text and "SchNet" not in text

    assert cli.main([*command, "--drift", drift[1], "--timesteps", "8"]) == 2
    assert "8.0 fs" in capsys.readouterr().err
    table.write_text(table.read_text().replace("pair_energy", "pear_energy"))
    assert cli.main(["plot-limitations", "--table", str(table), "--output", str(figure)]) == 2
    assert "pear_energy" in capsys.readouterr().err
