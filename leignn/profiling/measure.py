"""Time and memory of a function: repeats take turns, the device is waited for, the first round warms up."""

import gc
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass

import numpy as np
import torch


@dataclass(frozen=True)
class Timing:
    """Seconds of one call: median, quartiles and the least over ``repeats``."""

    median: float
    low: float
    high: float
    best: float
    repeats: int


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
    clock: Callable[[], float] = time.perf_counter,
) -> dict[str, Timing]:
    """Time functions in turns, so that a drift of the machine hits all alike.

    Args:
        functions: by name.
        device: cpu or cuda.
        least, most: number of rounds, the one to warm up apart.
        seconds: after the least number of rounds, no further one begins that would end later.
        clock: tells the time in seconds.
    """
    times: dict[str, list[float]] = {name: [] for name in functions}
    begin = clock()
    for number in range(most + 1):
        passed = clock() - begin
        if number > least and passed * (number + 1) / number > seconds:
            break
        for name, function in functions.items():
            synchronise(device)
            start = clock()
            function()
            synchronise(device)
            if number:  # round 0 warms up
                times[name].append(clock() - start)
    timings = {}
    for name, values in times.items():
        median, low, high, best = np.quantile(values, [0.5, 0.25, 0.75, 0]).tolist()
        timings[name] = Timing(median, low, high, best, len(values))
    return timings


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
