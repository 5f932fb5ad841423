"""What tabulates or plots files does not wait for torch."""

import subprocess
import sys

import pytest

from leignn.cli import commands

TRAINED = {"plot-graphs", "plot-architecture", "plot-messages"}  # they run a trained model
LIGHT = {"build-table", "check-claims", "render-page", *(c for c in commands() if c.startswith("plot-"))}


@pytest.mark.parametrize("command", sorted(LIGHT - TRAINED))
def test_no_torch(command) -> None:
    code = f"import sys, {commands()[command][0]}; sys.exit('torch' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code]).returncode == 0
