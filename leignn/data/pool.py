"""Work on chunks of files in several processes, in order."""

from collections import deque
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from multiprocessing import get_context
from typing import Any, Protocol, TypeVar

from leignn.data.structure import Structure
from leignn.errors import InputError


class Chunk(Protocol):
    """A part of a file."""

    file: str


C = TypeVar("C", bound=Chunk)


def in_pool(
    work: Callable[..., list[Structure]], chunks: Iterator[C], workers: int, *args: Any
) -> Iterator[list[Structure]]:
    """Yield ``work(chunk, *args)`` in order; twice as many chunks as workers are in flight.

    Workers are spawned: a fork server listens at a socket below TMPDIR, whose path may have 107 bytes.

    Raises:
        InputError: what ``work`` raises; a process died at it, as libraries in C do at damaged files.
    """
    with ProcessPoolExecutor(workers, mp_context=get_context("spawn")) as pool:
        pending: deque[tuple[str, Future]] = deque()

        def first() -> list[Structure]:
            file, future = pending.popleft()
            try:
                return future.result()
            except BrokenProcessPool as error:
                raise InputError(
                    f"{file}: the process that read it died: it is damaged, or the memory is full"
                ) from error

        try:
            for chunk in chunks:
                pending.append((chunk.file, pool.submit(work, chunk, *args)))
                if len(pending) >= 2 * workers:
                    yield first()
            while pending:
                yield first()
        finally:
            for _, future in pending:
                future.cancel()
