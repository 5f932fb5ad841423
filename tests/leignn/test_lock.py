"""One writer of a folder."""

import subprocess
import sys

import pytest

from leignn.errors import InputError
from leignn.lock import only_writer

HOLD = """
import sys
from pathlib import Path
from leignn.lock import only_writer
with only_writer(Path(sys.argv[1])):
    print("held", flush=True)
    input()
"""


@pytest.mark.parametrize("end", ["told", "killed"])
def test_the_second_is_refused_until_the_first_has_ended(tmp_path, end) -> None:
    """And neither leaves anything behind."""
    folder = tmp_path / "new" / "run"
    command = [sys.executable, "-c", HOLD, str(folder)]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as other:
        assert other.stdout.readline() == "held\n"
        with pytest.raises(InputError, match=f"{folder} is being written to by process {other.pid} on "):
            with only_writer(folder):
                pass
        if end == "killed":
            other.kill()
        else:
            other.communicate("\n")
    assert folder.exists() == (end == "killed")
    with only_writer(folder):
        (folder / "result").touch()
    assert [path.name for path in folder.iterdir()] == ["result"]


def test_a_file_is_no_folder(tmp_path) -> None:
    (tmp_path / "file").touch()
    for folder in (tmp_path / "file", tmp_path / "file" / "below"):
        with pytest.raises(InputError, match="cannot be written to"), only_writer(folder):
            pass
