"""What simulations leave behind: frames, what was seen in each, a state to go on from, how they ended."""

import hashlib
import json
import os
import shutil
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from datetime import datetime
from pathlib import Path
from typing import Any, Literal

import ase.io
import numpy as np
from ase import Atoms
from ase.io.jsonio import encode

from leignn.config.simulation import Simulation
from leignn.errors import InputError
from leignn.files import read_arrays, read_json, replacing, write_arrays, write_json
from leignn.identity import differences
from leignn.lock import only_writer
from leignn.provenance import process, sha256

Status = Literal["finished", "stopped", "out of time"]
RESUME = "resume"
GROWING = ("trajectory.extxyz", "thermo.csv")
THERMO = ("time_ps", "potential_ev", "kinetic_ev", "temperature_k", "largest_force_ev_per_ang")


class Record:
    """The files of simulations that run together, each in a folder of its own.

    At the end a folder has ``trajectory.extxyz`` (positions, momenta, energy and forces, for ASE and
    OVITO), ``thermo.csv`` and ``outcome.json``. Until then the first two grow in its ``resume/``, and
    ``resume/state.npz`` in ``output`` holds what all of them need to go on; these are removed when they
    have ended. Simulations are called by their numbers.

    Args:
        output: the folder of one simulation; the folder of folders ``seed<k>`` of several.
        engine: name of what simulates.
        settings: of all.
        seeds: one a simulation.
        replicas: the structure each starts from, as it is now.
        starts: what else each depends on, kept in its outcome.

    Attributes:
        content: what all depend on, by content (checkpoint, code): goes on only where it is the same.

    Raises:
        InputError: a seed is given more than once.
    """

    def __init__(
        self,
        output: Path,
        engine: str,
        settings: Simulation,
        seeds: Sequence[int],
        replicas: Sequence[Atoms],
        starts: Sequence[dict[str, Any]],
    ) -> None:
        if repeated := [seed for seed in seeds if seeds.count(seed) > 1]:
            raise InputError(f"seeds: {repeated[0]} is given more than once")
        self.settings, self.output = settings, output
        self.content: dict[str, Any] = {}
        self.folders = [output] if len(seeds) == 1 else [output / f"seed{seed}" for seed in seeds]
        self.growing = [folder / RESUME for folder in self.folders]
        self.state = output / RESUME / "state.npz"
        self.identities = [
            {
                "settings": settings.model_dump(exclude_none=True),
                "seed": seed,
                "start": start,
                "atoms": len(atoms),
                "engine": engine,
            }
            for seed, atoms, start in zip(seeds, replicas, starts, strict=True)
        ]
        self._structures = [hashlib.sha256(encode(atoms.todict()).encode()).hexdigest() for atoms in replicas]

    @contextmanager
    def locked(self) -> Iterator[None]:
        """Keep other processes from the folders; see :func:`leignn.lock.only_writer`."""
        with ExitStack() as stack:
            for folder in dict.fromkeys([self.output, *self.folders]):
                stack.enter_context(only_writer(folder))
            yield

    def _identity(self) -> dict[str, Any]:
        """What a saved state must have in common with these simulations, in JSON's types."""
        # With more time a simulation goes on.
        settings = self.settings.model_dump(exclude={"max_hours"})
        seeds = {
            f"seed{identity['seed']}": identity | {"settings": settings, "structure": structure}
            for identity, structure in zip(self.identities, self._structures, strict=True)
        }
        return json.loads(json.dumps(self.content | seeds))

    def begin(self, frames: dict[int, Atoms]) -> None:
        """Begin all files anew with the starting ``frames``, by number."""
        self.state.unlink(missing_ok=True)  # it would match the files of these no more
        for folder, growing in zip(self.folders, self.growing, strict=True):
            growing.mkdir(parents=True, exist_ok=True)
            for name in (*GROWING, "outcome.json"):
                (folder / name).unlink(missing_ok=True)  # of another simulation
        self.write_frames(frames, 0)

    def write_frames(self, frames: dict[int, Atoms], step: int) -> None:
        """Append each frame to its trajectory and its numbers to thermo.csv; step 0 begins both."""
        for number, atoms in frames.items():
            _write_frame(self.growing[number], atoms, step, self.settings.timestep)

    def save(self, running: list[int], step: int, seconds: float, arrays: dict[str, np.ndarray]) -> None:
        """Write state.npz: what the engine needs of those still ``running``, and how long their files are.

        ``seconds`` are those of all sessions.
        """
        sizes = [[(self.growing[n] / name).stat().st_size for name in GROWING] for n in running]
        self.state.parent.mkdir(exist_ok=True)
        identity = json.dumps(self._identity())
        about = {"identity": identity, "running": running, "step": step, "seconds": seconds, "sizes": sizes}
        write_arrays(self.state, arrays | {name: np.array(value) for name, value in about.items()})

    def load(self) -> dict[str, np.ndarray] | None:
        """What :meth:`save` wrote of these very simulations, if it is there; if it is of others, say which.

        What their files have grown since is cut off, so that no frame is repeated.

        Raises:
            InputError: the file is damaged.
        """
        if not self.state.exists():
            return None
        try:
            saved = read_arrays(self.state)
        except InputError as error:
            raise InputError(f"{error}; remove it to begin anew") from error
        if changed := differences(json.loads(str(saved["identity"])), self._identity()):
            print(f"{self.state} is of another {', '.join(changed)}: beginning anew", flush=True)
            return None
        for number, sizes in zip(saved["running"].tolist(), saved["sizes"].tolist(), strict=True):
            for name, size in zip(GROWING, sizes, strict=True):
                os.truncate(self.growing[number] / name, size)
        return saved

    def finish(
        self, number: int, step: int, status: Status, reason: str, speed: float, started: datetime
    ) -> None:
        """Write the outcome of a simulation that has come to ``step``, and copy its files beside it.

        They stay in ``resume/`` as well: others that run may have to go on from a state before.

        Args:
            number: of the simulation.
            step: its last.
            status: ``finished``, ``stopped`` where it had left its bounds, or ``out of time``.
            reason: in words.
            speed: steps a second of this session.
            started: this session.
        """
        timestep = self.settings.timestep
        for name in GROWING:
            with replacing(self.folders[number] / name) as temporary:
                shutil.copyfile(self.growing[number] / name, temporary)
        self._write_outcome(
            number,
            {
                "status": status,
                "reason": reason,
                "steps": step,
                "time_ps": step * timestep / 1000,
                "steps_per_second": speed,
                "ns_per_day": ns_per_day(speed, timestep),
                "files": {name: sha256(self.folders[number] / name) for name in GROWING},
                "provenance": process(started)
                | {"content": self.content | {"structure": self._structures[number]}},
            },
        )

    def fail(self, reason: str) -> None:
        """Write, in place of the outcomes, why there is no simulation, and empty files."""
        for number, folder in enumerate(self.folders):
            for name in GROWING:
                (folder / name).write_bytes(b"")
            self._write_outcome(number, {"status": "failed", "reason": reason})

    def _write_outcome(self, number: int, content: dict[str, Any]) -> None:
        outcome = self.identities[number] | content
        write_json(self.folders[number] / "outcome.json", outcome)

    def close(self) -> list[dict[str, Any]]:
        """Remove ``resume/``, but of those that go on with more time; return all outcomes.

        An outcome has ``status`` (finished, stopped or out of time), ``reason``, ``steps``, ``time_ps``,
        ``steps_per_second`` and ``ns_per_day`` of the last session, ``settings``, ``seed``, ``start``,
        ``atoms`` and ``engine``.
        """
        outcomes = [read_json(folder / "outcome.json") for folder in self.folders]
        if all(outcome["status"] != "out of time" for outcome in outcomes):
            for folder in {self.output, *self.folders}:
                shutil.rmtree(folder / RESUME, ignore_errors=True)
        return outcomes


def _write_frame(folder: Path, atoms: Atoms, step: int, timestep: float) -> None:
    first = step == 0
    atoms.info = {"time_fs": step * timestep}
    ase.io.write(folder / "trajectory.extxyz", atoms, format="extxyz", append=not first)
    numbers = (
        step * timestep / 1000,
        atoms.get_potential_energy(),
        atoms.get_kinetic_energy(),
        atoms.get_temperature(),
        np.linalg.norm(atoms.get_forces(), axis=1).max(),
    )
    with open(folder / "thermo.csv", "w" if first else "a", encoding="utf-8") as file:
        if first:
            file.write(",".join(THERMO) + "\n")
        file.write(",".join(repr(float(number)) for number in numbers) + "\n")


def ns_per_day(speed: float, timestep: float) -> float:
    """From steps a second and the time step in fs."""
    return speed * timestep * 1e-6 * 86400
