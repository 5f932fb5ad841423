"""Time and memory of a function: contestants take turns, the device is waited for, each turn warms up."""

import gc
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import torch


@dataclass(frozen=True)
class Timing:
    """Seconds of one call: median, quartiles, least, and the median's standard error over ``repeats``."""

    median: float
    low: float
    high: float
    best: float
    error: float
    repeats: int

    @classmethod
    def of(cls, seconds: Sequence[float]) -> "Timing":
        """Of several calls; quartiles, since a call that the machine interrupts takes any time.

        The error is that of a normal distribution with the quartiles' distance R, 0.93 R / √n (McGill, Tukey
        and Larsen, The American Statistician 32, 12, 1978: 1.25 R / (1.35 √n)); of one call not known (NaN).
        """
        median, low, high, best = np.quantile(seconds, [0.5, 0.25, 0.75, 0]).tolist()
        count = len(seconds)
        error = 1.25 * (high - low) / (1.35 * np.sqrt(count)) if count > 1 else np.nan
        return cls(median, low, high, best, float(error), count)


def synchronise(device: str) -> None:
    """Wait until ``device`` has finished what was asked of it."""
    if device == "cuda":
        torch.cuda.synchronize()


def interleaved(
    functions: Mapping[str, Callable[[], object]],
    device: str,
    least: int,
    most: int,
    seconds: float,
    in_a_row: int = 1,
    begin: Callable[[str], object] | None = None,
    finish: Callable[[str], object] = lambda name: None,
    clock: Callable[[], float] = time.perf_counter,
) -> dict[str, Timing]:
    """Time functions in turns, so that a drift of the machine hits all alike.

    Args:
        functions: by name.
        device: cpu or cuda.
        least, most: number of rounds; in each every function has a turn.
        seconds: after the least number of rounds, no further one begins that would end later.
        in_a_row: calls timed in a turn, after one that warms up.
        begin: called with a name in place of the call that warms up its first turn; its time is not counted.
        finish: called with a name at the end of its turn, to give back what the others need.
        clock: tells the time in seconds.
    """
    times: dict[str, list[float]] = {name: [] for name in functions}
    if device == "cuda":  # what is recorded there (leignn.backend.replay), is so at the second call
        for name, function in functions.items():
            function()
            function()
            finish(name)
    beginning = clock()
    for number in range(most):
        passed = clock() - beginning
        if number and number >= least and passed * (number + 1) / number > seconds:
            break
        for name, function in functions.items():
            if number or begin is None:
                function()
            else:
                before = clock()
                begin(name)
                beginning += clock() - before
            for _ in range(in_a_row):
                synchronise(device)
                start = clock()
                function()
                synchronise(device)
                times[name].append(clock() - start)
            finish(name)
    return {name: Timing.of(values) for name, values in times.items()}


def peak_memory(function: Callable[[], object], device: str) -> int:
    """Largest number of bytes that tensors made by one call of ``function`` hold at the same time.

    What was there before (parameters, the batch) does not count; workspaces of libraries do only on CUDA.
    """
    gc.collect()
    if device == "cuda":
        torch.cuda.synchronize()
        torch.cuda.reset_peak_memory_stats()
        before = torch.cuda.memory_allocated()
        function()
        torch.cuda.synchronize()
        return torch.cuda.max_memory_allocated() - before
    activities = [torch.profiler.ProfilerActivity.CPU]
    with torch.profiler.profile(activities=activities, profile_memory=True) as profiler:
        function()
    events = [e for e in profiler.profiler.kineto_results.events() if e.name() == "[memory]"]
    changes = [e.nbytes() for e in sorted(events, key=lambda e: e.start_ns())]
    return int(np.cumsum(changes).max(initial=0))
