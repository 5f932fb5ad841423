"""The loop of every simulation: steps, bounds, frames, states, outcomes."""

import math
import sys
import time
from datetime import UTC, datetime
from typing import Any, Protocol

import numpy as np
from ase import Atoms
from tqdm import tqdm

from leignn.md.record import Record, ns_per_day

FRAMES_A_STATE = 20  # frames between saved states


class Engine(Protocol):
    """What moves structures through time. ``running`` holds the numbers of those still simulated."""

    running: list[int]

    def step(self) -> None:
        """Move all by one time step."""

    def frames(self) -> dict[int, Atoms]:
        """The structures as they are now, by number, with momenta, energies and forces."""

    def stop_broken(self) -> dict[int, str]:
        """Take those out of ``running`` that have left their bounds; the reason for each, by number."""

    def state(self) -> dict[str, np.ndarray]:
        """What :meth:`restore` needs to go on from here."""

    def restore(self, saved: dict[str, np.ndarray]) -> None:
        """Go back to a saved state: arrays of :meth:`state`, and ``running`` of that time."""


def simulate(engine: Engine, record: Record) -> list[dict[str, Any]]:
    """Run simulations to the end of their settings; or finish a run that was stopped.

    One that leaves its bounds stops there: that is an outcome, and no error.

    Args:
        engine: at the start of the simulations.
        record: of the same simulations. A folder that belongs to other settings or another start is
            begun anew.

    Returns:
        the outcomes, as of :meth:`leignn.md.record.Record.close`; the speed is that of one simulation.
    """
    started, settings, saved, step = datetime.now(UTC), record.settings, record.load(), 0
    if saved is not None:
        step = int(saved["step"])
        engine.restore(saved)
        print(f"resuming from step {step}", flush=True)
    first, began = step, time.perf_counter()
    before = float(saved["seconds"]) if saved is not None else 0.0
    limit = math.inf if settings.max_hours is None else 3600 * settings.max_hours

    def speed() -> float:
        return (step - first) / (time.perf_counter() - began)

    if saved is None:
        record.begin(engine.frames())
    progress = tqdm(
        total=settings.steps, initial=step, unit="step", desc="simulate", disable=not sys.stderr.isatty()
    )
    while True:
        for number, reason in engine.stop_broken().items():
            record.finish(number, step, "stopped", reason, speed(), started)
        if not engine.running:
            break
        if step > first and step % settings.every == 0:
            frames = engine.frames()
            record.write_frames(frames, step)
            temperature = np.mean([atoms.get_temperature() for atoms in frames.values()])
            rate = len(frames) * ns_per_day(speed(), settings.timestep)
            seen = f"{step * settings.timestep / 1000:g} ps, {temperature:.0f} K, {rate:.3g} ns/day"
            progress.set_postfix_str(seen)
            seconds = before + time.perf_counter() - began
            out_of_time = seconds > limit and step < settings.steps
            if out_of_time or step % (settings.every * FRAMES_A_STATE) == 0:
                record.save(engine.running, step, seconds, engine.state())
                if progress.disable:  # a log file
                    print(f"step {step} of {settings.steps}: {seen}", flush=True)
            if out_of_time:
                for number in engine.running:
                    reason = f"{step} of {settings.steps} steps in max_hours: {settings.max_hours:g}"
                    record.finish(number, step, "out of time", reason, speed(), started)
                break
        if step == settings.steps:
            for number in engine.running:
                record.finish(number, step, "finished", f"{step} steps", speed(), started)
            break
        engine.step()
        step += 1
        progress.update()
    progress.close()
    return record.close()
