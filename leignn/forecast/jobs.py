"""Which jobs the workflow would run, and which of them a target needs: what Snakemake's dry run says."""

import io
import logging
from collections.abc import Iterable, Mapping
from contextlib import redirect_stderr, redirect_stdout
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from snakemake.api import SnakemakeApi
from snakemake.logging import logger
from snakemake.settings.enums import Quietness
from snakemake.settings.types import (
    ConfigSettings,
    DAGSettings,
    ExecutionSettings,
    OutputSettings,
    ResourceSettings,
    StorageSettings,
)

from leignn.errors import InputError


@dataclass(frozen=True)
class Job:
    """A job that is to be run."""

    rule: str
    wildcards: dict[str, str]
    inputs: tuple[str, ...]
    outputs: tuple[str, ...]
    benchmark: str | None = None  # file that says how long it took the last time


class _Collect(logging.Handler):
    """Keeps the jobs of Snakemake's log."""

    def __init__(self) -> None:
        super().__init__()
        self.jobs: list[Job] = []

    def emit(self, record: logging.LogRecord) -> None:
        said = vars(record)
        if said.get("event") == "job_info":
            self.jobs.append(
                Job(
                    said["rule_name"],
                    dict(said["wildcards"]),
                    tuple(map(str, said["input"])),
                    tuple(map(str, said["output"])),
                    said["benchmark"],
                )
            )


def jobs_to_run(snakefile: Path, user: Mapping[str, Any], targets: Iterable[str]) -> list[Job]:
    """The jobs that Snakemake would run for files, in the working directory.

    Args:
        snakefile: of the workflow.
        user: the workflow's configuration, over its files.
        targets: the files.

    Raises:
        InputError: Snakemake cannot make them.
    """
    collect, said = _Collect(), io.StringIO()
    with redirect_stdout(said), redirect_stderr(said):
        try:
            with SnakemakeApi(OutputSettings(quiet={Quietness.ALL}, dryrun=True)) as snakemake:
                logger.addHandler(collect)
                workflow = snakemake.workflow(
                    resource_settings=ResourceSettings(cores=1),
                    config_settings=ConfigSettings(config=dict(user)),
                    storage_settings=StorageSettings(),
                    snakefile=snakefile,
                )
                dag = workflow.dag(DAGSettings(targets=frozenset(targets)))
                # Without the lock: the workflow of which this is a job holds it.
                dag.execute_workflow("dryrun", execution_settings=ExecutionSettings(lock=False))
        except Exception as error:  # Snakemake's, of many kinds
            raise InputError(f"the workflow cannot be planned: {error}") from error
        finally:
            logger.removeHandler(collect)
    return collect.jobs


def needed(jobs: Iterable[Job], targets: Iterable[str]) -> set[int]:
    """Which of ``jobs``, by their place, are needed to make ``targets``."""
    jobs = list(jobs)
    maker = {output: place for place, job in enumerate(jobs) for output in job.outputs}
    found: set[int] = set()
    wanted = [maker[target] for target in targets if target in maker]
    while wanted:
        place = wanted.pop()
        if place not in found:
            found.add(place)
            wanted += [maker[name] for name in jobs[place].inputs if name in maker]
    return found
