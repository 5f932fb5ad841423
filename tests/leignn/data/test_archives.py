"""Archives of which several data sets are made: members, mirrors, and what is no file."""

import bz2
import hashlib
import io
import json
import shutil
import subprocess
import sys
from fnmatch import fnmatch
from pathlib import Path

import numpy as np
import pytest
import yaml

from leignn.cli import main
from leignn.config.archive import Archives, ZenodoRecord
from leignn.config.dataset import Archived, dataset_names, load_dataset
from leignn.files import read_json
from leignn.resources import CONFIG
from tests.leignn.data.served import NAME, Server, names, tar_of

pytestmark = pytest.mark.usefixtures("short_delays")


def archive(server: Server, folder: Path, **changes) -> int:
    """Run the command on an archive of the server's content -> exit code."""
    entry = {"url": server.url, "file": "kept.tar.bz2", "bytes": len(server.content)} | changes
    (folder / "archives.yaml").write_text(yaml.safe_dump({"mine": entry}))
    arguments = ["--archives", str(folder / "archives.yaml"), "--archive", "mine"]
    return main(["download", *arguments, "--output", str(folder / "raw" / "mine")])


@pytest.fixture
def compressed(server, monkeypatch) -> Server:
    """As rMD17 is published: two kinds of members in a tar.bz2 with more than is wanted."""
    files = {"r/npz/a.npz": b"a", "r/npz/b.npz": b"b", "r/splits/index_01.csv": b"1", "r/readme.txt": b""}
    server.content = bz2.compress(tar_of(files))
    return server


LACKING = {"members": ["*.npz", "index_*_01.csv"], "unpacked_bytes": 10}
WANTED = {"members": ["*.npz", "index_0?.csv"], "unpacked_bytes": 10}


def test_archive_of_which_members_are_wanted(compressed, raw, tmp_path, capsys):
    assert archive(compressed, tmp_path, **WANTED) == 0
    assert names(raw) == {"kept.tar.bz2", "mine"}
    assert names(raw / "mine") == {"a.npz", "b.npz", "index_01.csv", "download.json"}
    found = read_json(raw / "mine" / "download.json")
    md5 = hashlib.md5(compressed.content).hexdigest()
    assert found == {"url": compressed.url, "md5": md5, "md5_published": False}
    shutil.rmtree(raw / "mine")
    assert archive(compressed, tmp_path, **LACKING) == 2
    assert "holds no index_*_01.csv" in capsys.readouterr().err
    assert names(raw) == {"kept.tar.bz2"}


def test_file_that_is_no_archive_is_kept_as_it_is(compressed, raw, tmp_path):
    buffer = io.BytesIO()
    np.savez(buffer, E=np.arange(3.0))
    compressed.content = buffer.getvalue()
    assert archive(compressed, tmp_path, file="md17.npz") == 0
    assert (raw / "mine" / "md17.npz").read_bytes() == compressed.content


def test_cut_archive_without_a_published_checksum(compressed, raw, tmp_path, capsys):
    raw.mkdir()
    (raw / "kept.tar.bz2").write_bytes(compressed.content[:-20])
    assert archive(compressed, tmp_path, **WANTED) == 2
    assert "kept.tar.bz2 is no readable archive" in capsys.readouterr().err
    assert names(raw) == {"kept.tar.bz2"}


@pytest.mark.parametrize(
    ("status", "content_type", "content", "words"),
    [
        (202, None, b"", "answers with HTTP status 202 in place of the file"),
        (202, "text/html", b"<html>challenge</html>", "answers with a web page in place of the file"),
        (200, "text/html; charset=UTF-8", b"<!DOCTYPE html>", "answers with a web page in place"),
        (200, None, b"", "md17.npz is empty"),
        (200, None, b"\n<!DOCTYPE HTML><p>moved", "md17.npz is a web page, not the data"),
        (200, None, b"PK of another kind", "md17.npz is no NumPy archive"),
    ],
)
def test_what_is_no_file_is_never_kept(
    compressed, raw, tmp_path, capsys, status, content_type, content, words
):
    """As figshare answers scripts: an empty 202; and as a site that has moved answers everybody."""
    compressed.success_status, compressed.content_type, compressed.content = status, content_type, content
    assert archive(compressed, tmp_path, file="md17.npz", bytes=1000) == 2
    message = capsys.readouterr().err
    assert words in message and compressed.url in message and str(raw / "md17.npz") in message
    assert message.count("\n") == 1 and names(raw) == set()


def test_damaged_npz_is_not_kept(compressed, raw, tmp_path, capsys):
    buffer = io.BytesIO()
    np.savez(buffer, E=np.arange(1000.0))
    content = bytearray(buffer.getvalue())
    content[2000] ^= 1
    compressed.content = bytes(content)
    assert archive(compressed, tmp_path, file="md17.npz") == 2
    assert "E.npy is damaged" in capsys.readouterr().err
    assert names(raw) == set()


def test_file_kept_by_an_earlier_version_is_not_trusted(compressed, raw, tmp_path, capsys):
    raw.mkdir()
    (raw / "md17.npz").touch()
    assert archive(compressed, tmp_path, file="md17.npz") == 2
    assert "md17.npz is empty: remove it, and run again" in capsys.readouterr().err


def test_mirrors_are_asked_in_order(compressed, raw, tmp_path, capsys):
    urls = [compressed.url.replace(NAME, name) for name in ("gone", "moved", NAME, "never")]
    assert archive(compressed, tmp_path, url=urls[0], mirrors=urls[1:], **WANTED) == 0
    assert names(raw) == {"kept.tar.bz2", "mine"}
    assert json.loads((raw / "mine" / "download.json").read_text())["url"] == compressed.url
    assert len(compressed.ranges) == 3
    output = capsys.readouterr().out
    assert f"{urls[0]} could not be downloaded (HTTP status 404)" in output and urls[1] in output


def test_every_mirror_that_fails_is_named(compressed, raw, tmp_path, capsys):
    urls = [compressed.url.replace(NAME, name) for name in ("gone", "moved")]
    assert archive(compressed, tmp_path, url=urls[0], mirrors=urls[1:], **WANTED) == 2
    message = capsys.readouterr().err
    assert all(url in message for url in urls) and message.count("\n") == 1


def test_two_processes_share_one_download(compressed, raw, tmp_path):
    """As water and methane, members of one archive: one downloads, the other waits and takes the file."""
    compressed.content = bz2.compress(tar_of({"a.npz": b"a", "b": np.random.default_rng(0).bytes(5_000_000)}))
    entry = {"url": compressed.url, "file": "kept.tar.bz2", "bytes": len(compressed.content)}
    wanted = {"members": ["*.npz"], "unpacked_bytes": 10}
    (tmp_path / "archives.yaml").write_text(yaml.safe_dump({"one": entry | wanted, "two": entry | wanted}))
    command = [sys.executable, "-m", "leignn", "download", "--archives", str(tmp_path / "archives.yaml")]
    running = [
        subprocess.Popen([*command, "--archive", name, "--output", str(raw / name)])
        for name in ("one", "two")
    ]
    assert [process.wait(timeout=60) for process in running] == [0, 0]
    assert compressed.ranges == [None]
    assert names(raw) == {"kept.tar.bz2", "one", "two"}
    assert names(raw / "one") == names(raw / "two") == {"a.npz", "download.json"}


def test_archives_of_the_project_are_described_soundly(tmp_path, capsys):
    path = CONFIG / "archives.yaml"
    archived = [d for d in map(load_dataset, dataset_names()) if isinstance(d.source, Archived)]
    assert len(archived) == 24
    for dataset in archived:
        source = Archives.load_named(dataset.source.archive, path)
        patterns = [Path(member).name for member in source.members or [source.name]]
        assert isinstance(source, ZenodoRecord) or all(place.members for place in source.places()[1:])
        for part in dataset.parts.values():
            for wanted in (part.path, getattr(part, "frames", None) or part.path):
                assert any(fnmatch(wanted, pattern) for pattern in patterns), (dataset.name, wanted)
    arguments = ["--archives", str(path), "--archive", "qm9", "--output", str(tmp_path / "x")]
    assert main(["download", *arguments]) == 2
    assert "has no 'qm9'" in capsys.readouterr().err
