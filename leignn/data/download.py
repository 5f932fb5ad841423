"""Fetch a file and unpack it: one part of a data set, or an archive of which several are made.

The file is kept beside the folder it is unpacked to. One put there by hand is verified and used, so
that a machine without network needs nothing else. An interrupted download goes on where it stopped.
"""

import argparse
import functools
import hashlib
import json
import shutil
import stat
import sys
import tarfile
import time
import zipfile
import zlib
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from fnmatch import fnmatch
from pathlib import Path, PurePosixPath
from typing import IO

import requests
from tqdm import tqdm

from leignn.arguments import output_folder
from leignn.config.archive import Archives, Download, ZenodoRecord
from leignn.config.dataset import DATASET_HELP, ShardedPart, load_dataset
from leignn.data.zenodo import TIMEOUT, files_of
from leignn.errors import InputError
from leignn.files import replacing_folder

CHUNK = 2**20  # bytes
ATTEMPTS = 5  # in a row that bring nothing new
FIRST_DELAY = 1.0  # s, doubled after each such attempt
TRY_LATER = (408, 429)  # the client errors that pass: timeout, too many requests


class MemberMissingError(InputError):
    """An archive lacks a file that is wanted from it."""


@dataclass(frozen=True)
class _Member:
    """What an archive says of one of its files, and how to read it."""

    name: str
    folder: bool
    regular: bool
    open: Callable[[], IO[bytes]]


def fetch(source: Download, output: Path) -> None:
    """Fill the folder ``output`` from a download; it appears when it is whole.

    Beside the files it gets ``download.json``: where they come from, and the MD5 that was found.

    Args:
        source: where it is, and what of it is wanted.
        output: replaced if it exists.

    Raises:
        InputError: no network, too little space, a wrong checksum, or an archive that lacks members
            or has a path that leaves it.
    """
    file = output.parent / source.name
    output.parent.mkdir(parents=True, exist_ok=True)
    _check_space(source, file)
    if file.exists():
        found = _verify(file, source)
    else:
        partial = file.with_name(f"{file.name}.part")
        try:
            _download(source, partial)
        except requests.RequestException as error:
            answer = error.response
            reason = type(error).__name__ if answer is None else f"HTTP status {answer.status_code}"
            checksum = f", md5 {source.md5}," if source.md5 else ""
            raise InputError(
                f"{source.url} could not be downloaded ({reason}): fetch it by other means"
                f"{checksum} and put it at {file}"
            ) from error
        found = _verify(partial, source)
        partial.rename(file)
    record = {"url": source.url, "md5": found, "md5_published": source.md5 is not None}
    with replacing_folder(output) as temporary:
        if source.members is not None:
            _unpack(file, source.members, temporary)
        else:
            shutil.copy(file, temporary)
        (temporary / "download.json").write_text(json.dumps(record, indent=1), encoding="utf-8")


def _check_space(source: Download, file: Path) -> None:
    present = sum(p.stat().st_size for p in file.parent.glob(f"{file.name}*"))
    needed = max(source.bytes - present, 0) + (source.unpacked_bytes or source.bytes)
    free = shutil.disk_usage(file.parent).free
    if free < needed:
        raise InputError(
            f"{file.parent} has {free / 1e9:.1f} GB free, but {file.name} needs {needed / 1e9:.1f} GB"
        )


def _download(source: Download, partial: Path) -> None:
    """Complete ``partial``; a failed attempt is repeated from where it stopped."""
    failures = 0
    while True:
        before = _size(partial)
        try:
            return _download_rest(source, partial)
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


def _download_rest(source: Download, partial: Path) -> None:
    start = _size(partial)
    headers = {"Accept-Encoding": "identity"}  # ranges count bytes as sent
    if start:
        headers["Range"] = f"bytes={start}-"
    with requests.get(source.url, headers=headers, stream=True, timeout=TIMEOUT) as response:
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
            total=start + int(response.headers.get("Content-Length", source.bytes - start)),
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


def _verify(path: Path, source: Download) -> str:
    """MD5 of ``path``, which is removed if it is not the published one, so that a rerun starts over."""
    with path.open("rb") as file:
        found = hashlib.file_digest(file, "md5").hexdigest()
    if found != (source.md5 or found):
        path.unlink()
        raise InputError(
            f"{path} has the md5 {found}, not {source.md5}; it is removed, run again to fetch it anew"
        )
    return found


def _unpack(file: Path, members: list[str], folder: Path) -> None:
    """Write the members of a tar or zip, whatever folders it has, into one folder."""
    try:
        for member in _contents(file):
            _unpack_member(member, members, file, folder)
    except (tarfile.TarError, zipfile.BadZipFile, EOFError, OSError, zlib.error) as error:
        if isinstance(error, OSError) and error.errno is not None:  # the disk's, not a bad stream's
            raise
        raise InputError(f"{file} is no readable archive: {error}") from error
    names = [path.name for path in folder.iterdir()]
    wanted = [PurePosixPath(member).name for member in members]
    if missing := [member for member in wanted if not any(fnmatch(name, member) for name in names)]:
        raise MemberMissingError(f"{file} holds no {missing[0]}")


def _contents(file: Path) -> Iterator[_Member]:
    if zipfile.is_zipfile(file):
        with zipfile.ZipFile(file) as archive:
            for info in archive.infolist():
                regular = not stat.S_ISLNK(info.external_attr >> 16)
                yield _Member(info.filename, info.is_dir(), regular, functools.partial(archive.open, info))
        return
    with tarfile.open(file) as archive:
        for entry in archive:
            opened = functools.partial(archive.extractfile, entry)  # None only for what is no file
            yield _Member(entry.name, entry.isdir(), entry.isfile(), opened)  # type: ignore[arg-type]


def _unpack_member(member: _Member, members: list[str], file: Path, folder: Path) -> None:
    path = PurePosixPath(member.name)
    if path.is_absolute() or ".." in path.parts:
        raise InputError(f"{file}: the path {member.name!r} leaves the archive")
    # A pattern with folders is held against the end of the path, one without against the name.
    ends = [f"*/{pattern}" if "/" in pattern else pattern for pattern in members]
    names = [f"/{path}" if "/" in pattern else path.name for pattern in members]
    if member.folder or not any(map(fnmatch, names, ends)):
        return
    if not member.regular:
        raise InputError(f"{file}: {member.name!r} is a link or a device, not a file")
    target = folder / path.name
    if target.exists():
        raise InputError(f"{file}: two files are called {path.name}")
    with member.open() as content, target.open("wb") as output:
        shutil.copyfileobj(content, output, CHUNK)


def fetch_from_zenodo(record: int, members: list[str], output: Path) -> None:
    """Fill the folder ``output`` with ``members`` of the first archive of a Zenodo record that has them.

    Raises:
        InputError: as :func:`fetch`, or no archive of the record has them.
    """
    sources = files_of(record, members)
    for source in sources:
        try:
            return fetch(source, output)
        except MemberMissingError as error:
            print(f"{error}; looking further", flush=True)
    names = ", ".join(source.name for source in sources)
    raise InputError(f"none of the files of Zenodo's record {record} holds {members[0]}: {names}")


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--dataset", help=f"{DATASET_HELP}; with --part")
    parser.add_argument("--part", help="part of the data set")
    parser.add_argument("--archives", type=Path, help="config/archives.yaml, with --archive")
    parser.add_argument("--archive", help="name of an archive in that file")
    parser.add_argument("--output", type=output_folder, required=True, help="folder to fill")


def main(args: argparse.Namespace) -> None:
    if bool(args.dataset and args.part) == bool(args.archives and args.archive):
        raise InputError("give --dataset and --part, or --archives and --archive")
    if args.archives:
        source = Archives.load_named(args.archive, args.archives)
        if isinstance(source, ZenodoRecord):
            return fetch_from_zenodo(source.zenodo, source.members, args.output)
        return fetch(source, args.output)
    parts = load_dataset(args.dataset).parts
    if args.part not in parts:
        raise InputError(f"{args.dataset} has no part {args.part!r}, only {', '.join(parts)}")
    part = parts[args.part]
    if not isinstance(part, ShardedPart) or part.url is None:
        raise InputError(f"{args.dataset}: parts.{args.part} has no url: nothing to download")
    fetch(part.tar, args.output)
