"""One writer of a folder."""

import multiprocessing
from pathlib import Path

import pytest

from leignn.errors import InputError
from leignn.lock import only_writer


def hold(folder: Path, held, let_go) -> None:
    with only_writer(folder):
        held.set()
        let_go.wait(60)


def test_the_second_is_refused_until_the_first_has_ended(tmp_path) -> None:
    """And neither leaves anything behind."""
    context = multiprocessing.get_context("spawn")
    held, let_go = context.Event(), context.Event()
    folder = tmp_path / "new" / "run"
    process = context.Process(target=hold, args=(folder, held, let_go))
    process.start()
    assert held.wait(60)
    with pytest.raises(InputError, match=f"{folder} is being written to by process {process.pid} on "):
        with only_writer(folder):
            pass
    let_go.set()
    process.join()
    assert not folder.exists()
    with only_writer(folder):
        (folder / "result").touch()
    assert [path.name for path in folder.iterdir()] == ["result"]


def test_a_file_is_no_folder(tmp_path) -> None:
    (tmp_path / "file").touch()
    for folder in (tmp_path / "file", tmp_path / "file" / "below"):
        with pytest.raises(InputError, match="cannot be written to"), only_writer(folder):
            pass
