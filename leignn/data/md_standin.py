"""Generate a stand-in for the systems of the paper's simulations: a melt, a solid or a gas.

OUTPUT/trajectory.extxyz is both the training data and the reference that simulations are compared with, as
MDSim's AIMD trajectories are. Where those are one long trajectory, these are several of the same system,
each from its own start and independent of the others: their mean is the same, their scatter is its error,
and NumPy moves them together. All are in a periodic cube, started from a crystal or a lattice of molecules,
brought to their temperature by a Langevin thermostat and then, with less friction, written at equal times:

- *melt*: copper and gold, half and half, at 1500 K, by :class:`leignn.data.emt.EMT`;
- *solid*: a crystal of iodine through which silver flows, at 700 K, by
  :class:`leignn.data.silver_iodide.SilverIodide`;
- *gas*: eight molecules of methane at 300 K, by :class:`leignn.data.methane.Methane`.
"""

import argparse
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import ase.io
import numpy as np
from ase import Atoms, units
from ase.build import bulk, molecule
from ase.calculators.singlepoint import SinglePointCalculator
from tqdm import tqdm

from leignn.arguments import non_negative, output_folder, positive
from leignn.data.emt import EMT
from leignn.data.methane import Methane
from leignn.data.silver_iodide import SilverIodide
from leignn.files import replacing_folder

MIXING_FRICTION = 0.02  # 1/fs, before the first frame

Potential = Callable[[np.ndarray], tuple[np.ndarray, np.ndarray]]
"""From positions (R, N, 3) Å to energies (R,) eV and forces (R, N, 3) eV/Å."""


@dataclass(frozen=True)
class System:
    """What is simulated: ``temperature`` in K, ``timestep`` in fs, ``every`` steps a frame after ``mixing``
    steps, ``friction`` in 1/fs: so little that what diffuses hardly feels it."""

    build: Callable[[np.random.Generator], Atoms]
    potential: Callable[[Atoms], Potential]
    temperature: float
    timestep: float
    every: int
    mixing: int
    friction: float


def _melt(rng: np.random.Generator) -> Atoms:
    atoms = bulk("Cu", cubic=True, a=4.1).repeat(2)  # Å: between copper's and gold's, expanded
    atoms.numbers = [29, 79] * (len(atoms) // 2)
    atoms.positions = rng.permutation(atoms.positions)
    return atoms


def _solid(rng: np.random.Generator) -> Atoms:
    edge, repeats, apart = 5.08, 2, 2.5  # Å; cells along an edge; of two silvers
    iodine = bulk("I", "bcc", a=edge, cubic=True).repeat(repeats)
    gaps = np.array([[0.5, 0.25, 0], [0.5, 0.75, 0], [0.25, 0.5, 0], [0.75, 0.5, 0]])  # tetrahedral ones
    gaps = np.concatenate([np.roll(gaps, axis, axis=1) for axis in range(3)])
    corners = np.array(list(np.ndindex(repeats, repeats, repeats)))
    places = Atoms(cell=iodine.cell, pbc=True, positions=edge * (corners[:, None] + gaps).reshape(-1, 3))
    near = places.get_all_distances(mic=True) < apart
    taken: list[int] = []
    for place in rng.permutation(len(places)):
        if len(taken) < len(iodine) and not near[place, taken].any():
            taken.append(place)
    return iodine + Atoms(f"Ag{len(taken)}", positions=places.positions[taken])


def _gas(rng: np.random.Generator) -> Atoms:
    edge, each = 12.5, 2  # Å, molecules along an edge
    atoms = Atoms(cell=[edge] * 3, pbc=True)
    for place in np.ndindex(each, each, each):
        one = molecule("CH4")
        one.rotate(rng.uniform(0, 360), rng.normal(size=3))
        one.translate((np.array(place) + 0.5) * edge / each)
        atoms += one
    return atoms


SYSTEMS = {
    "melt": System(_melt, EMT, 1500.0, timestep=5.0, every=10, mixing=600, friction=0.0005),
    "solid": System(_solid, SilverIodide, 700.0, timestep=5.0, every=10, mixing=1000, friction=0.0005),
    "gas": System(_gas, Methane, 300.0, timestep=1.0, every=50, mixing=2000, friction=0.002),
}


def generate(output: Path, name: str, replicas: int, frames: int, seed: int) -> None:
    """Write the trajectories to the folder ``output``, which appears when it is whole.

    Args:
        output: replaced if it exists.
        name: of the system, in :data:`SYSTEMS`.
        replicas: independent trajectories, at least 1.
        frames: of each, at least 1.
        seed: of the places, the velocities and the thermostat.
    """
    system, rng = SYSTEMS[name], np.random.default_rng(seed)
    starts = [system.build(rng) for _ in range(replicas)]
    at_times = list(simulate(system, starts, frames, rng))
    written = [
        _frame(start, replica, number, *(values[replica] for values in at))
        for replica, start in enumerate(starts)
        for number, at in enumerate(at_times)
    ]
    with replacing_folder(output) as temporary:
        ase.io.write(temporary / "trajectory.extxyz", written, format="extxyz")


def simulate(
    system: System, starts: list[Atoms], frames: int, rng: np.random.Generator
) -> Iterator[tuple[np.ndarray, np.ndarray, np.ndarray]]:
    """Positions (R, N, 3) Å, energies (R,) eV and forces (R, N, 3) eV/Å of one frame after the other.

    Langevin dynamics, split as B-A-O-A-B (Leimkuhler and Matthews, Appl. Math. Res. Express 2013, 34): half
    a kick, half a step, friction and noise, half a step, half a kick.
    """
    potential = system.potential(starts[0])
    masses = starts[0].get_masses()[:, None]
    step, heat = system.timestep * units.fs, units.kB * system.temperature
    positions = np.stack([atoms.positions for atoms in starts])
    thermal = np.sqrt(heat / masses)
    velocities = thermal * rng.normal(size=positions.shape)
    energies, forces = potential(positions)
    friction = [MIXING_FRICTION] * system.mixing + [system.friction] * (frames * system.every)
    for number, each in enumerate(tqdm(friction, unit="step", disable=not sys.stderr.isatty()), start=1):
        kept = np.exp(-each * system.timestep)
        velocities += step / 2 * forces / masses
        positions += step / 2 * velocities
        velocities = kept * velocities + np.sqrt(1 - kept**2) * thermal * rng.normal(size=positions.shape)
        positions += step / 2 * velocities
        energies, forces = potential(positions)
        velocities += step / 2 * forces / masses
        if number > system.mixing and (number - system.mixing) % system.every == 0:
            yield positions.copy(), energies, forces


def _frame(
    start: Atoms, replica: int, number: int, positions: np.ndarray, energy: float, forces: np.ndarray
) -> Atoms:
    """Wrapped, as AIMD programs write their trajectories, with energy and forces, without velocities."""
    atoms = Atoms(start.numbers, positions, cell=start.cell, pbc=True)
    atoms.wrap()
    atoms.info = {"replica": replica, "frame": number}
    atoms.calc = SinglePointCalculator(atoms, energy=float(energy), forces=forces)
    return atoms


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--system", choices=list(SYSTEMS), required=True, help="what is simulated")
    parser.add_argument("--output", type=output_folder, required=True, help="folder to write")
    parser.add_argument("--replicas", type=positive, default=16, help="independent trajectories (default 16)")
    parser.add_argument("--frames", type=positive, default=400, help="of each, 50 fs apart (default 400)")
    parser.add_argument("--seed", type=non_negative, default=0, help="determines every frame")


def main(args: argparse.Namespace) -> None:
    generate(args.output, args.system, args.replicas, args.frames, args.seed)
