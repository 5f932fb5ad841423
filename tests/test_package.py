"""What pyproject.toml declares, and the wheel in an empty environment."""

import os
import shutil
import subprocess
import sys
import tomllib
import zipfile
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import yaml
from ase.build import bulk
from ase.calculators.emt import EMT
from ase.io import read, write
from packaging.requirements import Requirement

import leignn

ROOT = Path(__file__).parents[1]
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())
EXTRAS = PROJECT["project"]["optional-dependencies"]
LOCK = dict(
    line.partition(";")[0].split("==")
    for line in (ROOT / "requirements.txt").read_text().splitlines()
    if line[0] != "#"
)


def test_every_dependency_is_pinned_as_declared() -> None:
    pins = {name.lower().replace("_", "-"): pin for name, pin in LOCK.items()}
    declared = [*PROJECT["project"]["dependencies"], *(text for extra in EXTRAS.values() for text in extra)]
    assert len(declared) > 30
    for requirement in map(Requirement, declared):
        pin = pins[requirement.name.lower().replace("_", "-")]
        assert requirement.specifier.contains(pin), f"{requirement} is pinned at {pin}"


def test_every_folder_of_code_is_in_the_package() -> None:
    code = {
        ".".join(path.relative_to(ROOT).parts)
        for name in ("leignn", "baselines")
        for path in [ROOT / name, *(ROOT / name).rglob("*")]
        if path.is_dir() and list(path.glob("*.py"))
    }
    mapped = PROJECT["tool"]["setuptools"]["package-dir"]
    assert set(PROJECT["tool"]["setuptools"]["packages"]) == code | set(mapped)
    assert all((ROOT / folder).is_dir() for folder in mapped.values())


def test_importing_the_package_does_not_wait_for_torch() -> None:
    code = "import sys, leignn, leignn.cli; sys.exit('torch' in sys.modules or 'pandas' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], cwd=ROOT).returncode == 0


def environment() -> dict[str, str]:
    """Variables of a process that shall not find the checkout."""
    return {name: value for name, value in os.environ.items() if not name.startswith("PYTHON")}


@pytest.fixture(scope="module")
def bin_folder(tmp_path_factory) -> Path:
    """Executables of an environment with the wheel and what it depends on; no extra, no checkout."""
    folder = tmp_path_factory.mktemp("wheel")
    source = folder / "source"
    for name in ("leignn", "baselines", "config", "workflow"):
        shutil.copytree(ROOT / name, source / name, ignore=shutil.ignore_patterns("__pycache__"))
    for name in ("pyproject.toml", "README.md", "LICENSE"):
        shutil.copy(ROOT / name, source)
    pip = [sys.executable, "-m", "pip", "--disable-pip-version-check", "--quiet"]
    build = ["wheel", "--no-deps", "--no-build-isolation", "--wheel-dir", str(folder), str(source)]
    subprocess.run([*pip, *build], check=True)
    shutil.rmtree(source)
    (wheel,) = folder.glob("*.whl")
    assert wheel.name.startswith(f"leignn-{leignn.__version__}-")
    names = zipfile.ZipFile(wheel).namelist()
    assert not [name for name in names if name.startswith(("tests", "benchmarks", "workflow"))]

    subprocess.run([sys.executable, "-m", "venv", "--without-pip", str(folder / "venv")], check=True)
    python = str(folder / "venv" / "bin" / "python")
    install = ["install", "--constraint", str(ROOT / "requirements.txt"), str(wheel)]
    subprocess.run([*pip, "--python", python, *install], env=environment(), check=True)
    return folder / "venv" / "bin"


@pytest.fixture
def run(bin_folder, tmp_path) -> Callable[..., subprocess.CompletedProcess]:
    """Run an executable of :func:`bin_folder` in an empty folder."""

    def run(name: str, *arguments: str, code: int = 0) -> subprocess.CompletedProcess:
        command = [str(bin_folder / name), *arguments]
        done = subprocess.run(command, cwd=tmp_path, env=environment(), capture_output=True, text=True)
        assert done.returncode == code, done.stdout + done.stderr
        return done

    return run


DATASET = {
    "title": "Copper, EMT",
    "level": "EMT",
    "base": "mdsim",  # a shipped one
    "source": {"files": True},
    "parts": {"all": {"format": "ase", "path": "copper.extxyz"}},
    "splits": {"rule": "random", "seed": 0, "counts": {"train": 16, "val": 4, "test": 4}},
}
SETTINGS = '{"training": {"max_steps": 20, "evaluate_every": 10, "batch_size": 4}}'
CALCULATOR = """
from ase.io import read
from leignn import LEIGNNCalculator
for atoms in read("test.extxyz", ":"):
    atoms.calc = LEIGNNCalculator("run/checkpoint.pt")
    print(atoms.get_potential_energy(), *atoms.get_forces().ravel())
"""


@pytest.mark.slow
def test_the_wheel_trains_and_simulates(run, tmp_path) -> None:
    """From a user's own file to a simulation and the calculator, in a folder with nothing else."""
    frames = []
    for seed in range(24):
        atoms = bulk("Cu", cubic=True)
        atoms.rattle(0.1, seed=seed)
        atoms.calc = EMT()
        atoms.get_potential_energy()
        frames.append(atoms)
    write(tmp_path / "copper.extxyz", frames)
    (tmp_path / "config" / "datasets").mkdir(parents=True)
    (tmp_path / "config" / "datasets" / "copper.yaml").write_text(yaml.safe_dump(DATASET))

    data = ["--stores", "stores", "--splits", "splits"]
    run(
        "leignn",
        "build-store",
        "--dataset",
        "copper",
        "--part",
        "all",
        "--raw",
        ".",
        "--output",
        "stores/all",
    )
    run("leignn", "split", "--dataset", "copper", "--stores", "stores", "--output", "splits")
    sizes = ["--model", "leignn", "--scale", "smoke", "--settings", SETTINGS]
    run("leignn", "configure", "--dataset", "copper", *sizes, "--output", "run/config.yaml")
    run("leignn", "train", "--config", "run/config.yaml", *data, "--output", "run", "--device", "cpu")
    run("leignn", "predict", "--run", "run", *data, "--predict", "test", "--output", "run/predictions")
    run(
        "leignn",
        "score",
        "--run",
        "run",
        *data,
        "--predictions",
        "run/predictions",
        "--output",
        "metrics.json",
    )
    assert '"test"' in (tmp_path / "metrics.json").read_text()

    order = pd.read_csv(tmp_path / "splits" / "test.csv")["index"]
    write(tmp_path / "test.extxyz", [frames[index] for index in order])
    printed = run("python", "-c", CALCULATOR).stdout.splitlines()
    found = np.array([line.split() for line in printed], float)
    predicted = np.load(tmp_path / "run" / "predictions" / "test.npz")
    np.testing.assert_allclose(found[:, 0], predicted["energy"], atol=1e-4)
    np.testing.assert_allclose(found[:, 1:].reshape(-1, 3), predicted["forces"], atol=1e-4)

    protocol = ["--thermostat", "langevin", "--temperature", "100", "--timestep", "1", "--steps", "20"]
    run("leignn", "simulate", "--checkpoint", "run/checkpoint.pt", "--start", "test.extxyz", *protocol,
        "--every", "10", "--output", "md")  # fmt: skip
    (trajectory,) = (tmp_path / "md").glob("*.extxyz")
    assert len(read(trajectory, ":")) >= 2


@pytest.mark.slow
def test_the_wheel_names_the_extra_that_a_command_needs(run, tmp_path) -> None:
    assert "render-page" in run("leignn", "--help").stdout
    assert "--checkpoint" in run("python", "-m", "leignn", "simulate", "--help").stdout
    write(tmp_path / "start.extxyz", bulk("Cu"))
    simulation = [
        "--engine",
        "torchsim",
        "--checkpoint",
        "none.pt",
        "--start",
        "start.extxyz",
        "--output",
        "md",
    ]
    simulation += ["--thermostat", "langevin", "--temperature", "100", "--timestep", "1", "--steps", "50"]
    for package, command, options in (("thop", "profile", ["--help"]), ("torch_sim", "simulate", simulation)):
        message = run("leignn", command, *options, code=2).stderr
        assert f"error: needs the package '{package}': pip install 'leignn[workflow]'" in message
    configured = ["--dataset", "oc20_standin", "--scale", "smoke", "--output", "config.yaml"]
    run("leignn", "configure", "--model", "mace", *configured)
    message = run("leignn", "train", "--config", "config.yaml", "--stores", ".", "--splits", ".",
                  "--output", "run", code=2).stderr  # fmt: skip
    assert "needs the package 'e3nn': pip install 'leignn[baselines]'" in message
