"""Trajectories and their analysis: what is refused, and numbers known beforehand."""

from pathlib import Path

import ase.io
import numpy as np
import pytest
import yaml
from ase import Atoms
from ase.calculators.singlepoint import SinglePointCalculator
from made_runs import run_config

from leignn.cli import main
from leignn.config.dataset import load_dataset
from leignn.config.simulation import Analysis, Diffusion, Reference
from leignn.data.build import build_store
from leignn.data.md_standin import generate
from leignn.data.store import write_store
from leignn.data.structure import Structure
from leignn.errors import InputError
from leignn.files import read_arrays, read_json, write_json
from leignn.md.analyse_reference import statistical_errors
from leignn.md.analysis import curves_of, diffusivity, observables
from leignn.md.observables import bonds_of, pair_distances, rdf
from leignn.md.record import GROWING
from leignn.md.trajectory import Trajectory, reference_trajectory, simulated_trajectory
from leignn.provenance import sha256

CONFIG = Path(__file__).parents[3] / "config" / "datasets"
STANDIN = CONFIG / "melt_standin.yaml"
CELL = np.diag([8.0, 9.0, 10.0])


def frames(number: int, atoms: int = 4, timestep: float = 50.0, cell: np.ndarray = CELL) -> list[Atoms]:
    rng = np.random.default_rng(3)
    found = []
    for i in range(number):
        structure = Atoms([29, 79] * (atoms // 2), rng.uniform(0, 8, (atoms, 3)), cell=cell, pbc=True)
        structure.info["time_fs"] = i * timestep
        structure.calc = SinglePointCalculator(structure, energy=1.0, forces=rng.normal(0, 1, (atoms, 3)))
        found.append(structure)
    return found


def store(folder: Path, structures: list[Atoms]) -> Path:
    """A store of ``structures``; their info may hold step and run."""
    found = [
        Structure.from_atoms(atoms, atoms.info.get("run", "a"), atoms.info.get("step", number))
        for number, atoms in enumerate(structures)
    ]
    write_store(folder / "stores" / "all", [found], {})
    return folder / "stores" / "all"


def test_a_reference_is_put_in_order(tmp_path) -> None:
    structures = frames(6)
    for number, structure in enumerate(structures):
        structure.info["step"] = number
    shuffled = [structures[i] for i in (3, 0, 5, 1, 4, 2)]
    found = reference_trajectory(store(tmp_path, shuffled), 50.0)
    np.testing.assert_allclose(found.positions, [s.positions for s in structures], atol=1e-7)
    np.testing.assert_allclose(found.forces, [s.get_forces() for s in structures], atol=1e-6)
    assert found.frame_time == 0.05
    unordered = reference_trajectory(tmp_path / "stores" / "all", None)
    np.testing.assert_allclose(unordered.positions[0], structures[3].positions, atol=1e-7)
    assert unordered.frame_time is None


def test_the_systems_of_a_reference_are_trajectories_of_their_own(tmp_path) -> None:
    structures = frames(6)
    for number, structure in enumerate(structures):
        structure.info |= {"run": "ab"[number % 2], "step": number // 2}
    found = reference_trajectory(store(tmp_path, structures), 50.0)
    expected = [structures[i].positions for i in (0, 2, 4, 1, 3, 5)]
    np.testing.assert_allclose(found.positions, expected, atol=1e-7)
    assert found.replicas == 2 and found.length == pytest.approx(0.15)


def test_bad_references_are_one_sentence(tmp_path) -> None:
    structures = frames(6)
    for number, structure in enumerate(structures):
        structure.info["step"] = number + 3 * (number > 2)
    with pytest.raises(InputError, match="no frame between 2 and 6"):
        reference_trajectory(store(tmp_path, structures), 50.0)
    for number, structure in enumerate(structures):
        structure.info |= {"run": "ab"[number // 3], "step": number % 3 + (number == 5)}
    with pytest.raises(InputError, match="trajectory of b has no frame between 1 and 3"):
        reference_trajectory(store(tmp_path, structures), 50.0)
    structures[2].info["run"] = "b"
    with pytest.raises(InputError, match="trajectory of a has 2 frames, that of b 4"):
        reference_trajectory(store(tmp_path, structures), 50.0)
    fewer = frames(6)
    fewer[3] = fewer[3][:2]
    fewer[3].calc = SinglePointCalculator(fewer[3], energy=1.0, forces=np.zeros((2, 3)))
    with pytest.raises(InputError, match="frame 3 has 2 atoms, the first 4"):
        reference_trajectory(store(tmp_path, fewer), 50.0)
    other = frames(6)
    other[4].numbers = [79, 29, 29, 79]
    with pytest.raises(InputError, match="frame 4 has other elements"):
        reference_trajectory(store(tmp_path, other), 50.0)
    with pytest.raises(InputError, match="frame 5 has other cell"):
        reference_trajectory(store(tmp_path, frames(5) + frames(1, cell=1.1 * CELL)), 50.0)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda found: found[:4] + found[5:], "a frame is missing between 150 and 250 fs"),
        (lambda found: found[:4] + found[3:], "a frame is repeated between 150 and 150 fs"),
        (lambda found: found[:2], "2 frames: too few"),
        (lambda found: found[:3] + [a[:2] for a in found[3:]], "frame 3 has 2 atoms, the first 4"),
    ],
)
def test_bad_simulations_are_one_sentence(tmp_path, change, message) -> None:
    found = change(frames(8))
    for atoms in found:
        if atoms.calc is None:
            atoms.calc = SinglePointCalculator(atoms, energy=1.0, forces=np.zeros((len(atoms), 3)))
    ase.io.write(tmp_path / "t.extxyz", found)
    with pytest.raises(InputError, match=message):
        simulated_trajectory(tmp_path / "t.extxyz")


def test_a_reference_shorter_than_the_window_or_without_volume(tmp_path, capsys) -> None:
    command = ["analyse-reference", "--dataset", str(STANDIN), "--output", str(tmp_path / "r.npz")]
    store(tmp_path, frames(19))
    assert main([*command, "--stores", str(tmp_path / "stores")]) == 2
    assert "0.95 ps long, shorter than the window of 1 ps" in capsys.readouterr().err
    flat = frames(25, cell=np.zeros((3, 3)))
    for atoms in flat:
        atoms.pbc = False
    store(tmp_path, flat)
    assert main([*command, "--stores", str(tmp_path / "stores")]) == 2
    assert "has no volume" in capsys.readouterr().err
    assert not (tmp_path / "r.npz").exists()


def test_diffusivity_of_a_random_walk_is_read_at_its_lag() -> None:
    """⟨|Δr|²⟩ = 3 σ² a step; D = σ² / (2 Δt)."""
    rng = np.random.default_rng(0)
    sigma, spacing, atoms = 0.2, 0.0125, 900
    steps = rng.normal(0, sigma / 2, (1601, atoms, 3))  # of a quarter of the spacing that counts
    positions = np.cumsum(steps, axis=0) % 8.0  # wrapped
    numbers = np.array([3] * atoms)
    walk = Trajectory(positions, np.zeros_like(positions), numbers, np.diag([8.0] * 3), spacing)
    how = Diffusion(element="Li", skip=0.5, spacing=0.05, lag=2.0, stable=1.0)
    expected = sigma**2 / (2 * 0.05) * 10  # 1e-9 m²/s
    assert diffusivity(walk, how, "corrected") == pytest.approx(expected, rel=0.03)
    windows = (1601 - 40 + 3) // 4 - 40
    ratio = diffusivity(walk, how, "mdsim") / diffusivity(walk, how, "corrected")
    assert ratio == pytest.approx(windows / (windows - 1), rel=1e-9)
    with pytest.raises(InputError, match="too short for a diffusivity at a lag of 30 ps"):
        diffusivity(walk, how.model_copy(update={"lag": 30.0}), "corrected")
    with pytest.raises(InputError, match=r"0\.0125 ps apart allow no spacing of 0\.03 ps"):
        diffusivity(walk, how.model_copy(update={"spacing": 0.03}), "corrected")
    with pytest.raises(InputError, match="the trajectory has no S"):
        diffusivity(walk, how.model_copy(update={"element": "S"}), "corrected")


def test_diffusivity_of_replicas_is_their_mean_and_knows_no_jump_between_them() -> None:
    rng = np.random.default_rng(1)
    how = Diffusion(element="Li", skip=0.1, spacing=0.05, lag=1.0, stable=1.0)
    numbers, cell = np.array([3] * 50), np.diag([8.0] * 3)
    walks = [
        (rng.uniform(0, 8, (1, 50, 3)) + rng.normal(0, sigma, (400, 50, 3)).cumsum(0)) % 8.0
        for sigma in (0.1, 0.3)
    ]
    alone = [diffusivity(Trajectory(w, w, numbers, cell, 0.05), how, "corrected") for w in walks]
    both = Trajectory(np.concatenate(walks), np.concatenate(walks), numbers, cell, 0.05, replicas=2)
    assert diffusivity(both, how, "corrected") == pytest.approx(np.mean(alone), rel=1e-12)
    with pytest.raises(InputError, match="20 ps are too short for a diffusivity at a lag of 25 ps"):
        diffusivity(both, how.model_copy(update={"lag": 25.0}), "corrected")
    analysis = Analysis(
        reference=Reference(part="all", frame_time=50.0), distribution="rdf", window=1.0, diffusion=how
    )
    curves = curves_of(both, analysis, {})
    assert curves["msd"][19] / 6 * 10 == pytest.approx(np.mean(alone), rel=1e-12)  # at 1 ps, from Å²/ps


def files_of(simulation: Path) -> dict[str, str]:
    return {name: sha256(simulation / name) for name in GROWING}


def test_the_reference_analysed_as_a_simulation_has_no_error(tmp_path, capsys) -> None:
    """The stand-in itself, given as the trajectory of a simulation: every error is (nearly) zero."""
    generate(tmp_path, "melt", replicas=1, frames=110, seed=1)
    structures = ase.io.read(tmp_path / "trajectory.extxyz", ":")
    for number, atoms in enumerate(structures):
        atoms.info["time_fs"] = 50.0 * number
    ase.io.write(tmp_path / "all.extxyz", structures[1:])
    dataset = load_dataset(STANDIN).plain()
    dataset["parts"]["all"]["path"] = "all.extxyz"
    dataset["md"]["diffusion"] |= {"skip": 0.5, "lag": 1.0, "stable": 3.0}
    (tmp_path / "mine.yaml").write_text(yaml.safe_dump(dataset))
    build_store(load_dataset(tmp_path / "mine.yaml"), "all", tmp_path, tmp_path / "stores" / "all", 1)
    reference, simulation, run = tmp_path / "reference.npz", tmp_path / "simulation", tmp_path / "run"
    options = ["--dataset", str(tmp_path / "mine.yaml")]
    command = ["analyse-reference", *options, "--stores", str(tmp_path / "stores")]
    assert main([*command, "--output", str(reference)]) == 0

    simulation.mkdir()
    run.mkdir()
    ase.io.write(simulation / "trajectory.extxyz", structures)
    (simulation / "thermo.csv").write_text("time_ps,temperature_k\n0,1400\n1,1600\n")
    outcome = {"status": "finished", "reason": "", "time_ps": 5.45, "settings": {}, "ns_per_day": 1.0}
    outcome["files"] = files_of(simulation)
    write_json(simulation / "outcome.json", outcome)
    (run / "config.yaml").write_text(yaml.safe_dump(run_config(dataset="mine").plain()))
    command = ["analyse-simulation", "--simulation", str(simulation), "--run", str(run), *options]
    output = simulation / "observables.json"
    assert main([*command, "--reference", str(reference), "--output", str(output)]) == 0

    found = read_json(output)
    assert found["rdf_mae"] == pytest.approx(0, abs=1e-6)  # positions are written with 8 decimals
    assert found["pair_distances_mae"] == pytest.approx(0, abs=1e-6)
    assert found["stability_ps"] == 5.45
    assert found["diffusivity"] == pytest.approx(found["diffusivity_reference"], rel=1e-6)
    assert found["diffusivity"] > 0.5  # it is molten
    assert found["temperature_mean_k"] == 1500
    curves = read_arrays(output.with_suffix(".npz"))
    assert set(curves) >= {"partial_rdf/Cu-Au", "force_density/Cu", "msd", "last_frame"}
    widths = np.diff(curves["force_edges/Cu"])
    assert (curves["force_density/Cu"] * widths).sum() == pytest.approx(0.999, abs=2e-3)

    for name in GROWING:
        whole = (simulation / name).read_text()
        (simulation / name).write_text(whole.replace("1", "2", 1))
        assert main([*command, "--reference", str(reference), "--output", str(output)]) == 2
        assert f"{name} is not what was written" in capsys.readouterr().err
        (simulation / name).write_text(whole)

    # An unstable simulation is an outcome: here it ends in its first frames, later it flies apart.
    stopped = {"status": "stopped", "reason": "too hot", "time_ps": 0.07}
    ase.io.write(simulation / "trajectory.extxyz", structures[:2])
    write_json(simulation / "outcome.json", stopped | {"files": files_of(simulation)})
    assert main([*command, "--reference", str(reference), "--output", str(output)]) == 0
    found = read_json(output)
    assert found["stability_ps"] == 0.07 and "rdf_mae" not in found

    failed = {"status": "failed", "reason": "its loss is NaN"}
    write_json(simulation / "outcome.json", failed)
    assert main([*command, "--reference", str(reference), "--output", str(output)]) == 0
    assert read_json(output)["outcome"] == failed


def test_the_analysis_that_a_data_set_asks_for() -> None:
    assert load_dataset(STANDIN).dynamics.diffusion.element == "Cu"
    with pytest.raises(InputError, match="no key 'md'"):
        assert load_dataset("oc20_standin").dynamics


def test_a_molecule_that_flies_apart_is_unstable() -> None:
    rng = np.random.default_rng(4)
    molecule = np.array([[0, 0, 0], [1.1, 0, 0], [-0.4, 1.0, 0], [0, -0.5, 1.0]])
    good = molecule + rng.normal(0, 0.05, (40, 4, 3))
    gone = 30 * molecule + rng.normal(0, 0.05, (20, 4, 3))
    positions = np.concatenate([good, gone])
    trajectory = Trajectory(positions, positions, np.array([6, 1, 1, 1]), np.zeros((3, 3)), 0.05)
    reference = Reference(part="all", frame_time=None)
    analysis = Analysis(reference=reference, distribution="pair_distances", window=0.5)
    reference = {"pair_distances": pair_distances(good)}
    assert observables(trajectory, analysis, reference, 3.0)["stability_ps"] == pytest.approx(2.0)


def test_a_gas_is_stable_until_a_bond_breaks() -> None:
    rng = np.random.default_rng(5)
    molecule = np.array([[0, 0, 0], [1.1, 0, 0], [-0.4, 1.0, 0], [0, -0.5, 1.0]])
    both = np.concatenate([molecule, molecule + [5.5, 9.8, 5.5]])  # the cell's border cuts the second
    positions = (both + rng.normal(0, 0.03, (40, 8, 3))) % 10.0
    positions[30:, 2] += [-0.3, 0.6, 0]
    cell, numbers = np.eye(3) * 10.0, np.array([6, 1, 1, 1] * 2)
    bonds, lengths = bonds_of(positions[:30], cell, numbers)
    assert bonds.tolist() == [[0, 1], [0, 2], [0, 3], [4, 5], [4, 6], [4, 7]]
    reference = Reference(part="all", frame_time=50.0)
    analysis = Analysis(reference=reference, distribution="bonds", window=0.1)
    trajectory = Trajectory(positions, positions, numbers, cell, 0.05)
    curves = curves_of(trajectory, analysis, {}) | {"bonds": bonds, "bond_lengths": lengths}
    assert observables(trajectory, analysis, curves, 2.0)["stability_ps"] == pytest.approx(1.5)
    del curves["bonds"]
    with pytest.raises(InputError, match="analysed without its bonds"):
        observables(trajectory, analysis, curves, 2.0)


def test_errors_of_a_reference_are_those_of_independent_frames() -> None:
    """Blocks give the standard error that frames without memory have."""
    rng = np.random.default_rng(6)
    positions = rng.uniform(0, 8, (400, 20, 3))
    analysis = Analysis(reference=Reference(part="all", frame_time=50.0), distribution="rdf", window=1.0)
    numbers = np.array([29] * 20)
    found = statistical_errors(Trajectory(positions, positions, numbers, np.eye(3) * 8, 0.05), analysis)
    expected = np.std([rdf(p[None], np.eye(3) * 8) for p in positions], axis=0) / 20
    chosen = slice(200, 300)  # 2.4 to 3.6 Å
    assert found["rdf_stderr"][chosen].mean() == pytest.approx(expected[chosen].mean(), rel=0.1)
    first, second = (rdf(half, np.eye(3) * 8) for half in (positions[:200], positions[200:]))
    assert found["rdf_mae_of_halves"] == pytest.approx(np.abs(first - second).mean() * 6)
    assert found["pair_distances_stderr"].shape == (500,)
