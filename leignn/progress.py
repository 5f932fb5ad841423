"""How far the workflow is, in one line: jobs, what is at work at which step, how long it will still take.

``workflow/rules/progress.smk`` starts it with the workflow and stops it; it lives in Snakemake's process.
On a terminal the line stays at the bottom, in a log it is written once a minute.
"""

import logging
import os
import re
import threading
import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path
from statistics import mean
from typing import TextIO

TERMINAL, LOG = 1.0, 60.0
EARLY = 0.1  # share of jobs done, below which times that nothing is known of are not guessed
ERASE = "\r\033[K"
STEP = re.compile(r"^step +(\d+)", re.MULTILINE)
MAX_STEPS = re.compile(r"^ *max_steps: (\d+)$", re.MULTILINE)


@dataclass(frozen=True)
class Job:
    """A job that is to be run.

    ``log`` may say at which step it is, ``config`` of how many.
    """

    rule: str
    words: str
    threads: int
    seconds: float | None  # that it took the last time
    log: Path | None = None
    config: Path | None = None

    def steps(self) -> tuple[int | None, int | None]:
        """The step it is at, and of how many; None where nothing says so."""
        steps = STEP.findall(_text(self.log))
        most = MAX_STEPS.search(_text(self.config))
        return (int(steps[-1]) if steps else None), (int(most[1]) if most else None)

    def step(self) -> str:
        """`` (step 800 of 1600)``; "" where the log says none."""
        at, most = self.steps()
        return "" if at is None else f" (step {at}{f' of {most}' if most else ''})"


def _text(path: Path | None) -> str:
    try:
        return path.read_text(encoding="utf-8", errors="replace") if path else ""
    except OSError:
        return ""


def seconds_of(benchmark: Path) -> float | None:
    """What a benchmark file of Snakemake says that a job took; None if there is none."""
    try:
        return float(benchmark.read_text(encoding="utf-8").splitlines()[1].split("\t")[0])
    except (OSError, IndexError, ValueError):
        return None


class Progress:
    """Knows which jobs are running and done."""

    def __init__(self, jobs: dict[int, Job], cores: int, clock: Callable[[], float] = time.monotonic) -> None:
        self.jobs, self.cores, self.clock = jobs, cores, clock
        self.began = clock()
        self.running: dict[int, float] = {}  # since when
        self.took: dict[int, float] = {}

    def started(self, jobs: Iterable[int]) -> None:
        self.running |= dict.fromkeys((job for job in jobs if job in self.jobs), self.clock())

    def finished(self, job: int) -> None:
        if (since := self.running.pop(job, None)) is not None:
            self.took[job] = self.clock() - since

    def failed(self, job: int) -> None:
        self.running.pop(job, None)

    def line(self) -> str:
        """Without a line break."""
        left = self.seconds_left()
        when = "time left not known yet" if left is None else f"about {_duration(left)} left"
        at_work = "; ".join(self.jobs[job].words + self.jobs[job].step() for job in list(self.running))
        return f"Progress: {len(self.took)} of {len(self.jobs)} jobs, {when}" + (
            f": {at_work}" if at_work else ""
        )

    def seconds_left(self) -> float | None:
        """By what the jobs took the last time, at this run's speed; else by the steps it has made, or by
        what others took now.

        Others of the same rule, if some are done, else all. Jobs are taken to fill the cores, but for the
        longest: no job is shared among them.
        None where it is too early to say.
        """
        known = [(self.took[job], self.jobs[job].seconds) for job in self.took]
        before = sum(last for _, last in known if last is not None)
        now = sum(took for took, last in known if last is not None)
        speed = now / before if before > 10 else 1.0  # of seconds, not of moments
        total, longest, guessed = 0.0, 0.0, False
        for number, job in self.jobs.items():
            if number in self.took:
                continue
            elapsed = self.clock() - self.running.get(number, self.clock())
            at, most = job.steps() if elapsed else (None, None)
            if job.seconds is not None:
                expected = speed * job.seconds
            elif at and most:  # at most: a training may stop early
                expected = elapsed * most / at
            else:
                own = [took for other, took in self.took.items() if self.jobs[other].rule == job.rule]
                if not (others := own or list(self.took.values())):
                    return None
                expected, guessed = mean(others), guessed or not own
                if elapsed > expected and not own:  # the guess was wrong
                    return None
            left = max(expected - elapsed, 0.0)
            total, longest = total + left * min(job.threads, self.cores), max(longest, left)
        if guessed and len(self.took) < EARLY * len(self.jobs):
            return None
        return max(total / self.cores, longest)


def _duration(seconds: float) -> str:
    if seconds < 90:
        return f"{max(round(seconds / 5), 1) * 5} s"
    return f"{seconds / 60:.0f} min" if seconds < 5400 else f"{seconds / 3600:.1f} h"


class Bottom:
    """A terminal whose last line is a status: what is written stands above it.

    Takes the place of a logging handler's stream.
    """

    def __init__(self, terminal: TextIO) -> None:
        self.terminal, self.lock = terminal, threading.RLock()
        self.status, self.visible, self.within_line = "", False, False

    def write(self, text: str) -> int:
        with self.lock:
            if self.visible:
                self.terminal.write(ERASE)
            written = self.terminal.write(text)
            self.within_line = not text.endswith("\n")
            self._draw()
            return written

    def show(self, status: str) -> None:
        """Replace the status, cut to the terminal's width; "" removes it."""
        with self.lock:
            if self.visible:
                self.terminal.write(ERASE)
            width = os.get_terminal_size(self.terminal.fileno()).columns or 80  # 0: not known
            self.status = status[: width - 1]
            self._draw()
            self.terminal.flush()

    def _draw(self) -> None:
        self.visible = bool(self.status) and not self.within_line
        if self.visible:
            self.terminal.write(self.status)

    def flush(self) -> None:
        self.terminal.flush()

    def isatty(self) -> bool:
        return True


class Reporter(logging.Handler):
    """Follows Snakemake's log and shows the line, beside what Snakemake itself writes.

    Args:
        progress: of the workflow.
        logger: Snakemake's.
        quietness: with which a record says that it is of progress, for those who asked for quiet.
    """

    def __init__(self, progress: Progress, logger: logging.Logger, quietness: object) -> None:
        super().__init__()
        self.progress, self.logger, self.extra = progress, logger, {"quietness": quietness}
        self.ended = threading.Event()
        self.thread = threading.Thread(target=self._report, daemon=True)  # ends with the process
        self.bottom: Bottom | None = None
        self.screen: logging.StreamHandler | None = None
        found = [h for h in logger.handlers if isinstance(h, logging.StreamHandler) and h.name]
        for handler in found:
            wanted = handler.filter(logging.makeLogRecord(self.extra))
            if handler.name == "DefaultStreamHandler" and handler.stream.isatty() and wanted:
                self.screen, self.bottom = handler, Bottom(handler.stream)

    def start(self) -> None:
        """Begin to show the line."""
        if self.screen and self.bottom:
            self.screen.setStream(self.bottom)
        self.logger.addHandler(self)
        self.thread.start()

    def stop(self) -> None:
        """Show it no longer, and leave everything as it was."""
        self.ended.set()
        self.thread.join()
        self.logger.removeHandler(self)
        if self.screen and self.bottom:
            self.bottom.show("")
            self.screen.setStream(self.bottom.terminal)

    def emit(self, record: logging.LogRecord) -> None:
        said = vars(record)
        match said.get("event"):
            case "job_started":
                self.progress.started(said["jobs"])
            case "job_finished":
                self.progress.finished(said["job_id"])
            case "job_error":
                self.progress.failed(said["jobid"])

    def _report(self) -> None:
        while not self.ended.wait(TERMINAL if self.bottom else LOG):
            line = self.progress.line()
            if self.bottom:
                self.bottom.show(line)
            else:
                self.logger.info(line, extra=self.extra)
