"""Every rule's command with no packages but those of its conda environment."""

import ast
import os
import re
import subprocess
import sys
from collections.abc import Iterator
from functools import cache
from importlib.metadata import packages_distributions
from pathlib import Path

import pytest
import yaml
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

from leignn.cli import commands
from tests.workflow.dry_runs import ROOT
from tests.workflow.stand_in_conda import hidden, install, pip_pins

ENVIRONMENTS = {path.stem: path for path in (ROOT / "workflow" / "envs").glob("*.yaml")}
MODELS = [yaml.safe_load(path.read_text()) for path in (ROOT / "config" / "models").glob("*.yaml")]
# Imported in functions that the rules of an environment do not come to.
ELSEWHERE = {
    ("torch", "leignn.arguments"),  # of what --device says
    ("torch", "leignn.determinism"),  # likewise
    ("torch", "leignn.provenance"),  # of the hardware of trainings and profiles
    ("triton", "leignn.backend.gpu_products"),  # PyTorch for GPUs brings it; without it they are not called
    ("triton", "leignn.backend.gpu_updating"),
    (
        "torch_sim",
        "leignn.md.torchsim_engine",
    ),  # no rule asks for --engine torchsim, which has files of its own
    ("torch_sim", "leignn.md.torchsim_integrators"),
    ("torch_sim", "leignn.md.torchsim_potential"),
}


def rules() -> Iterator[tuple[str, str, str]]:
    """Name, command and environment of every rule; a rule of any model has the environments of all."""
    of_models = {model.get("environment", "torch") for model in MODELS}
    for file in sorted((ROOT / "workflow" / "rules").glob("*.smk")):
        for text in re.split(r"\n *rule ", file.read_text())[1:]:
            found = re.findall(r"\n +conda:\n +(\S+)\n", text)
            for command in re.findall(r"python -m leignn (\S+)", text):
                (environment,) = found
                names = (
                    of_models if environment == "model_environment" else [Path(environment.strip('"')).stem]
                )
                yield from ((text.partition(":")[0], command, name) for name in sorted(names))


def source(module: str) -> Path | None:
    path = ROOT.joinpath(*module.split("."))
    return next((file for file in (path.with_suffix(".py"), path / "__init__.py") if file.is_file()), None)


@cache
def imported(module: str) -> frozenset[str]:
    """Modules that a module of ours names in imports, also within functions, and their packages.

    What a package loads when it is asked for a name (its functions) does not count.
    """
    file = source(module)
    tree: ast.AST = ast.parse(file.read_text())
    if file.name == "__init__.py":
        tree = ast.Module([node for node in tree.body if not isinstance(node, ast.FunctionDef)], [])
    names = set()
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            names |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, file
            names |= {f"{node.module}.{alias.name}" for alias in node.names}
    parts = [name.split(".") for name in names]
    return frozenset(".".join(part[:end]) for part in parts for end in range(1, len(part) + 1))


def third_parties(module: str) -> set[tuple[str, str]]:
    """Top-level modules of others behind a module of ours, each with the module of ours that imports it."""
    seen, waiting, found = set(), [module], set()
    while waiting:
        module = waiting.pop()
        if module in seen:
            continue
        seen.add(module)
        for name in imported(module):
            top = name.partition(".")[0]
            if top in ("leignn", "baselines"):
                waiting += [name] if source(name) else []
            elif top not in sys.stdlib_module_names:
                found.add((top, module))
    return found


def named(environment: str) -> set[str]:
    """Distributions in a conda file and the script that goes with it."""
    file = ENVIRONMENTS[environment]
    script = file.with_suffix(".post-deploy.sh")
    alone = re.findall(r"\S+==\S+", script.read_text()) if script.exists() else []
    return {canonicalize_name(Requirement(pin).name) for pin in [*pip_pins(file), *alone]}


@pytest.mark.parametrize("environment", sorted(ENVIRONMENTS))
def test_every_import_is_pinned_in_the_environment_of_its_rule(environment) -> None:
    """Of what a rule's command imports, and of the models that run there."""
    starts = {rule: commands()[command][0] for rule, command, name in rules() if name == environment}
    assert starts
    for model in MODELS:
        if model.get("environment", "torch") == environment:
            starts[model["title"]] = model["potential"].partition(":")[0]
    brought, there = packages_distributions(), named(environment)
    assert "torch" in there or environment == "light"
    lacking = {
        f"{start} imports {name} (in {module})"
        for start, first in starts.items()
        for name, module in third_parties(first) - ELSEWHERE
        if not there & {canonicalize_name(found) for found in brought.get(name, [name])}
    }
    assert not lacking, "\n".join(sorted(lacking))


def test_every_environment_is_some_rules_and_every_rule_has_one() -> None:
    assert {environment for _, _, environment in rules()} == set(ENVIRONMENTS)
    of_rules = {command for _, command, _ in rules()}
    by_hand = {"document-config", "document-figures", "check-reference", "check-observables"}
    assert of_rules | by_hand == set(commands()) and len(of_rules) > 20


def test_the_stand_in_hides_what_an_environment_lacks() -> None:
    of = {name: hidden(pip_pins(file)) for name, file in ENVIRONMENTS.items()}
    for environment, module, there in (
        ("light", "torch", False),
        ("light", "ase", True),
        ("torch", "torch", True),
        ("torch", "mace", False),
        ("baselines", "mace", True),
        ("baselines", "fairchem", False),  # its script brings it
    ):
        assert (module not in of[environment][0]) == there, (environment, module)
    assert "rich" in of["torch"][1] and "ase" not in of["torch"][1]
    assert "fairchem" not in hidden(["fairchem-core==1.10.0(alone)"])[0]
    assert "torch" in hidden(["fairchem-core==1.10.0(alone)"])[0]


@pytest.fixture
def snakemake(tmp_path):
    """Run ``snakemake --use-conda`` with conda's stand-in, in a folder without the library."""
    (tmp_path / "conda").mkdir()
    (tmp_path / "folder").mkdir()
    binaries = install(tmp_path / "conda")
    command = [sys.executable, "-m", "snakemake", "-s", str(ROOT / "workflow" / "Snakefile"), "--use-conda"]
    environment = os.environ | {"PATH": f"{binaries}{os.pathsep}{os.environ['PATH']}"}

    def run(*arguments: str) -> Path:
        done = subprocess.run(
            [*command, "--cores", "all", *arguments],
            cwd=tmp_path / "folder",
            env=environment,
            capture_output=True,
            text=True,
        )
        assert done.returncode == 0, done.stdout[-3000:] + done.stderr[-3000:]
        return tmp_path / "folder"

    return run


def test_jobs_find_the_library_from_another_folder(snakemake) -> None:
    """Snakemake itself takes PYTHONPATH away from what it runs in an environment."""
    folder = snakemake("results/runs/oc20_standin/smoke/mace/seed0/config.yaml", "--config", "scale=smoke")
    assert list((folder / ".snakemake" / "conda").glob("*/bin/python"))
    assert not (folder / "leignn").exists()
    assert (folder / "results/runs/oc20_standin/smoke/mace/seed0/config.yaml").exists()


@pytest.mark.slow
def test_the_workflow_runs_with_its_environments_packages(snakemake) -> None:
    """The whole of it, at scale smoke."""
    folder = snakemake("--keep-going", "--config", "scale=smoke")
    assert (folder / "results" / "index.html").exists()
    assert len(list((folder / ".snakemake" / "conda").glob("*/bin/python"))) == len(ENVIRONMENTS)
