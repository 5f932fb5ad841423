"""Files of a Zenodo record, from a server on this machine that answers as Zenodo's API does."""

import hashlib
import io
import json
import threading
import zipfile
from collections.abc import Iterator
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest
import yaml

from leignn.cli import main


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


@dataclass
class Zenodo:
    """The server: its address, and the paths that it was asked for, in order."""

    url: str = ""
    asked: list[str] = field(default_factory=list)


@pytest.fixture
def served(monkeypatch) -> Iterator[Zenodo]:
    state = Zenodo()

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            state.asked.append(self.path)
            if self.path == "/records/7":
                files = [
                    {
                        "key": name,
                        "size": len(content),
                        "checksum": f"md5:{hashlib.md5(content).hexdigest()}",
                        "links": {"self": f"{state.url}/files/{name}/content"},
                    }
                    for name, content in FILES.items()
                ]
                answer = json.dumps({"id": 7, "files": files}).encode()
            elif self.path == "/records/8":
                answer = b'{"id": 8}'
            elif self.path.startswith("/files/"):
                answer = FILES[self.path.split("/")[2]]
            else:
                return self.send_error(404)
            self.send_response(200)
            self.send_header("Content-Length", str(len(answer)))
            self.end_headers()
            self.wfile.write(answer)

        def log_message(self, *_) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    state.url = f"http://127.0.0.1:{server.server_port}"
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield state
    server.shutdown()


def fetch(folder: Path, served: Zenodo, record: int, member: str) -> int:
    """Run the command -> exit code."""
    mine = {"zenodo": record, "members": [member], "api": f"{served.url}/records"}
    (folder / "archives.yaml").write_text(yaml.safe_dump({"mine": mine}))
    arguments = ["--archives", str(folder / "archives.yaml"), "--archive", "mine"]
    return main(["download", *arguments, "--output", str(folder / "raw" / "mine")])


def test_the_archive_that_has_the_member_is_found(served, tmp_path) -> None:
    """Archives named after the folder first, then the others in the record's order."""
    assert fetch(tmp_path, served, 7, "CH4/vasprun.xml") == 0
    assert served.asked == [
        "/records/7",
        "/files/CH4.zip/content",
        "/files/a_iso17.zip/content",
        "/files/md.zip/content",
    ]
    assert (tmp_path / "raw" / "mine" / "vasprun.xml").read_bytes() == b"methane"
    record = json.loads((tmp_path / "raw" / "mine" / "download.json").read_text())
    assert record["md5"] == hashlib.md5(FILES["md.zip"]).hexdigest() and record["md5_published"]
    # The archives are kept: another member needs no further download.
    assert fetch(tmp_path, served, 7, "H2O/vasprun.xml") == 0
    assert (tmp_path / "raw" / "mine" / "vasprun.xml").read_bytes() == b"water"
    assert served.asked[4:] == ["/records/7"]


@pytest.mark.parametrize(
    ("record", "member", "words"),
    [
        (7, "NH3/vasprun.xml", "none of the files of Zenodo's record 7 holds NH3/vasprun.xml: a_iso17.zip"),
        (8, "CH4/vasprun.xml", "records/8 lists no files in the form that is known: 'files'"),
        (9, "CH4/vasprun.xml", "records/9 could not be read (HTTPError)"),
    ],
)
def test_what_the_record_lacks_is_one_sentence(served, tmp_path, capsys, record, member, words) -> None:
    assert fetch(tmp_path, served, record, member) == 2
    assert words in capsys.readouterr().err
    assert not (tmp_path / "raw" / "mine").exists()


def test_a_damaged_archive_is_not_taken(served, tmp_path, capsys) -> None:
    (tmp_path / "raw").mkdir()
    (tmp_path / "raw" / "CH4.zip").write_bytes(b"half of it")
    assert fetch(tmp_path, served, 7, "CH4/vasprun.xml") == 2
    assert "has the md5" in capsys.readouterr().err


def test_a_file_of_the_record_can_be_what_is_wanted(served, tmp_path) -> None:
    assert fetch(tmp_path, served, 7, "lips.xyz") == 0
    assert (tmp_path / "raw" / "mine" / "lips.xyz").read_bytes() == FILES["lips.xyz"]
    assert served.asked == ["/records/7", "/files/lips.xyz/content"]


def test_a_record_can_be_a_mirror(served, tmp_path) -> None:
    record = {"zenodo": 7, "members": ["lips.xyz"], "api": f"{served.url}/records"}
    mine = {"url": f"{served.url}/gone", "file": "lips.xyz", "bytes": 20, "mirrors": [record]}
    (tmp_path / "archives.yaml").write_text(yaml.safe_dump({"mine": mine}))
    arguments = ["--archives", str(tmp_path / "archives.yaml"), "--archive", "mine"]
    assert main(["download", *arguments, "--output", str(tmp_path / "raw" / "mine")]) == 0
    assert served.asked == ["/gone", "/records/7", "/files/lips.xyz/content"]
    assert (tmp_path / "raw" / "mine" / "lips.xyz").read_bytes() == FILES["lips.xyz"]
