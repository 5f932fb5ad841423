"""Trajectories: what observables are computed from, and the checks that make that sound."""

from dataclasses import dataclass
from pathlib import Path

import ase.io
import numpy as np

from leignn.data.store import Store
from leignn.errors import InputError

FEWEST = 3  # frames, the starting one included, whose spacing shows whether one is missing


class TooShortError(InputError):
    """A trajectory ends within its first frames."""


@dataclass(frozen=True)
class Trajectory:
    """Equally spaced frames of one system in one cell; of several trajectories of it, one after the other.

    Attributes:
        positions: (T, N, 3) Å.
        forces: (T, N, 3) eV/Å.
        numbers: (N,) atomic numbers.
        cell: (3, 3) Å, rows are the lattice vectors.
        frame_time: ps between frames; None if the frames are in no order.
        replicas: independent trajectories of equal length that the frames are.
    """

    positions: np.ndarray
    forces: np.ndarray
    numbers: np.ndarray
    cell: np.ndarray
    frame_time: float | None
    replicas: int = 1

    def __len__(self) -> int:
        return len(self.positions)

    @property
    def length(self) -> float:
        """ps that each trajectory lasts; infinite if its frames are in no order."""
        return np.inf if self.frame_time is None else len(self) // self.replicas * self.frame_time

    @property
    def periodic(self) -> bool:
        """Whether the cell has a volume."""
        return bool(abs(np.linalg.det(self.cell)) > 1e-6)


def reference_trajectory(store: Path, frame_time: float | None) -> Trajectory:
    """Read a reference trajectory from a store; each of its systems is a trajectory of its own.

    Args:
        store: one part of a data set.
        frame_time: fs between its frames, which then have to be numbered without a gap; None if they
            are in no order.

    Raises:
        InputError: trajectories of different length; a frame is missing; atoms, their order or the cell
            change.
    """
    found = Store(store)
    natoms = found.natoms
    systems, counts = np.unique(found.system_id, return_counts=True)
    order = np.arange(len(found)) if frame_time is None else np.lexsort((found.frame, found.system_id))
    frames = np.array(found.frame)[order]
    if frame_time is not None:
        if len(np.unique(counts)) > 1:
            few, many = systems[counts.argmin()], systems[counts.argmax()]
            raise InputError(
                f"{store}: the trajectory of {few} has {counts.min()} frames, that of {many} {counts.max()}"
            )
        gaps = np.argwhere(np.diff(frames.reshape(len(systems), -1), axis=1) != 1)
        if len(gaps):
            first, second = frames.reshape(len(systems), -1)[gaps[0][0], gaps[0][1] : gaps[0][1] + 2]
            which = f" of {systems[gaps[0][0]]}" if len(systems) > 1 else ""
            raise InputError(f"{store}: the trajectory{which} has no frame between {first} and {second}")
    if (wrong := np.flatnonzero(natoms[order] != natoms[order[0]])).size:
        count, frame = natoms[order[wrong[0]]], frames[wrong[0]]
        raise InputError(f"{store}: frame {frame} has {count} atoms, the first {natoms[order[0]]}")

    def per_atom(name: str) -> np.ndarray:
        values = np.array(getattr(found, name))
        return values.reshape(len(order), natoms[0], *values.shape[1:])[order]

    return _checked(
        per_atom("pos"),
        per_atom("forces"),
        per_atom("atomic_numbers"),
        np.array(found.cell)[order],
        frames,
        None if frame_time is None else frame_time / 1000,
        str(store),
        1 if frame_time is None else len(systems),
    )


def simulated_trajectory(path: Path) -> Trajectory:
    """Read what ``simulate`` wrote, without its starting frame.

    Raises:
        TooShortError: fewer than :data:`FEWEST` frames.
        InputError: the file cannot be read; a frame is missing or comes twice; atoms, their order or
            the cell change.
    """
    try:
        frames = ase.io.read(path, ":", format="extxyz")
        times = np.array([atoms.info["time_fs"] for atoms in frames], dtype=float)
        forces = [atoms.get_forces() for atoms in frames]
    except Exception as error:  # ASE fails in many ways
        raise InputError(f"{path} cannot be read as a trajectory: {' '.join(str(error).split())}") from error
    if len(frames) < FEWEST:
        raise TooShortError(f"{path} has {len(frames)} frames: too few to analyse")
    steps = np.diff(times)
    if (wrong := np.flatnonzero(np.abs(steps - steps[0]) > 1e-6 * abs(steps[0]))).size or steps[0] <= 0:
        at = int(wrong[0]) if wrong.size else 0
        what = "repeated" if steps[at] <= 0 else "missing"
        raise InputError(f"{path}: a frame is {what} between {times[at]:g} and {times[at + 1]:g} fs")
    natoms = np.array([len(atoms) for atoms in frames])
    if (changed := np.flatnonzero(natoms != natoms[0])).size:
        frame = changed[0]
        raise InputError(f"{path}: frame {frame} has {natoms[frame]} atoms, the first {natoms[0]}")
    return _checked(
        np.stack([atoms.positions for atoms in frames])[1:],
        np.stack(forces)[1:],
        np.stack([atoms.numbers for atoms in frames])[1:],
        np.stack([atoms.cell.array for atoms in frames])[1:],
        np.arange(1, len(frames)),
        steps[0] / 1000,
        str(path),
    )


def _checked(
    positions: np.ndarray,
    forces: np.ndarray,
    numbers: np.ndarray,
    cells: np.ndarray,
    frames: np.ndarray,
    frame_time: float | None,
    where: str,
    replicas: int = 1,
) -> Trajectory:
    for name, values in (("elements", numbers), ("cell", cells)):
        same = np.isclose(values, values[0], rtol=0, atol=1e-6).reshape(len(values), -1).all(1)
        if not same.all():
            raise InputError(f"{where}: frame {frames[np.argmin(same)]} has other {name} than the first")
    return Trajectory(positions, forces, numbers[0], cells[0], frame_time, replicas)
