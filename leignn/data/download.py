"""Fetch a file and unpack it: one part of a data set, or an archive of which several are made.

The file is kept beside the folder it is unpacked to. One put there by hand is verified and used, so
that a machine without network needs nothing else. An interrupted download goes on where it stopped.
"""

import argparse
import hashlib
import shutil
import sys
import time
from pathlib import Path

import requests
from tqdm import tqdm

from leignn.arguments import output_folder
from leignn.config.archive import Archives, Download, ZenodoRecord
from leignn.config.dataset import DATASET_HELP, ShardedPart, load_dataset
from leignn.data.unpack import MemberMissingError, UnreadableError, check_plain, unpack
from leignn.data.zenodo import TIMEOUT, files_of
from leignn.errors import InputError
from leignn.files import replacing_folder, write_json
from leignn.lock import in_turn

CHUNK = 2**20  # bytes
ATTEMPTS = 5  # in a row that bring nothing new
FIRST_DELAY = 1.0  # s, doubled after each such attempt
TRY_LATER = (408, 429)  # the client errors that pass: timeout, too many requests
ANSWERS = (requests.codes.ok, requests.codes.partial_content)  # that bring a file


class UnavailableError(InputError):
    """A file cannot be had from one place; there may be another."""


class _NoFileError(requests.RequestException):
    """The server answers, but not with a file."""


def fetch(source: Download | ZenodoRecord, output: Path) -> None:
    """Fill the folder ``output`` from a download; it appears when it is whole.

    Beside the files it gets ``download.json``: where they come from, and the MD5 that was found.

    Args:
        source: where it is, and what of it is wanted. Its mirrors are asked in order.
        output: replaced if it exists.

    Raises:
        InputError: no network, too little space, a wrong checksum, a web page in place of the file,
            or an archive that lacks members or has a path that leaves it.
    """
    places = [source] if isinstance(source, ZenodoRecord) else source.places()
    problems = []
    for place in places:
        try:
            if isinstance(place, ZenodoRecord):
                return _fetch_from_zenodo(place, output)
            return _fetch_file(place, output)
        except UnavailableError as error:
            problems.append(str(error))
            if place is not places[-1]:
                print(f"{error}; trying the next place", flush=True)
    raise InputError("; ".join(problems))


def _fetch_file(source: Download, output: Path) -> None:
    file = output.parent / source.name
    output.parent.mkdir(parents=True, exist_ok=True)
    with in_turn(file):  # several data sets are made of one archive
        _check_space(source, file)
        present = file.exists()
        if present:
            found = _verify(file, source)
        else:
            partial = file.with_name(f"{file.name}.part")
            _download(source, partial, file)
            found = _verify(partial, source)
            partial.rename(file)
        record = {"url": source.url, "md5": found, "md5_published": source.md5 is not None}
        try:
            with replacing_folder(output) as temporary:
                if source.members is not None:
                    unpack(file, source.members, temporary)
                else:
                    check_plain(file)
                    shutil.copy(file, temporary)
                write_json(temporary / "download.json", record)
        except UnreadableError as error:
            if present:
                raise InputError(f"{error}: remove it, and run again to fetch it anew") from error
            file.unlink()
            raise UnavailableError(f"{error}: {_by_hand(source, file)}") from error


def _by_hand(source: Download, file: Path) -> str:
    checksum = f", md5 {source.md5}," if source.md5 else ""
    return f"fetch {source.url} by other means{checksum} and put it at {file}"


def _check_space(source: Download, file: Path) -> None:
    present = sum(p.stat().st_size for p in file.parent.glob(f"{file.name}*"))
    needed = max(source.bytes - present, 0) + (source.unpacked_bytes or source.bytes)
    free = shutil.disk_usage(file.parent).free
    if free < needed:
        raise InputError(
            f"{file.parent} has {free / 1e9:.1f} GB free, but {file.name} needs {needed / 1e9:.1f} GB"
        )


def _download(source: Download, partial: Path, file: Path) -> None:
    """Complete ``partial``; a failed attempt is repeated from where it stopped."""
    failures = 0
    while True:
        before = _size(partial)
        try:
            return _download_rest(source, partial)
        except requests.RequestException as error:
            status = None if error.response is None else error.response.status_code
            # Other 4xx, and answers that are no file: asking again brings the same.
            refused = status is not None and status < 500 and status not in TRY_LATER
            failures = 1 if _size(partial) > before else failures + 1
            if refused or failures == ATTEMPTS:
                raise UnavailableError(f"{_reason(error, source)}: {_by_hand(source, file)}") from error
            time.sleep(FIRST_DELAY * 2 ** (failures - 1))


def _reason(error: requests.RequestException, source: Download) -> str:
    if isinstance(error, _NoFileError):
        return str(error)
    answer = error.response
    reason = type(error).__name__ if answer is None else f"HTTP status {answer.status_code}"
    return f"{source.url} could not be downloaded ({reason})"


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
        page = response.headers.get("Content-Type", "").startswith("text/html")
        if response.status_code not in ANSWERS or page:
            what = "with a web page" if page else f"with HTTP status {response.status_code}"
            message = f"{source.url} answers {what} in place of the file"
            raise _NoFileError(message, response=response)
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
        raise UnavailableError(
            f"{path} has the md5 {found}, not {source.md5}; it is removed, run again to fetch it anew"
        )
    return found


def _fetch_from_zenodo(record: ZenodoRecord, output: Path) -> None:
    """Fill the folder with the members of the first file of a Zenodo record that has them."""
    try:
        sources = files_of(record)
    except InputError as error:
        raise UnavailableError(str(error)) from error
    for source in sources:
        try:
            return _fetch_file(source, output)
        except MemberMissingError as error:
            print(f"{error}; looking further", flush=True)
    names = ", ".join(source.name for source in sources) or "no archives"
    raise UnavailableError(
        f"none of the files of Zenodo's record {record.zenodo} holds {record.members[0]}: {names}"
    )


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
        return fetch(Archives.load_named(args.archive, args.archives), args.output)
    parts = load_dataset(args.dataset).parts
    if args.part not in parts:
        raise InputError(f"{args.dataset} has no part {args.part!r}, only {', '.join(parts)}")
    part = parts[args.part]
    if not isinstance(part, ShardedPart) or part.url is None:
        raise InputError(f"{args.dataset}: parts.{args.part} has no url: nothing to download")
    fetch(part.tar, args.output)
