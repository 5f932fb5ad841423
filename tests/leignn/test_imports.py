"""A command does not wait for packages that it does not need: PyTorch, Lightning, torch-geometric."""

import subprocess
import sys

import pytest

from leignn.cli import commands

FIGURES_OF_MODELS = {"plot-graphs", "plot-architecture", "plot-messages"}
WITH_LIGHTNING = {"train"}
WITH_TORCH = WITH_LIGHTNING | FIGURES_OF_MODELS | {
    "check-reference",
    "measure-drift",
    "measure-separation",
    "plan",
    "predict",
    "measure-costs",
    "profile",
    "simulate",
}  # fmt: skip


@pytest.mark.parametrize(
    ("package", "needed_by"),
    [("torch", WITH_TORCH), ("pytorch_lightning", WITH_LIGHTNING), ("torch_geometric", set())],
)
def test_other_commands_do_not_import(package, needed_by) -> None:
    modules = {name: module for name, (module, _) in commands().items() if name not in needed_by}
    assert needed_by <= set(commands()) and len(modules) > 20
    code = f"""import importlib, sys
for command, module in {modules}.items():
    importlib.import_module(module)
    assert {package!r} not in sys.modules, command"""
    result = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert result.returncode == 0, result.stderr
