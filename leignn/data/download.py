"""Fetch one part of a data set: download its tar, verify the checksum, unpack the shards.

The tar is kept beside the part's folder. One put there by hand is verified and used, so that a
machine without network needs nothing else. An interrupted download goes on where it stopped.
"""

import argparse
import hashlib
import shutil
import sys
import tarfile
import time
from pathlib import Path, PurePosixPath
from typing import Any
from urllib.parse import urlsplit

import requests
from tqdm import tqdm

from leignn.data.dataset_config import load_dataset
from leignn.errors import InputError
from leignn.files import replacing_folder

SHARD_SUFFIXES = (".extxyz.xz", ".txt.xz")
CHUNK = 2**20  # bytes
ATTEMPTS = 5  # in a row that bring nothing new
FIRST_DELAY = 1.0  # s, doubled after each such attempt
TRY_LATER = (408, 429)  # the client errors that pass: timeout, too many requests
TIMEOUT = (10, 60)  # s, to connect and between two pieces of data


def fetch_part(part: dict[str, Any], output: Path) -> None:
    """Put the shards of one part into the folder ``output``, which appears when it is whole.

    Args:
        part: url, md5, bytes and unpacked_bytes, from the data set's YAML.
        output: replaced if it exists.

    Raises:
        InputError: no network, too little space, a wrong checksum, or a tar without shards or with
            a path that leaves it.
    """
    tar = output.parent / PurePosixPath(urlsplit(part["url"]).path).name
    output.parent.mkdir(parents=True, exist_ok=True)
    _check_space(part, tar)
    if tar.exists():
        _verify(tar, part["md5"])
    else:
        partial = tar.with_name(f"{tar.name}.part")
        try:
            _download(part, partial)
        except requests.RequestException as error:
            answer = error.response
            reason = type(error).__name__ if answer is None else f"HTTP status {answer.status_code}"
            raise InputError(
                f"{part['url']} could not be downloaded ({reason}): fetch it by other means, "
                f"md5 {part['md5']}, and put it at {tar}"
            ) from error
        _verify(partial, part["md5"])
        partial.rename(tar)
    _unpack(tar, output)


def _check_space(part: dict[str, Any], tar: Path) -> None:
    present = sum(p.stat().st_size for p in tar.parent.glob(f"{tar.name}*"))
    needed = max(part["bytes"] - present, 0) + part["unpacked_bytes"]
    free = shutil.disk_usage(tar.parent).free
    if free < needed:
        raise InputError(
            f"{tar.parent} has {free / 1e9:.1f} GB free, but {tar.name} needs {needed / 1e9:.1f} GB"
        )


def _download(part: dict[str, Any], partial: Path) -> None:
    """Complete ``partial``; a failed attempt is repeated from where it stopped."""
    failures = 0
    while True:
        before = _size(partial)
        try:
            return _download_rest(part, partial)
        except requests.RequestException as error:
            status = None if error.response is None else error.response.status_code
            # Other 4xx: asking again brings the same answer.
            refused = status is not None and status < 500 and status not in TRY_LATER
            failures = 1 if _size(partial) > before else failures + 1
            if refused or failures == ATTEMPTS:
                raise
            time.sleep(FIRST_DELAY * 2 ** (failures - 1))


def _size(path: Path) -> int:
    return path.stat().st_size if path.exists() else 0


def _download_rest(part: dict[str, Any], partial: Path) -> None:
    start = _size(partial)
    headers = {"Accept-Encoding": "identity"}  # ranges count bytes as sent
    if start:
        headers["Range"] = f"bytes={start}-"
    with requests.get(part["url"], headers=headers, stream=True, timeout=TIMEOUT) as response:
        if start and response.status_code == requests.codes.requested_range_not_satisfiable:
            return  # nothing is missing, or the checksum will tell
        response.raise_for_status()
        resumed = response.status_code == requests.codes.partial_content
        content_range = response.headers.get("Content-Range", "")
        if resumed and not content_range.startswith(f"bytes {start}-"):
            raise requests.exceptions.InvalidHeader(f"asked from byte {start}, got {content_range!r}")
        if not resumed:
            start = 0
        progress = tqdm(
            total=start + int(response.headers.get("Content-Length", part["bytes"] - start)),
            initial=start,
            unit="B",
            unit_scale=True,
            desc=partial.name.removesuffix(".part"),
            disable=not sys.stderr.isatty(),
        )
        with partial.open("ab" if resumed else "wb") as file, progress:
            for chunk in response.iter_content(CHUNK):
                file.write(chunk)
                progress.update(len(chunk))


def _verify(path: Path, expected: str) -> None:
    """Remove ``path`` if it has another MD5 than ``expected``, so that a rerun starts over."""
    with path.open("rb") as file:
        found = hashlib.file_digest(file, "md5").hexdigest()
    if found != expected:
        path.unlink()
        raise InputError(
            f"{path} has the md5 {found}, not {expected}; it is removed, run again to fetch it anew"
        )


def _unpack(tar: Path, output: Path) -> None:
    """Write the shards of ``tar``, whatever folders it has, into one folder."""
    with replacing_folder(output) as temporary:
        try:
            with tarfile.open(tar) as archive:
                for member in archive:
                    _unpack_member(archive, member, tar, temporary)
        except (tarfile.TarError, EOFError) as error:
            raise InputError(f"{tar} is no readable tar: {error}") from error
        if not any(temporary.iterdir()):
            raise InputError(f"{tar} holds no shard N{SHARD_SUFFIXES[0]}")


def _unpack_member(archive: tarfile.TarFile, member: tarfile.TarInfo, tar: Path, folder: Path) -> None:
    path = PurePosixPath(member.name)
    if path.is_absolute() or ".." in path.parts:
        raise InputError(f"{tar}: the path {member.name!r} leaves the archive")
    if member.isdir() or not path.name.endswith(SHARD_SUFFIXES):
        return
    if not member.isfile():
        raise InputError(f"{tar}: {member.name!r} is a link or a device, not a file")
    target = folder / path.name
    if target.exists():
        raise InputError(f"{tar}: two files are called {path.name}")
    with archive.extractfile(member) as source, target.open("wb") as file:
        shutil.copyfileobj(source, file, CHUNK)


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--dataset", type=Path, required=True, help="config/datasets/<name>.yaml")
    parser.add_argument("--part", required=True, help="part of the data set")
    parser.add_argument("--output", type=Path, required=True, help="folder for the part's shards")


def main(args: argparse.Namespace) -> None:
    parts = load_dataset(args.dataset)["parts"]
    if args.part not in parts:
        raise InputError(f"{args.dataset} has no part {args.part!r}, only {', '.join(parts)}")
    part = parts[args.part]
    if missing := sorted({"url", "md5", "bytes", "unpacked_bytes"} - set(part)):
        raise InputError(f"{args.dataset}: parts.{args.part} has no {missing[0]}: nothing to download")
    fetch_part(part, args.output)
