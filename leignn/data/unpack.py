"""Unpack a downloaded archive into one folder, and see that a file which is none can be opened."""

import functools
import shutil
import stat
import tarfile
import zipfile
import zlib
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from fnmatch import fnmatch
from pathlib import Path, PurePosixPath
from typing import IO

from leignn.errors import InputError

CHUNK = 2**20  # bytes
WEB_PAGES = (b"<!doctype html", b"<html")  # how they begin, in small letters


class MemberMissingError(InputError):
    """An archive lacks a file that is wanted from it."""


@dataclass(frozen=True)
class _Member:
    """What an archive says of one of its files, and how to read it."""

    name: str
    folder: bool
    regular: bool
    open: Callable[[], IO[bytes]]


class UnreadableError(InputError):
    """What was downloaded is not what was wanted: a web page, or a file that does not open."""


def check_plain(file: Path) -> None:
    """See that a file which is no archive is neither empty nor a web page, and a NumPy archive whole.

    Raises:
        UnreadableError: it is.
    """
    with file.open("rb") as content:
        start = content.read(512).lstrip().lower()
    if not start:
        raise UnreadableError(f"{file} is empty")
    if start.startswith(WEB_PAGES):
        raise UnreadableError(f"{file} is a web page, not the data")
    if file.name.removesuffix(".part").endswith(".npz"):
        try:
            with zipfile.ZipFile(file) as archive:
                if (damaged := archive.testzip()) is not None:
                    raise UnreadableError(f"{file}: {damaged} is damaged")
        except (zipfile.BadZipFile, EOFError, zlib.error) as error:
            raise UnreadableError(f"{file} is no NumPy archive: {error}") from error


def unpack(file: Path, members: list[str], folder: Path) -> None:
    """Write the members of a tar or zip, whatever folders it has, into one folder.

    Args:
        file: the archive.
        members: names, with * and ?, or ends of paths; each has to match at least one file.
        folder: exists; nothing is written outside of it.

    Raises:
        MemberMissingError: nothing in the archive matches a member.
        UnreadableError: it is no archive, or a cut one.
        InputError: a path leaves the folder, a member is a link, or two have one name.
    """
    check_plain(file)
    try:
        for member in _contents(file):
            _unpack_member(member, members, file, folder)
    except (tarfile.TarError, zipfile.BadZipFile, EOFError, OSError, zlib.error) as error:
        if isinstance(error, OSError) and error.errno is not None:  # the disk's, not a bad stream's
            raise
        raise UnreadableError(f"{file} is no readable archive: {error}") from error
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
