"""Processes forked from one that has imported the packages of others, which takes a second of CPU.

None of ours: a process takes the library from the project that it runs in. A session has one such server.
"""

import multiprocessing
import os
import sys
from pathlib import Path
from subprocess import CompletedProcess, TimeoutExpired
from tempfile import TemporaryDirectory

SERVER = multiprocessing.get_context("forkserver")
SERVER.set_forkserver_preload(
    ["snakemake.cli", "snakemake.report", "jsonschema", "smart_open", "yte", "ase.io.extxyz", "ase.db"]
)
SECONDS = 300


def snakemake(arguments: list[str], folder: Path) -> CompletedProcess:
    """As ``python -m snakemake`` with these arguments in a folder; what it writes is captured."""
    with TemporaryDirectory() as captured:
        written = [Path(captured, name) for name in ("output", "errors")]
        process = SERVER.Process(target=_main, args=(arguments, folder, dict(os.environ), written))
        process.start()
        process.join(SECONDS)
        if process.is_alive():
            process.kill()
            raise TimeoutExpired(arguments, SECONDS)
        return CompletedProcess(arguments, process.exitcode, *(path.read_text() for path in written))


def _main(arguments: list[str], folder: Path, environment: dict[str, str], written: list[Path]) -> None:
    for stream, path in zip((sys.stdout, sys.stderr), written, strict=True):
        with open(path, "w") as opened:
            os.dup2(opened.fileno(), stream.fileno())
    os.chdir(folder)
    os.environ.clear()
    os.environ.update(environment)
    sys.path.insert(0, str(folder))
    sys.argv = ["snakemake", *arguments]

    from snakemake.cli import main

    main()
