"""Every rule's command with no packages but those of its conda environment, as ``--use-conda`` runs it.

There is no conda here: a `python` of the test's own hides from each command whatever is neither pinned
in the file that the rule names nor needed by one of these pins.
"""

import os
import re
import subprocess
import sys
from importlib.metadata import distributions, packages_distributions, requires
from pathlib import Path

import pytest
import yaml
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

ROOT = Path(__file__).parents[2]
ENVIRONMENTS = ROOT / "workflow" / "envs"

# Runs at the start of each command, which then finds neither modules nor distributions that are hidden.
HIDE = """
import importlib.metadata, os, sys
modules, distributions = (frozenset(os.environ[name].split()) for name in ("MODULES", "DISTRIBUTIONS"))
class Visible:
    def __init__(self, finder):
        self.finder = finder
    def find_spec(self, name, path=None, target=None):
        if name.partition(".")[0] not in modules:
            return self.finder.find_spec(name, path, target)
    def __getattr__(self, name):
        return getattr(self.finder, name)
sys.meta_path[:] = map(Visible, sys.meta_path)
found = importlib.metadata.Distribution.from_name
def from_name(name):
    if name.lower().replace("_", "-").replace(".", "-") in distributions:
        raise importlib.metadata.PackageNotFoundError(name)
    return found(name)
importlib.metadata.Distribution.from_name = from_name
"""
PYTHON = """#!{python}
import os, sys
sys.path.insert(0, {tests!r})
from test_environments import environment_of, hidden
for name, absent in zip(("MODULES", "DISTRIBUTIONS"), hidden(environment_of(sys.argv[1:]))):
    os.environ[name] = " ".join(sorted(absent))
os.environ["PYTHONPATH"] = {folder!r}
os.execv({python!r}, [{python!r}, *sys.argv[1:]])
"""


def _name(requirement: str) -> str:
    return canonicalize_name(Requirement(requirement).name)


def pinned(environment: str) -> set[str]:
    """Distributions that a conda file and its script name, and all that these need."""
    dependencies = yaml.safe_load((ENVIRONMENTS / f"{environment}.yaml").read_text())["dependencies"]
    wanted = [_name(pin) for entry in dependencies if isinstance(entry, dict) for pin in entry["pip"]]
    found = set()
    while wanted:
        name = wanted.pop()
        if name in found:
            continue
        found.add(name)
        for text in requires(name) or []:
            requirement = Requirement(text)
            if requirement.marker is None or requirement.marker.evaluate({"extra": ""}):
                wanted.append(canonicalize_name(requirement.name))
    script = ENVIRONMENTS / f"{environment}.post-deploy.sh"
    if script.exists():  # these come without their dependencies
        found |= {_name(pin) for pin in re.findall(r"\S+==\S+", script.read_text())}
    return found | {"pip", "setuptools"}


def hidden(environment: str) -> tuple[set[str], set[str]]:
    """Top-level modules, and distributions, that are installed here and not in the environment."""
    there = pinned(environment) | {"leignn"}
    modules = {
        module
        for module, names in packages_distributions().items()
        if not there & {canonicalize_name(name) for name in names}
    }
    return modules, {canonicalize_name(found.name) for found in distributions()} - there


def environment_of(arguments: list[str]) -> str:
    """The environment of the rule whose command this is."""
    command = arguments[arguments.index("leignn") + 1]
    (environment,) = {
        found
        for file in (ROOT / "workflow" / "rules").glob("*.smk")
        for rule in re.split(r"\nrule ", file.read_text())
        if f"python -m leignn {command} " in rule
        for found in re.findall(r"\n    conda:\n        (\S+)\n", rule)
    }
    if environment != "model_environment":
        return Path(environment.strip('"')).stem
    place = next(Path(arguments[arguments.index(key) + 1]) for key in KEYS if key in arguments)
    folder = place if place.is_dir() else place.parent
    return yaml.safe_load((folder / "config.yaml").read_text())["environment"]


KEYS = ("--config", "--run", "--checkpoint")  # of commands that run a model


@pytest.mark.slow
def test_every_command_runs_with_its_environments_packages(tmp_path) -> None:
    """The whole workflow at scale smoke."""
    binaries, site = tmp_path / "bin", tmp_path / "site"
    binaries.mkdir()
    site.mkdir()
    (site / "sitecustomize.py").write_text(HIDE)
    python = binaries / "python"
    python.write_text(
        PYTHON.format(python=sys.executable, tests=str(Path(__file__).parent), folder=str(site))
    )
    python.chmod(0o755)
    command = [
        sys.executable,
        "-m",
        "snakemake",
        "-s",
        str(ROOT / "workflow" / "Snakefile"),
        "--cores",
        "all",
    ]
    environment = os.environ | {"PATH": f"{binaries}{os.pathsep}{os.environ['PATH']}"}
    done = subprocess.run(
        [*command, "--keep-going", "--config", "scale=smoke"],
        cwd=tmp_path,
        env=environment,
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stdout[-3000:] + done.stderr[-3000:]


def test_the_test_hides_what_an_environment_lacks() -> None:
    for environment, module, there in (
        ("report", "torch", False),
        ("torch", "torch", True),
        ("torch", "fairchem", False),
        ("fairchem", "fairchem", True),
    ):
        assert (module not in hidden(environment)[0]) == there
    assert "rich" in hidden("torch")[1] and "ase" not in hidden("torch")[1]
    assert environment_of(["-m", "leignn", "render-page", "--output", "x"]) == "report"
