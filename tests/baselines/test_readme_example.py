"""The README's "Add your own model", as a reader would follow it."""

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

from leignn.resources import CHECKOUT as ROOT

COPIED = ("leignn", "baselines", "config", "workflow", "tests", "Snakefile", "pyproject.toml")


def test_own_model_trains_and_passes_every_test(tmp_path) -> None:
    for name in COPIED:
        source = ROOT / name
        if source.is_dir():
            shutil.copytree(source, tmp_path / name, ignore=shutil.ignore_patterns("__pycache__"))
        else:
            shutil.copy(source, tmp_path / name)
    section = (ROOT / "README.md").read_text().split("## Add your own model")[1].split("\n## ")[0]
    blocks = re.findall(r"```(?:python|yaml)\n# (\S+)\n(.*?)```", section, re.DOTALL)
    assert [Path(path).suffix for path, _ in blocks] == [".py", ".yaml"]
    assert sum(text.count("\n") for _, text in blocks) < 40
    for path, text in blocks:
        assert not (tmp_path / path).exists()
        (tmp_path / path).write_text(text)

    tests, workflow = re.search(r"```sh\n(pytest .*)\n(snakemake .*)\n```", section).groups()
    done = run(tests, tmp_path)
    assert done.returncode == 0, done.stdout + done.stderr
    assert "pairs" in tests and re.search(r"^11 passed", done.stdout, re.MULTILINE), done.stdout
    done = run(workflow + " -n", tmp_path)
    assert done.returncode == 0, done.stdout + done.stderr
    assert "Training pairs" in done.stdout


def run(command: str, folder: Path) -> subprocess.CompletedProcess:
    """As typed, but for the processes that pytest would share a few tests between."""
    return subprocess.run(
        [sys.executable, "-m", *command.split()],
        cwd=folder,
        env=os.environ | {"PYTEST_ADDOPTS": "-n 0"},
        capture_output=True,
        text=True,
        timeout=300,
    )
