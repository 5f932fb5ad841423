"""Files of a Zenodo record, from a server on this machine that answers as Zenodo's API does."""

import hashlib
import io
import json
import zipfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest
import yaml

from leignn.cli import main
from tests.workflow.mirror import served, zenodo_record


def zip_of(files: dict[str, bytes]) -> bytes:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        for name, content in files.items():
            archive.writestr(name, content)
    return buffer.getvalue()


FILES = {
    "a_iso17.zip": zip_of({"ISO17/reference.db": b"db"}),
    "md.zip": zip_of({"md/H2O/vasprun.xml": b"water", "md/CH4/vasprun.xml": b"methane", "md/readme": b""}),
    "README.md": b"what CH4 and H2O are",
    "lips.xyz": b"1\nenergy=0\nLi 0 0 0\n",
    "CH4.zip": zip_of({"CH4/train/data.0000.lmdb": b"pickles"}),
}


API = "zenodo.org/api/records"


@dataclass
class Zenodo:
    """The server: its address, and what it was asked for, in order."""

    url: str
    asked: list[str]


@pytest.fixture
def zenodo(monkeypatch) -> Iterator[Zenodo]:
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")
    with served(zenodo_record(7, FILES) | {f"{API}/8": b'{"id": 8}'}) as (url, asked):
        yield Zenodo(url, asked)


def fetch(folder: Path, zenodo: Zenodo, record: int, member: str) -> int:
    """Run the command -> exit code."""
    mine = {"zenodo": record, "members": [member], "api": f"{zenodo.url}/{API}"}
    (folder / "archives.yaml").write_text(yaml.safe_dump({"mine": mine}))
    arguments = ["--archives", str(folder / "archives.yaml"), "--archive", "mine"]
    return main(["download", *arguments, "--output", str(folder / "raw" / "mine")])


def test_the_archive_that_has_the_member_is_found(zenodo, tmp_path) -> None:
    """Archives named after the folder first, then the others in the record's order."""
    assert fetch(tmp_path, zenodo, 7, "CH4/vasprun.xml") == 0
    assert zenodo.asked == [
        f"{API}/7",
        f"{API}/7/files/CH4.zip/content",
        f"{API}/7/files/a_iso17.zip/content",
        f"{API}/7/files/md.zip/content",
    ]
    assert (tmp_path / "raw" / "mine" / "vasprun.xml").read_bytes() == b"methane"
    record = json.loads((tmp_path / "raw" / "mine" / "download.json").read_text())
    assert record["md5"] == hashlib.md5(FILES["md.zip"]).hexdigest() and record["md5_published"]
    # The archives are kept: another member needs no further download.
    assert fetch(tmp_path, zenodo, 7, "H2O/vasprun.xml") == 0
    assert (tmp_path / "raw" / "mine" / "vasprun.xml").read_bytes() == b"water"
    assert zenodo.asked[4:] == [f"{API}/7"]


@pytest.mark.parametrize(
    ("record", "member", "words"),
    [
        (7, "NH3/vasprun.xml", "none of the files of Zenodo's record 7 holds NH3/vasprun.xml: a_iso17.zip"),
        (8, "CH4/vasprun.xml", "records/8 lists no files in the form that is known: 'files'"),
        (9, "CH4/vasprun.xml", "records/9 could not be read (HTTPError)"),
    ],
)
def test_what_the_record_lacks_is_one_sentence(zenodo, tmp_path, capsys, record, member, words) -> None:
    assert fetch(tmp_path, zenodo, record, member) == 2
    assert words in capsys.readouterr().err
    assert not (tmp_path / "raw" / "mine").exists()


def test_a_damaged_archive_is_not_taken(zenodo, tmp_path, capsys) -> None:
    (tmp_path / "raw").mkdir()
    (tmp_path / "raw" / "CH4.zip").write_bytes(b"half of it")
    assert fetch(tmp_path, zenodo, 7, "CH4/vasprun.xml") == 2
    assert "has the md5" in capsys.readouterr().err


def test_a_file_of_the_record_can_be_what_is_wanted(zenodo, tmp_path) -> None:
    assert fetch(tmp_path, zenodo, 7, "lips.xyz") == 0
    assert (tmp_path / "raw" / "mine" / "lips.xyz").read_bytes() == FILES["lips.xyz"]
    assert zenodo.asked == [f"{API}/7", f"{API}/7/files/lips.xyz/content"]


def test_a_record_can_be_a_mirror(zenodo, tmp_path) -> None:
    record = {"zenodo": 7, "members": ["lips.xyz"], "api": f"{zenodo.url}/{API}"}
    mine = {"url": f"{zenodo.url}/gone", "file": "lips.xyz", "bytes": 20, "mirrors": [record]}
    (tmp_path / "archives.yaml").write_text(yaml.safe_dump({"mine": mine}))
    arguments = ["--archives", str(tmp_path / "archives.yaml"), "--archive", "mine"]
    assert main(["download", *arguments, "--output", str(tmp_path / "raw" / "mine")]) == 0
    assert zenodo.asked == ["gone", f"{API}/7", f"{API}/7/files/lips.xyz/content"]
    assert (tmp_path / "raw" / "mine" / "lips.xyz").read_bytes() == FILES["lips.xyz"]
