"""A web server with one file, and the faults of real ones, for the tests of downloads."""

import io
import tarfile
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

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


def names(folder: Path) -> set[str]:
    """What a folder holds."""
    return {path.name for path in folder.iterdir()}
