"""The line that says how far the workflow is: what it says, where it stands, and that it ends."""

import io
import logging
import os
import pty
import re
import select
import signal
import subprocess
import sys
import time
from functools import partial
from pathlib import Path

import pytest

from leignn import progress
from leignn.progress import ERASE, Bottom, Job, Progress, Reporter, seconds_of

ROOT = Path(__file__).parents[2]


class Clock:
    now = 0.0

    def __call__(self) -> float:
        return self.now


def test_the_line_says_jobs_steps_and_time(tmp_path) -> None:
    (tmp_path / "log").write_text(
        "12 structures\nstep     400  loss 3\nstep     800  loss 2.5 max_steps: 3\n"
    )
    (tmp_path / "config.yaml").write_text("training:\n  evaluate_every: 200\n  max_steps: 1600\n")
    clock = Clock()
    training = Job("train", "Training painn", 1, 300.0, tmp_path / "log", tmp_path / "config.yaml")
    jobs = {1: Job("split", "Splitting", 1, 100.0), 2: training, 3: Job("train", "Training mace", 1, 300.0)}
    found = Progress(jobs, 2, clock)
    assert found.line() == "Progress: 0 of 3 jobs, about 6 min left"  # (100 + 300 + 300) s on two cores
    found.started([1])
    clock.now = 50
    assert found.line() == "Progress: 0 of 3 jobs, about 5 min left: Splitting"
    found.finished(1)
    found.started([2])
    # Twice as fast as the last time.
    assert found.seconds_left() == (150 + 150) / 2
    assert found.line() == "Progress: 1 of 3 jobs, about 2 min left: Training painn (step 800 of 1600)"
    clock.now = 90
    assert found.seconds_left() == 150  # the other training's, which no second core makes shorter
    found.failed(2)  # it will not run any more, or again from the start
    assert "Training painn" not in found.line()
    found.started([3])
    clock.now = 400  # longer than thought: nothing less than nothing is left of it
    assert found.seconds_left() == 150


def test_without_a_last_run_the_time_is_guessed_from_what_was_done() -> None:
    clock = Clock()
    jobs = {n: Job("train", f"Training {n}", 1, None) for n in range(20)} | {20: Job("score", "", 1, None)}
    found = Progress(jobs, 2, clock)
    assert found.seconds_left() is None and "not known yet" in found.line()
    for number, took in ((0, 10), (1, 30)):
        found.started([number])
        clock.now += took
        found.finished(number)
        # Of one rule nothing is known, and hardly anything was done.
        assert found.seconds_left() is None
    found.started([2])
    clock.now += 20
    found.finished(2)
    assert found.seconds_left() == 18 * 20 / 2


def test_a_long_training_is_measured_by_its_own_steps(tmp_path) -> None:
    """Not by the seconds that the small jobs before it took."""
    (tmp_path / "log").write_text("step       0  val\nstep     500  loss 3\n")
    (tmp_path / "config.yaml").write_text("training:\n  max_steps: 40000\n")
    clock = Clock()
    training = Job("train", "Training", 1, None, tmp_path / "log", tmp_path / "config.yaml")
    found = Progress({1: Job("split", "Splitting", 1, None), 2: training}, 1, clock)
    found.started([1])
    clock.now = 2
    found.finished(1)
    found.started([2])
    clock.now = 2 + 15
    assert found.seconds_left() == 15 * 79
    assert found.line() == "Progress: 1 of 2 jobs, about 20 min left: Training (step 500 of 40000)"
    (tmp_path / "log").write_text("step       0  val\n")  # nothing to measure by yet
    assert found.seconds_left() is None


def test_a_job_on_all_cores_counts_for_all_of_them() -> None:
    jobs = {1: Job("build", "", 8, 60.0), 2: Job("train", "", 1, 60.0)}
    assert Progress(jobs, 2, Clock()).seconds_left() == 60 + 30
    jobs[3] = Job("train", "", 1, 60.0)
    assert Progress(jobs, 2, Clock()).seconds_left() == 60 + 60


def test_benchmarks_are_read_as_snakemake_writes_them(tmp_path) -> None:
    (tmp_path / "a.tsv").write_text("s\th:m:s\tmax_rss\n110.52\t0:01:50\t632.16\n")
    (tmp_path / "b.tsv").write_text("s\th:m:s\n")
    assert seconds_of(tmp_path / "a.tsv") == 110.52
    assert seconds_of(tmp_path / "b.tsv") is seconds_of(tmp_path / "none.tsv") is None


def test_what_is_written_stands_above_the_status() -> None:
    inner, outer = pty.openpty()
    with os.fdopen(outer, "w") as terminal:
        bottom = Bottom(terminal)
        bottom.write("one\n")
        bottom.show("status")
        bottom.write("two")
        bottom.show("later")  # not within a line
        bottom.write("\n")
        bottom.show("x" * 1000)
        bottom.show("")
        bottom.flush()
        text = ""
        while "x" + ERASE not in text:
            text += os.read(inner, 10_000).decode().replace("\r\n", "\n")
    os.close(inner)
    assert text.startswith(f"one\nstatus{ERASE}two\nlater{ERASE}xxx") and text.endswith(f"x{ERASE}")
    assert 0 < text.count("x") < 1000  # never more than a line


def test_in_a_log_it_is_a_line_now_and_then_until_it_is_stopped(monkeypatch) -> None:
    monkeypatch.setattr(progress, "LOG", 0.02)
    logger = logging.Logger("snakemake")
    logger.addHandler(handler := logging.StreamHandler(io.StringIO()))
    handler.name = "DefaultStreamHandler"
    reporter = Reporter(Progress({7: Job("split", "Splitting", 1, None)}, 1), logger, "progress")
    reporter.start()
    logger.info("", extra={"event": "job_started", "jobs": [7]})
    deadline = time.monotonic() + 10
    while "Splitting" not in handler.stream.getvalue() and time.monotonic() < deadline:
        time.sleep(0.01)
    logger.info("", extra={"event": "job_finished", "job_id": 7})
    reporter.stop()
    said = handler.stream.getvalue()
    assert "0 of 1 jobs, time left not known yet: Splitting\n" in said and "\r" not in said
    assert reporter.progress.took and not reporter.thread.is_alive() and logger.handlers == [handler]


SNAKEFILE = """
include: "{root}/workflow/rules/slurm.smk"
include: "{root}/workflow/rules/progress.smk"


rule all:
    input: "two"


rule first:
    output: "one"
    message: "Waiting for the first (progress: {{log}})"
    log: "first.log"
    shell: "echo 'step    3  loss' > {{log}}; sleep {seconds}; touch {{output}}"


rule second:
    input: "one"
    output: "two"
    shell: "touch {{output}}"
"""


def on_a_terminal(folder: Path, seconds: int, stop: bool = False) -> tuple[str, int]:
    """What a real Snakemake writes to a terminal, and its exit code; with ``stop`` it is interrupted."""
    (folder / "Snakefile").write_text(SNAKEFILE.format(root=ROOT, seconds=seconds))
    inner, outer = pty.openpty()
    process = subprocess.Popen(
        [sys.executable, "-m", "snakemake", "--cores", "1", "--nocolor"],
        cwd=folder, stdin=outer, stdout=outer, stderr=outer, start_new_session=True,
        env=os.environ | {"PYTHONPATH": str(ROOT)},
        preexec_fn=partial(signal.signal, signal.SIGINT, signal.SIG_DFL),  # not so in the background
    )  # fmt: skip
    os.close(outer)
    text, deadline, sent = "", time.monotonic() + 90, False
    while time.monotonic() < deadline:
        if select.select([inner], [], [], 0.5)[0]:
            try:
                text += os.read(inner, 65_536).decode()
            except OSError:  # closed
                break
        if stop and not sent and "step 3" in text:
            os.killpg(process.pid, signal.SIGINT)  # as a terminal does at Ctrl-C
            sent = True
    code = process.wait(timeout=10)
    os.close(inner)
    with pytest.raises(ProcessLookupError):  # nothing is left of its group
        os.killpg(process.pid, 0)
    return text, code


def test_on_a_terminal_the_line_stays_at_the_bottom_and_goes_with_the_workflow(tmp_path) -> None:
    text, code = on_a_terminal(tmp_path, 3)
    assert code == 0 and (tmp_path / "two").exists()
    assert re.search(
        r"Progress: 0 of 3 jobs, time left not known yet: Waiting for the first \(step 3\)", text
    )
    last = text[text.rindex(ERASE) + len(ERASE) :]
    assert "Progress:" not in last and "Complete log(s)" in last
    written = "\n".join(path.read_text() for path in (tmp_path / ".snakemake" / "log").iterdir())
    assert "Progress:" not in written and re.search("3 of 3 steps", written)


def test_an_interrupt_ends_it(tmp_path) -> None:
    text, code = on_a_terminal(tmp_path, 60, stop=True)
    assert code != 0 and not (tmp_path / "one").exists()
    assert "Progress:" not in text[text.rindex(ERASE) + len(ERASE) :]
