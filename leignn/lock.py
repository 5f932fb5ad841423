"""One process at a time writes to a folder that is continued or appended to, or to a file that is shared."""

import errno
import fcntl
import os
import platform
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TextIO

from leignn.errors import InputError

NAME = ".lock"
INTERVAL = 0.5  # s, between two looks at a lock that is waited for
UNSUPPORTED = (errno.ENOLCK, errno.ENOSYS, errno.EOPNOTSUPP)


class _HeldError(Exception):
    """Another process, which the message names, holds a lock."""


@contextmanager
def only_writer(folder: Path) -> Iterator[None]:
    """Keep other processes from ``folder``, which is made, until the block ends.

    The system drops the lock of a process that is killed; its file is then taken over. Threads and
    forks of one process do not exclude each other.

    Raises:
        InputError: another process, which is named, holds the folder; or it cannot be one.
    """
    existed = folder.exists()
    try:
        folder.mkdir(parents=True, exist_ok=True)
        file = _locked(folder / NAME)
    except _HeldError as error:
        raise InputError(f"{folder} is being written to by {error}: wait for it or stop it") from error
    except (FileExistsError, NotADirectoryError, PermissionError) as error:
        raise InputError(f"{folder} cannot be written to: {error.strerror}") from error
    try:
        yield
    finally:
        (folder / NAME).unlink(missing_ok=True)
        file.close()
        if not existed and not any(folder.iterdir()):
            folder.rmdir()


@contextmanager
def in_turn(path: Path) -> Iterator[None]:
    """Keep other processes from the file ``path``, whose folder exists, and wait for one that has it."""
    lock = path.with_name(f".{path.name}.lock")
    waited = False
    while True:
        try:
            file = _locked(lock)
            break
        except _HeldError as holder:
            if not waited:
                print(f"{path} is being written by {holder}: waiting", flush=True)
            waited = True
            time.sleep(INTERVAL)
    try:
        yield
    finally:
        lock.unlink(missing_ok=True)
        file.close()


def _locked(path: Path) -> TextIO:
    while True:
        file = open(path, "a+", encoding="utf-8", errors="replace")
        try:
            # Not flock, which forked loaders of data would hold on after a kill.
            fcntl.lockf(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError as error:
            if error.errno in UNSUPPORTED:
                print(f"warning: {path.parent} has no locks: let nothing else write there", file=sys.stderr)
                return file
            if error.errno not in (errno.EACCES, errno.EAGAIN):
                raise
            file.seek(0)
            holder = file.read().strip() or "another process"
            file.close()
            raise _HeldError(holder) from error
        if path.exists() and os.path.samestat(os.fstat(file.fileno()), path.stat()):
            break
        file.close()  # the one before has just removed it
    file.truncate(0)
    file.write(f"process {os.getpid()} on {platform.node()} ({' '.join(sys.argv)})\n")
    file.flush()
    return file
