"""A command does not wait for packages that it does not need: PyTorch, Lightning, torch-geometric."""

import subprocess
import sys

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


def test_commands_import_no_more_than_they_need() -> None:
    """In one process: those that need less come first."""
    modules = {name: module for name, (module, _) in commands().items()}
    assert WITH_TORCH <= set(modules) and len(modules) > 20
    light = [name for name in modules if name not in WITH_TORCH]
    code = f"""import gc, sys
from leignn.imports import imported
for names, absent in {
        [
            (light, ["torch", "pytorch_lightning", "torch_geometric"]),
            (sorted(WITH_TORCH - WITH_LIGHTNING), ["pytorch_lightning", "torch_geometric"]),
            (sorted(WITH_LIGHTNING), ["torch_geometric"]),
        ]
    }:
    for name in names:
        assert imported({modules}[name]) is sys.modules[{modules}[name]] and gc.isenabled()
        assert not set(absent) & set(sys.modules), (name, absent)
assert gc.get_freeze_count() > 10 * len(gc.get_objects())"""
    result = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert result.returncode == 0, result.stderr
