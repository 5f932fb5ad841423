"""Importing fairchem-core: quiet, without network, without leaving the stand-in behind."""

import subprocess
import sys
from pathlib import Path

import pytest

from leignn.errors import RunFailedError
from leignn.graph import GraphSpec
from leignn.registry import build_potential

ROOT = Path(__file__).parents[2]

IMPORT = """
import importlib.util, socket, sys

def refuse(*arguments):
    raise AssertionError("network")

socket.socket.connect = refuse
import baselines.painn, baselines.dimenet, baselines.gemnet
for name in ("torch_scatter", "torch_sparse"):
    assert (name in sys.modules) == (importlib.util.find_spec(name) is not None), name
"""


def test_import_is_quiet_and_leaves_no_stand_in() -> None:
    done = subprocess.run([sys.executable, "-c", IMPORT], cwd=ROOT, capture_output=True, text=True)
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")


def test_missing_package_names_its_conda_file(monkeypatch) -> None:
    monkeypatch.delitem(sys.modules, "baselines.painn", raising=False)
    monkeypatch.setitem(sys.modules, "fairchem.core.models.painn.painn", None)  # as if not installed
    with pytest.raises(RunFailedError, match=r"'fairchem'.*workflow/envs/baselines\.yaml"):
        build_potential("baselines.painn:PaiNN", GraphSpec(6.0, 20), {}, "baselines")
    assert (ROOT / "workflow" / "envs" / "baselines.yaml").exists()
