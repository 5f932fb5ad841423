"""A mirror of what scale paper downloads, on this machine, and the configuration of a user who has one."""

import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from hashlib import md5
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import yaml

from tests.workflow.dry_runs import ROOT


@contextmanager
def served(files: dict[str, bytes]) -> Iterator[tuple[str, list[str]]]:
    """Serve files by their address without scheme -> address of the server, what it was asked for so far.

    Nothing is answered with status 202, as by figshare's challenge to scripts.
    """
    asked: list[str] = []

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            place = self.path.removeprefix("/")
            asked.append(place)
            if place not in files:
                return self.send_error(404)
            content = files[place]
            if place.startswith("zenodo.org/api/records/") and content.startswith(b"{"):
                content = content.replace(b"HOST", url.encode())
            self.send_response(200 if content else 202)
            kind = "text/html" if content.startswith(b"<!DOCTYPE") else "application/octet-stream"
            self.send_header("Content-Type", kind)
            self.send_header("Content-Length", str(len(content)))
            self.end_headers()
            self.wfile.write(content)

        def log_message(self, *_) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    url = f"http://127.0.0.1:{server.server_port}"
    threading.Thread(target=server.serve_forever, daemon=True).start()
    try:
        yield url, asked
    finally:
        server.shutdown()
        server.server_close()


def zenodo_record(number: int, files: dict[str, bytes]) -> dict[str, bytes]:
    """A record and its files, as Zenodo's API answers (developers.zenodo.org, "Records"; addresses are
    without host: the server puts itself there)."""
    base = f"zenodo.org/api/records/{number}"
    entries = [
        {
            "key": name,
            "size": len(content),
            "checksum": f"md5:{md5(content).hexdigest()}",
            "links": {"self": f"HOST/{base}/files/{name}/content"},
        }
        for name, content in files.items()
    ]
    contents = {f"{base}/files/{name}/content": content for name, content in files.items()}
    return {base: json.dumps({"id": number, "files": entries}).encode()} | contents


def write_configuration(folder: Path, url: str, files: dict[str, bytes]) -> None:
    """What a user writes who has a mirror: the files that name downloads, with its addresses.

    Sizes and checksums are those of what it has. Splits that are counted have fewer frames than published,
    since every model predicts 6 001 of LiPS, and is fitted to 950 of a molecule.
    """
    config = folder / "config"
    (config / "datasets").mkdir(parents=True)
    for name in ("archives.yaml", "datasets/oc20_200k.yaml", "datasets/lips.yaml", "datasets/md17.yaml"):
        content = _at_mirror(yaml.safe_load((ROOT / "config" / name).read_text()), url, files)
        if name == "datasets/lips.yaml":
            content["splits"] |= {"test": 12, "validation": 8}
        if name == "datasets/md17.yaml":
            content["splits"]["counts"] |= {"train": 16, "val": 4}
        (config / name).write_text(yaml.safe_dump(content))


def place_of(address: str) -> str:
    """Where the mirror has an address: below its host's name."""
    return address.partition("://")[2]


def _at_mirror(value: Any, url: str, files: dict[str, bytes]) -> Any:
    if isinstance(value, list):
        return [_at_mirror(item, url, files) for item in value]
    if isinstance(value, str) and "://" in value:
        return f"{url}/{place_of(value)}"
    if not isinstance(value, dict):
        return value
    found = {key: _at_mirror(item, url, files) for key, item in value.items()}
    if "zenodo" in found:
        found["api"] = f"{url}/zenodo.org/api/records"
    if "url" in found:
        places = [value["url"], *(place for place in value.get("mirrors", []) if isinstance(place, str))]
        contents = [files.get(place_of(place), b"") for place in places]
        content = max(contents, key=len)
        found |= {key: len(content) for key in ("bytes", "unpacked_bytes") if key in found}
        found |= {"md5": md5(content).hexdigest()} if "md5" in found else {}
    return found
