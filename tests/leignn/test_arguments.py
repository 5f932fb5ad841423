"""Arguments that cannot be used: every command that has them, one sentence, exit code 2."""

import argparse
import importlib
import os
import subprocess
import sys
from pathlib import Path

import pytest
import torch

from leignn import arguments, cli

WRONG = {
    "usable_device": ["gpu", "cuda:99", "CPU", "cuda:x", ""],
    "repeatable_device": ["gpu", "cuda:99", "CPU", "cuda:x", ""],
    "non_negative": ["-1", "1.5", "many", str(2**64)],
    "positive": ["0", "-1", "1.5", "many"],
    "output_folder": ["{file}", "{file}/below/it"],
    "output_file": ["{folder}", "{file}/below"],
}
if not torch.cuda.is_available():
    for name in ("usable_device", "repeatable_device"):
        WRONG[name].append("cuda")
NAMES = {
    "device",
    "threads",
    "seed",
    "seeds",
    "frame",
    "batch-size",
    "processes",
    "workers",
    "count",
    "output",
}


def options() -> list[tuple[str, str, str]]:
    """Command, option and the name of its type."""
    found = []
    for command, (module, _) in cli.commands().items():
        parser = argparse.ArgumentParser()
        importlib.import_module(module).add_arguments(parser)
        for action in parser._actions:
            name = getattr(action.type, "__name__", "")
            if action.option_strings and (action.option_strings[0][2:] in NAMES or name in WRONG):
                found.append((command, action.option_strings[0], name))
    return found


def test_every_such_option_of_every_command_has_a_type_of_ours() -> None:
    found = options()
    assert len(found) > 50
    assert [option for option in found if option[2] not in WRONG] == []


@pytest.mark.parametrize(("command", "option", "kind"), options())
def test_one_sentence(command, option, kind, tmp_path, capsys) -> None:
    (tmp_path / "file").write_text("mine")
    for value in WRONG[kind]:
        value = value.format(file=tmp_path / "file", folder=tmp_path)
        assert cli.main([command, option, value]) == 2
        error = capsys.readouterr().err
        assert error.startswith(f"leignn {command}: error: argument {option}: ")
        assert error.count("\n") == 1
    assert (tmp_path / "file").read_text() == "mine"


def test_what_can_be_used(tmp_path) -> None:
    assert arguments.usable_device("cpu") == "cpu"
    assert arguments.usable_device("auto") == ("cuda" if torch.cuda.is_available() else "cpu")
    assert (arguments.non_negative("0"), arguments.positive("3")) == (0, 3)
    assert arguments.output_folder(str(tmp_path)) == tmp_path
    assert arguments.output_file(str(tmp_path / "new" / "a.csv")) == tmp_path / "new" / "a.csv"


def test_help_on_a_terminal_in_ascii() -> None:
    """Of all commands, in one process: those with Å and Nosé among them."""
    code = (
        "from leignn import cli\n"
        "for command in [None, *cli.commands()]:\n"
        "    try: cli.main([command, '--help'] if command else ['--help'])\n"
        "    except SystemExit as end: assert end.code == 0, command\n"
    )
    environment = os.environ | {"PYTHONIOENCODING": "ascii", "LC_ALL": "C", "PYTHONUTF8": "0"}
    done = subprocess.run(
        [sys.executable, "-c", code], env=environment, capture_output=True, cwd=Path(__file__).parents[2]
    )
    assert done.returncode == 0, done.stderr.decode()
    assert b"Nos\\xe9" in done.stdout
