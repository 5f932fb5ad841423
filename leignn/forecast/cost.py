"""What jobs cost: hours from timings, gigabytes to download and on the disk; what is unknown stays so."""

import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from leignn.config.archive import Download
from leignn.config.run import RunConfig, merged_run, merged_simulation
from leignn.config.simulation import Simulation
from leignn.config.training import Training
from leignn.data.store import PER_ATOM, PER_STRUCTURE
from leignn.forecast.frames import frames_of_parts, frames_of_splits
from leignn.forecast.jobs import Job
from leignn.forecast.timing import Timing
from leignn.md.drift import DURATION, TIMESTEPS
from leignn.plan import Plan
from leignn.progress import seconds_of

MODEL_RULES = ("train_model", "predict_run", "simulate_run", "measure_drift")  # timed by model
TRAJECTORY = 160  # bytes an atom and frame of extended XYZ with momenta and forces
NAME = 48  # bytes of a system's name in a store


@dataclass(frozen=True)
class Amount:
    """A sum from ``least`` to ``most``, of which ``unknown`` parts are not known."""

    least: float = 0.0
    most: float = 0.0
    unknown: int = 0

    @classmethod
    def of(cls, value: float | None) -> "Amount":
        """A number, or one that is not known."""
        return cls(unknown=1) if value is None else cls(value, value)

    def __add__(self, other: "Amount") -> "Amount":
        return Amount(self.least + other.least, self.most + other.most, self.unknown + other.unknown)


@dataclass(frozen=True)
class Cost:
    """Of jobs."""

    seconds: Amount = Amount()
    download: Amount = Amount()  # bytes
    disk: Amount = Amount()  # bytes of what is unpacked, stores, predictions and trajectories
    untimed: int = 0  # jobs that no model's timing and no benchmark says anything about

    def __add__(self, other: "Cost") -> "Cost":
        return Cost(
            self.seconds + other.seconds,
            self.download + other.download,
            self.disk + other.disk,
            self.untimed + other.untimed,
        )


class Costs:
    """Knows what each job of a plan costs.

    Args:
        plan: of the configuration.
        timed: of each (data set, model), by :meth:`key`.
        cores: of this machine.
    """

    def __init__(self, plan: Plan, timed: Mapping[tuple[str, str], Timing], cores: int) -> None:
        self.plan, self.timed, self.cores = plan, timed, cores

    def of(self, job: Job) -> Cost:
        """Cost of a job, as a share of the device: several on the CPU run at once."""
        seconds = self._seconds(job)
        return Cost(seconds or Amount(), self._download(job), self._disk(job), int(seconds is None))

    def total(self, jobs: Iterable[Job]) -> Cost:
        """Their sum."""
        found = Cost()
        for job in jobs:
            found += self.of(job)
        return found

    def _seconds(self, job: Job) -> Amount | None:
        if job.rule not in MODEL_RULES:
            last = seconds_of(Path(job.benchmark)) if job.benchmark else None
            return None if last is None else Amount(last, last)
        dataset, model = job.wildcards["dataset"], job.wildcards["model"]
        timing = self.timed.get((dataset, model))
        if timing is None or timing.failure:
            return Amount(unknown=1)
        found = getattr(self, f"_{job.rule}")(dataset, model, timing)
        shown = self.plan.configuration
        threads = shown.threads.train if job.rule == "train_model" else shown.threads.predict
        share = 1.0 if shown.gpu else min(threads / self.cores, 1.0)
        return Amount(share * found.least, share * found.most, found.unknown)

    def _frames(self, dataset: str) -> dict[str, int | None]:
        return frames_of_splits(self.plan.dataset(dataset), self.plan.configuration.standin)

    def _train_model(self, dataset: str, model: str, timing: Timing) -> Amount:
        """From the first evaluation at which it may stop to its limit of steps or hours."""
        training = run_of(self.plan, dataset, model).training
        val = self._frames(dataset)["val"]
        predict = self._prediction(timing, training.loader_workers)
        if val is None or predict is None:
            return Amount(unknown=1)
        if timing.train is None:  # nothing to train
            return Amount.of(val * predict)
        load = timing.load * training.batch_size if timing.load else 0.0
        step = _beside(timing.train, load, training.loader_workers)
        evaluation = training.evaluate_every * step + val * predict
        evaluations = training.max_steps // training.evaluate_every
        most = evaluations * evaluation
        if training.max_hours is not None:
            most = min(most, max(3600 * training.max_hours, evaluation))
        return Amount(min(min(evaluations, _earliest(training)) * evaluation, most), most)

    def _predict_run(self, dataset: str, model: str, timing: Timing) -> Amount:
        frames, tests = self._frames(dataset), self.plan.dataset(dataset).test_splits
        workers = run_of(self.plan, dataset, model).training.loader_workers
        found, each = Amount(), self._prediction(timing, workers)
        for test in tests:
            count = frames[test]
            found += Amount.of(None if count is None or each is None else count * each)
        return found

    def _simulate_run(self, dataset: str, model: str, timing: Timing) -> Amount:
        if timing.dynamics is None:
            return Amount(unknown=1)
        simulation = simulation_of(self.plan, dataset, model)
        most = simulation.steps * timing.dynamics
        if simulation.max_hours is not None:
            most = min(most, 3600 * simulation.max_hours)
        return Amount(0.0, most)  # it may become unstable at once

    def _measure_drift(self, dataset: str, model: str, timing: Timing) -> Amount:
        starts = self.plan.configuration.limitations.starts
        steps = starts * sum(round(DURATION / timestep) + 1 for timestep in TIMESTEPS)
        return Amount.of(None if timing.dynamics is None else steps * timing.dynamics)

    @staticmethod
    def _prediction(timing: Timing, workers: int) -> float | None:
        if timing.predict is None:
            return None
        return _beside(timing.predict, timing.load or 0.0, workers)

    def _download(self, job: Job) -> Amount:
        if job.rule == "download_part":
            return Amount.of(getattr(self._part(job), "bytes", None))
        if job.rule == "download_archive":
            archive = self.plan.archive(job.wildcards["archive"])
            return Amount.of(archive.bytes if isinstance(archive, Download) else None)
        return Amount()

    def _disk(self, job: Job) -> Amount:
        if job.rule == "download_part":
            return Amount.of(getattr(self._part(job), "unpacked_bytes", None))
        if job.rule == "download_archive":
            archive = self.plan.archive(job.wildcards["archive"])
            if not isinstance(archive, Download):
                return Amount(unknown=1)
            return Amount.of(archive.unpacked_bytes or archive.bytes)
        name = job.wildcards.get("dataset", "")
        if job.rule not in ("build_store", "predict_run", "simulate_run"):
            return Amount()
        dataset = self.plan.dataset(name)
        atoms = dataset.size.atoms if dataset.size else None
        if atoms is None:
            return Amount(unknown=1)
        if job.rule == "build_store":
            parts = frames_of_parts(dataset, self.plan.configuration.standin)
            count, each = parts[job.wildcards["part"]], _stored(atoms)
        elif job.rule == "predict_run":
            frames = self._frames(name)
            tests = [frames[test] for test in dataset.test_splits]
            count, each = (None if None in tests else sum(n for n in tests if n)), 8.0 + 12 * atoms
        else:
            simulation = simulation_of(self.plan, name, job.wildcards["model"])
            count, each = simulation.steps // simulation.every + 1, TRAJECTORY * atoms
        return Amount.of(None if count is None else count * each)

    def _part(self, job: Job) -> object:
        return self.plan.part(job.wildcards["dataset"], job.wildcards["part"])


def _earliest(training: Training) -> int:
    """The first evaluation at which a training may stop."""
    found = training.early_stopping + 2  # the best, and all that are no better
    # The other schedules come to their lowest rate at their end.
    if training.schedule == "plateau" and training.stop_at_lowest_rate and training.min_learning_rate:
        ratio = math.log(training.min_learning_rate / training.learning_rate)
        cuts = math.ceil(ratio / math.log(training.plateau_factor))
        found = min(found, cuts * (training.plateau_patience + 1) + 1)
    return found


def _beside(compute: float, load: float, workers: int) -> float:
    """Seconds of what is computed while ``workers`` load the next; without any, one after the other."""
    return max(compute, load / workers) if workers else compute + load


def _stored(atoms: int) -> float:
    """Bytes of a structure in a store."""

    def size(kinds: Mapping[str, tuple]) -> int:
        return sum(np.dtype(kind).itemsize * int(np.prod(shape)) for kind, shape in kinds.values())

    return atoms * size(PER_ATOM) + size(PER_STRUCTURE) + NAME + 8


def run_of(plan: Plan, dataset: str, model: str) -> RunConfig:
    """The configuration of a run, but for its seed."""
    scale = plan.configuration.scale
    return merged_run(plan.dataset(dataset), plan.model(model), scale, 0, plan.run_settings)


def simulation_of(plan: Plan, dataset: str, model: str) -> Simulation:
    """How a run is simulated."""
    shown = plan.configuration.simulation
    return merged_simulation(
        plan.dataset(dataset),
        plan.model(model),
        plan.configuration.scale,
        shown.scale_settings,
        shown.settings,
    )
