"""The errors of Open Catalyst's S2EF task, from predictions and labels.

Each metric is one function, and its name stands in ``metrics.json``. Forces count on free atoms only.
Definitions of cosine and EFwT as in Open Catalyst's evaluator (Chanussot et al. 2021).
"""

from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property

import numpy as np

ENERGY_THRESHOLD = 0.02  # eV
FORCE_THRESHOLD = 0.03  # eV/Å


@dataclass(frozen=True)
class Predicted:
    """Predictions of S structures with N atoms in all, beside their labels.

    Attributes:
        energy, true_energy: (S,) eV, NaN where the label is missing.
        forces, true_forces: (N, 3) eV/Å, NaN where the label is missing.
        fixed: (N,) bool, atoms that do not count.
        natoms: (S,) atoms of each structure.
        mean_energy: eV, of the training split.
    """

    energy: np.ndarray
    true_energy: np.ndarray
    forces: np.ndarray
    true_forces: np.ndarray
    fixed: np.ndarray
    natoms: np.ndarray
    mean_energy: float

    @cached_property
    def has_energy(self) -> np.ndarray:
        """(S,) bool."""
        return np.isfinite(self.true_energy)

    @cached_property
    def counted(self) -> np.ndarray:
        """(N,) bool: free atoms with a label."""
        return ~self.fixed & np.isfinite(self.true_forces).all(1)

    @cached_property
    def energy_error(self) -> np.ndarray:
        """(S,) eV, absolute."""
        return np.abs(self.energy - self.true_energy)

    @cached_property
    def force_error(self) -> np.ndarray:
        """(C, 3) eV/Å, absolute, of the counted atoms."""
        return np.abs(self.forces[self.counted].astype(np.float64) - self.true_forces[self.counted])


@dataclass(frozen=True)
class Metric:
    """``values`` of some structures; of all it is ``factor`` times their mean, without a factor their sum."""

    values: Callable[[Predicted], np.ndarray]
    factor: float | None


METRICS: dict[str, Metric] = {}  # in the order of metrics.json


def mean_of(factor: float) -> Callable[[Callable], Callable]:
    """A metric that is ``factor`` times the mean of what the function returns; None where that is nothing."""

    def register(function: Callable[[Predicted], np.ndarray]) -> Callable:
        METRICS[function.__name__] = Metric(function, factor)
        return function

    return register


def number_of(function: Callable[[Predicted], np.ndarray]) -> Callable:
    """A metric that is the number of true values of what the function returns."""
    METRICS[function.__name__] = Metric(function, None)
    return function


@number_of
def structures(p: Predicted) -> np.ndarray:
    """All of the split."""
    return np.ones(len(p.natoms), bool)


@number_of
def energy_count(p: Predicted) -> np.ndarray:
    """Structures with an energy."""
    return p.has_energy


@mean_of(1e3)
def energy_mae_mev(p: Predicted) -> np.ndarray:
    """Mean absolute error of the energy of a structure, in meV."""
    return p.energy_error[p.has_energy]


@number_of
def forces_count(p: Predicted) -> np.ndarray:
    """Components of forces that count."""
    return np.ones(p.force_error.shape, bool)


@mean_of(1e3)
def forces_mae_mev_per_ang(p: Predicted) -> np.ndarray:
    """Mean absolute error of a component of a force, in meV/Å."""
    return p.force_error


@mean_of(1)
def forces_cosine(p: Predicted) -> np.ndarray:
    """Mean over atoms of the cosine between predicted and true force.

    Zero where a vector vanishes, as ``torch.cosine_similarity`` has it.
    """
    first, second = p.forces[p.counted], p.true_forces[p.counted]
    norms = np.linalg.norm(first, axis=1) * np.linalg.norm(second, axis=1)
    return (first * second).sum(1, dtype=np.float64) / np.maximum(norms, 1e-8)


@mean_of(100)
def efwt_percent(p: Predicted) -> np.ndarray:
    """Structures whose energy is within 0.02 eV and all of whose forces are within 0.03 eV/Å, in percent."""
    structure = np.repeat(np.arange(len(p.natoms)), p.natoms)[p.counted]
    worst = np.zeros(len(p.natoms))
    np.maximum.at(worst, structure, p.force_error.max(1, initial=0))
    both = p.has_energy & (np.bincount(structure, minlength=len(p.natoms)) > 0)
    return ((p.energy_error < ENERGY_THRESHOLD) & (worst < FORCE_THRESHOLD))[both]


@mean_of(1e3)
def mean_energy_mae_mev(p: Predicted) -> np.ndarray:
    """What a prediction of the training split's mean energy for all would have, in meV."""
    return np.abs(p.true_energy[p.has_energy] - p.mean_energy)


@mean_of(1e3)
def zero_forces_mae_mev_per_ang(p: Predicted) -> np.ndarray:
    """What a prediction of no force at all would have, in meV/Å."""
    return np.abs(p.true_forces[p.counted].astype(np.float64))


class MetricSums:
    """The metrics of one split, added up batch by batch, so that memory does not grow with it."""

    def __init__(self) -> None:
        self._sums = dict.fromkeys(METRICS, 0.0)
        self._counts = dict.fromkeys(METRICS, 0)

    def add(self, predicted: Predicted) -> None:
        """Add some structures."""
        for name, metric in METRICS.items():
            values = metric.values(predicted)
            self._sums[name] += values.sum()
            self._counts[name] += values.size

    def metrics(self) -> dict[str, float | int | None]:
        """The metrics as they stand in ``metrics.json``; None where there was nothing to average."""
        found: dict[str, float | int | None] = {}
        for name, metric in METRICS.items():
            total, count = self._sums[name], self._counts[name]
            if metric.factor is None:
                found[name] = int(total)
            else:
                found[name] = float(metric.factor * total / count) if count else None
        return found
