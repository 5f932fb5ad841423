import bz2
import hashlib
import io
import json
import shutil
import socket
import subprocess
import sys
import tarfile
import threading
from collections.abc import Iterator
from dataclasses import dataclass, field
from fnmatch import fnmatch
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import numpy as np
import pytest
import yaml

from leignn.cli import main
from leignn.config.archive import Archives, ZenodoRecord
from leignn.config.dataset import Archived, dataset_names, load_dataset
from leignn.data import download
from leignn.files import read_json
from leignn.resources import CONFIG

NAME = "shards.tar"
SHARDS = {
    "0.extxyz.xz": np.random.default_rng(0).bytes(3_000_000),
    "0.txt.xz": b"labels of shard 0",
}


def tar_of(files: dict[str, bytes]) -> bytes:
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w") as archive:
        for name, content in files.items():
            member = tarfile.TarInfo(name)
            member.size = len(content)
            archive.addfile(member, io.BytesIO(content))
    return buffer.getvalue()


# Nested folders and a README, as in Open Catalyst's tars.
TAR = tar_of({f"a/a/{name}": text for name, text in SHARDS.items()} | {"a/README.txt": b"read"})


@dataclass
class Server:
    """A web server with one file, and the faults of real ones."""

    content: bytes = TAR
    knows_ranges: bool = True
    cuts: int = 0  # answers still to break off half-way
    failures: int = 0  # answers still to be failure_status
    failure_status: int = 503
    success_status: int = 200
    content_type: str | None = None
    shifts: int = 0  # partial answers still to start at the wrong byte
    ranges: list[str | None] = field(default_factory=list)  # asked for, in order
    url: str = ""


@pytest.fixture
def server() -> Iterator[Server]:
    state = Server()

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            wanted = self.headers["Range"]
            state.ranges.append(wanted)
            if self.path.partition("?")[0] != f"/{NAME}":
                return self.send_error(404)
            if state.failures:
                state.failures -= 1
                return self.send_error(state.failure_status)
            start = 0
            if wanted and state.knows_ranges:
                start = int(wanted.removeprefix("bytes=").removesuffix("-"))
                if start >= len(state.content):
                    return self.send_error(416)
            self.send_response(206 if start else state.success_status)
            if state.content_type:
                self.send_header("Content-Type", state.content_type)
            if start and state.shifts:
                state.shifts -= 1
                start -= 1000
            body = state.content[start:]
            if start:
                size = len(state.content)
                self.send_header("Content-Range", f"bytes {start}-{size - 1}/{size}")
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            if state.cuts:
                state.cuts -= 1
                body = body[: len(body) // 2]
            self.wfile.write(body)

        def log_message(self, *_) -> None:
            pass

    http = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    threading.Thread(target=http.serve_forever, daemon=True).start()
    state.url = f"http://127.0.0.1:{http.server_port}/{NAME}"
    yield state
    http.shutdown()
    http.server_close()


@pytest.fixture(autouse=True)
def short_delays(monkeypatch):
    monkeypatch.setattr(download, "FIRST_DELAY", 0.01)


@pytest.fixture
def fetch(tmp_path, server, monkeypatch):
    """Run the command on a data set that differs from OC20-200K in its URL only; -> exit code."""
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")

    def run(part: str = "train", **changes) -> int:
        dataset = yaml.safe_load((CONFIG / "datasets/oc20_200k.yaml").read_text())
        dataset["parts"]["train"] |= {
            "url": server.url,
            "md5": hashlib.md5(server.content).hexdigest(),
            "bytes": len(server.content),
            "unpacked_bytes": len(server.content),
        } | changes
        path = tmp_path / "served.yaml"
        path.write_text(yaml.safe_dump(dataset))
        output = tmp_path / "raw" / "train"
        return main(["download", "--dataset", str(path), "--part", part, "--output", str(output)])

    return run


@pytest.fixture
def raw(tmp_path) -> Path:
    return tmp_path / "raw"


def names(folder: Path) -> set[str]:
    return {path.name for path in folder.iterdir()}


def assert_unpacked(raw: Path) -> None:
    assert names(raw) == {NAME, "train"}
    files = {path.name: path.read_bytes() for path in (raw / "train").iterdir()}
    assert json.loads(files.pop("download.json"))["md5"] == hashlib.md5(TAR).hexdigest()
    assert files == SHARDS


def test_download_and_unpack(fetch, raw, server):
    assert fetch() == 0
    assert_unpacked(raw)
    assert server.ranges == [None]


def test_query_is_no_part_of_the_name(fetch, raw, server):
    assert fetch(url=f"{server.url}?download=1") == 0
    assert_unpacked(raw)


def test_rerun_uses_the_tar_that_is_there(fetch, raw, server):
    assert fetch() == 0
    shutil.rmtree(raw / "train")
    assert fetch() == 0
    assert_unpacked(raw)
    assert len(server.ranges) == 1


def test_cut_connection_goes_on_where_it_stopped(fetch, raw, server):
    server.cuts = 1
    assert fetch() == 0
    assert_unpacked(raw)
    assert server.ranges[0] is None and len(server.ranges) == 2
    start = int(server.ranges[1].removeprefix("bytes=").removesuffix("-"))
    assert 1_000_000 < start <= len(TAR) // 2


def test_server_without_ranges_starts_over(fetch, raw, server):
    server.cuts, server.knows_ranges = 1, False
    assert fetch() == 0
    assert_unpacked(raw)
    assert len(server.ranges) == 2


def test_killed_download_goes_on(fetch, raw, server):
    raw.mkdir()
    (raw / f"{NAME}.part").write_bytes(TAR[:12345])
    assert fetch() == 0
    assert_unpacked(raw)
    assert server.ranges == ["bytes=12345-"]


def test_killed_before_the_checksum(fetch, raw, server):
    raw.mkdir()
    (raw / f"{NAME}.part").write_bytes(TAR)
    assert fetch() == 0
    assert_unpacked(raw)


def test_each_attempt_that_brings_something_counts_as_success(fetch, raw, server, monkeypatch):
    monkeypatch.setattr(download, "CHUNK", 2**10)
    server.cuts = 2 * download.ATTEMPTS
    assert fetch() == 0
    assert_unpacked(raw)
    assert len(server.ranges) == 2 * download.ATTEMPTS + 1


def test_answer_from_the_wrong_byte_is_not_appended(fetch, raw, server):
    raw.mkdir()
    (raw / f"{NAME}.part").write_bytes(TAR[:12345])
    server.shifts = 2
    assert fetch() == 0
    assert_unpacked(raw)
    assert server.ranges == ["bytes=12345-"] * 3


@pytest.mark.parametrize("status", [429, 503])
def test_server_error_is_repeated(fetch, raw, server, status):
    server.failures, server.failure_status = 2, status
    assert fetch() == 0
    assert_unpacked(raw)


def test_missing_file_is_not_asked_for_twice(fetch, raw, server, capsys):
    assert fetch(url=server.url.replace(NAME, "gone.tar")) == 2
    assert "404" in capsys.readouterr().err
    assert len(server.ranges) == 1


def test_wrong_checksum(fetch, raw, server, capsys):
    assert fetch(md5="0" * 32) == 2
    message = capsys.readouterr().err
    assert message.count("\n") == 1
    for part in (str(raw / NAME), "0" * 32, hashlib.md5(TAR).hexdigest()):
        assert part in message
    assert names(raw) == set()
    assert fetch() == 0
    assert_unpacked(raw)


def test_offline_tells_what_to_fetch(fetch, raw, capsys):
    with socket.socket() as closed:
        closed.bind(("127.0.0.1", 0))
        url = f"http://127.0.0.1:{closed.getsockname()[1]}/{NAME}"
    assert fetch(url=url) == 2
    message = capsys.readouterr().err
    assert message.count("\n") == 1
    for part in (url, hashlib.md5(TAR).hexdigest(), str(raw / NAME)):
        assert part in message
    assert names(raw) == set()
    # Done as told:
    (raw / NAME).write_bytes(TAR)
    assert fetch(url=url) == 0
    assert_unpacked(raw)


def test_damaged_tar_put_by_hand(fetch, raw, server, capsys):
    raw.mkdir()
    (raw / NAME).write_bytes(TAR[:-1])
    assert fetch() == 2
    assert str(raw / NAME) in capsys.readouterr().err
    assert fetch() == 0
    assert_unpacked(raw)


def test_no_space(fetch, raw, server, capsys, monkeypatch):
    usage = shutil.disk_usage(Path.cwd())
    monkeypatch.setattr(download.shutil, "disk_usage", lambda _: usage._replace(free=int(1.9 * len(TAR))))
    assert fetch() == 2
    message = capsys.readouterr().err
    assert str(raw) in message and "0.0 GB" in message
    assert not server.ranges and names(raw) == set()


@pytest.mark.parametrize("name", ["../0.extxyz.xz", "/tmp/0.extxyz.xz", "a/../../0.txt.xz"])
def test_path_that_leaves_the_archive(fetch, raw, server, capsys, name):
    server.content = tar_of({"0.txt.xz": b"", name: b"evil"})
    assert fetch() == 2
    message = capsys.readouterr().err
    assert NAME in message and name in message
    assert names(raw) == {NAME}
    assert names(raw.parent) == {"raw", "served.yaml"}


def test_link_in_the_archive(fetch, raw, server, capsys):
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w") as archive:
        member = tarfile.TarInfo("0.extxyz.xz")
        member.type, member.linkname = tarfile.SYMTYPE, "/etc/passwd"
        archive.addfile(member)
    server.content = buffer.getvalue()
    assert fetch() == 2
    assert "0.extxyz.xz" in capsys.readouterr().err
    assert names(raw) == {NAME}


def test_what_opens_as_no_archive_is_not_kept(fetch, raw, server, capsys):
    server.content = b"neither tar nor zip" * 100
    assert fetch() == 2
    message = capsys.readouterr().err
    assert str(raw / NAME) in message and "no readable archive" in message
    assert names(raw) == set()


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        (tar_of({"README.txt": b""}), "holds no *.extxyz.xz"),
        (tar_of({"a/0.txt.xz": b"", "b/0.txt.xz": b""}), "two files are called 0.txt.xz"),
    ],
)
def test_tar_without_the_data(fetch, raw, server, capsys, content, reason):
    server.content = content
    assert fetch() == 2
    message = capsys.readouterr().err
    assert str(raw / NAME) in message and reason in message
    assert names(raw) == {NAME}


def test_unknown_part(fetch, capsys):
    assert fetch(part="tarin") == 2
    assert "'tarin'" in capsys.readouterr().err


def test_part_that_is_not_downloaded(tmp_path, capsys):
    dataset = str(CONFIG / "datasets/oc20_standin.yaml")
    output = str(tmp_path / "train")
    assert main(["download", "--dataset", dataset, "--part", "train", "--output", output]) == 2
    assert "nothing to download" in capsys.readouterr().err
    assert not list(tmp_path.iterdir())


def archive(server: Server, folder: Path, **changes) -> int:
    """Run the command on an archive of the server's content -> exit code."""
    entry = {"url": server.url, "file": "kept.tar.bz2", "bytes": len(server.content)} | changes
    (folder / "archives.yaml").write_text(yaml.safe_dump({"mine": entry}))
    arguments = ["--archives", str(folder / "archives.yaml"), "--archive", "mine"]
    return main(["download", *arguments, "--output", str(folder / "raw" / "mine")])


@pytest.fixture
def compressed(server, monkeypatch) -> Server:
    """As rMD17 is published: two kinds of members in a tar.bz2 with more than is wanted."""
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")
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
