"""How a run that cannot be trained is recorded, so that the other rows of a table are still built."""

import argparse
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from leignn.errors import RunFailedError


def add_argument(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--record-failure",
        action="store_true",
        help="if the run fails (loss NaN, package missing), write that into the output and exit with 0",
    )


@contextmanager
def recorded(enabled: bool, record: Callable[[str], None]) -> Iterator[None]:
    """Hand a :class:`RunFailedError` of the block to ``record``, if ``enabled``; else let it pass."""
    try:
        yield
    except RunFailedError as failure:
        if not enabled:
            raise
        print(f"this run failed: {failure}", file=sys.stderr, flush=True)
        record(str(failure))
