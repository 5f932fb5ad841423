"""Figure 5 and the dynamics: what is drawn of simulations that ran, and of those that did not get far."""

from pathlib import Path

import numpy as np
import pytest

from leignn.cli import main
from leignn.config.simulation import Analysis, Diffusion, Reference
from leignn.files import read_own_arrays, write_arrays, write_json
from leignn.md.analyse_reference import statistical_errors
from leignn.md.analysis import curves_of
from leignn.md.trajectory import Trajectory
from leignn.provenance import sha256

ANALYSIS = Analysis(
    reference=Reference(part="all", frame_time=50.0),
    distribution="rdf",
    window=1.0,
    diffusion=Diffusion(element="Cu", skip=0.5, spacing=0.05, lag=1.0, stable=2.0),
)


def trajectory(seed: int) -> Trajectory:
    rng = np.random.default_rng(seed)
    positions = rng.uniform(0, 8, (1, 6, 3)) + rng.normal(0, 0.1, (60, 6, 3)).cumsum(0)
    forces = rng.normal(0, 1, (60, 6, 3))
    return Trajectory(positions, forces, np.array([29] * 3 + [79] * 3), np.eye(3) * 8, 0.05)


def simulation(folder: Path, title: str, status: str, frames: int = 60) -> Path:
    """Files of a simulation; without frames, one that stopped at once or was never begun."""
    folder.mkdir()
    outcome = {"status": status, "reason": "", "time_ps": 3.0, "settings": {"temperature": 1500.0}}
    content = {
        "schema": 1, "dataset": "melt", "scale": "mini", "model": title.lower(), "title": title, "seed": 0,
        "dataset_title": "Molten AuCu", "stand_in": True, "outcome": outcome,
        "analysis": ANALYSIS.model_dump(),
    }  # fmt: skip
    if frames:
        content |= {"rdf_mae": 0.1, "pair_distances_mae": 0.1}
        write_arrays(folder / "observables.npz", curves_of(trajectory(1), ANALYSIS, {}))
        content["files"] = {"observables.npz": sha256(folder / "observables.npz")}
        lines = [f"{i * 0.05},{-1 - i},{1.0},{1400 + i}" for i in range(frames)]
        header = "time_ps,potential_ev,kinetic_ev,temperature_k"
        (folder / "thermo.csv").write_text("\n".join([header, *lines]))
        outcome["files"] = {"thermo.csv": sha256(folder / "thermo.csv")}
    write_json(folder / "observables.json", content)
    return folder / "observables.json"


@pytest.fixture
def reference(tmp_path) -> Path:
    path = tmp_path / "melt.npz"
    found = trajectory(2)
    curves = curves_of(found, ANALYSIS, {}) | statistical_errors(found, ANALYSIS)
    write_arrays(path, curves | {"diffusivity": np.array(4.6)})
    return path


def draw(command: str, reference: Path, simulations: list[Path], output: Path) -> str:
    arguments = ["--simulations", *map(str, simulations), "--references", str(reference)]
    assert main([command, *arguments, "--output", str(output)]) == 0
    return output.read_text(encoding="utf-8")


@pytest.mark.parametrize("command", ["plot-structure", "plot-dynamics"])
def test_those_that_ran_are_drawn_and_the_others_are_not(tmp_path, reference, command, capsys) -> None:
    found = [
        simulation(tmp_path / "a", "LEIGNN", "finished"),
        simulation(tmp_path / "b", "ForceNet", "stopped", frames=0),
        simulation(tmp_path / "c", "NequIP", "failed", frames=0),
    ]
    svg = draw(command, reference, found, tmp_path / "figure.svg")
    assert "LEIGNN" in svg and "reference" in svg
    assert "ForceNet" not in svg and "NequIP" not in svg
    assert svg == draw(command, reference, found, tmp_path / "again.svg")
    words = {
        "plot-structure": ["g(r)", "Molten AuCu: ", "after 3 ps"],
        "plot-dynamics": ["MSD of Cu", "Molten AuCu", "1500 K"],
    }
    for word in words[command]:
        assert word in svg
    kept = read_own_arrays(reference)
    write_arrays(reference, {name: values for name, values in kept.items() if "stderr" not in name})
    arguments = ["--simulations", *map(str, found), "--references", str(reference)]
    assert main([command, *arguments, "--output", str(tmp_path / "old.svg")]) == 2
    assert "melt.npz has no standard errors" in capsys.readouterr().err


@pytest.mark.parametrize("command", ["plot-structure", "plot-dynamics"])
def test_nothing_to_draw_is_a_gap_that_says_so(tmp_path, reference, command) -> None:
    found = [simulation(tmp_path / "a", "LEIGNN", "failed", frames=0)]
    assert "Not drawn: no simulation went far enough" in draw(command, reference, found, tmp_path / "f.svg")


@pytest.mark.parametrize(
    ("name", "command"),
    [
        ("thermo.csv", "plot-dynamics"),
        ("observables.npz", "plot-structure"),
        ("observables.json", "plot-structure"),
    ],
)
def test_a_changed_file_is_refused(tmp_path, reference, capsys, name, command) -> None:
    path = simulation(tmp_path / "a", "LEIGNN", "finished")
    changed = bytearray((path.parent / name).read_bytes())
    place = changed.rindex(b"1")
    changed[place : place + 1] = b"2"
    (path.parent / name).write_bytes(changed)
    arguments = ["--simulations", str(path), "--references", str(reference)]
    assert main([command, *arguments, "--output", str(tmp_path / "f.svg")]) == 2
    assert f"{name} is not what was written" in capsys.readouterr().err
