"""Parts of data sets downloaded: resumed, repeated, verified, unpacked."""

import hashlib
import io
import json
import shutil
import socket
import tarfile
from pathlib import Path

import pytest
import yaml

from leignn.cli import main
from leignn.data import download
from leignn.resources import CONFIG
from tests.leignn.data.served import NAME, SHARDS, TAR, names, tar_of

pytestmark = pytest.mark.usefixtures("short_delays")


@pytest.fixture
def fetch(tmp_path, server, monkeypatch):
    """Run the command on a data set that differs from OC20-200K in its URL only; -> exit code."""

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
