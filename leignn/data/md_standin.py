"""Generate a stand-in for the systems of the paper's simulations: a melt, a solid or a gas.

OUTPUT/trajectory.extxyz is both the training data and the reference that simulations are compared with, as
MDSim's AIMD trajectories are. All are in a periodic cube, started from a crystal or a lattice of molecules,
brought to their temperature by a Langevin thermostat and then written at equal times:

- *melt*: copper and gold, half and half, at 1500 K, of ASE's EMT, with a Nosé–Hoover thermostat;
- *solid*: crystalline copper in whose gaps hydrogen diffuses, at 900 K, likewise (EMT's parameters for
  hydrogen are no fit to any hydride);
- *gas*: eight molecules of methane at 300 K, of :class:`leignn.data.methane.Methane`, with a Langevin
  thermostat.
"""

import argparse
import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import ase.io
import numpy as np
from ase import Atoms, units
from ase.build import bulk, molecule
from ase.calculators.calculator import Calculator
from ase.calculators.emt import EMT
from ase.md.langevin import Langevin
from ase.md.nose_hoover_chain import NoseHooverChainNVT
from ase.md.velocitydistribution import thermalize_momenta
from tqdm import tqdm

from leignn.arguments import non_negative, output_folder, positive
from leignn.data.methane import Methane
from leignn.errors import InputError
from leignn.files import replacing_folder

MIXING_FRICTION = 0.02  # 1/fs, before the first frame
DAMPING = 20  # time steps, as MDSim's


@dataclass(frozen=True)
class System:
    """What is simulated: ``temperature`` in K, ``timestep`` in fs, ``every`` steps a frame after ``mixing``
    steps, ``friction`` in 1/fs of a Langevin thermostat, None for Nosé–Hoover's."""

    build: Callable[[np.random.Generator], Atoms]
    potential: Callable[[], Calculator]
    temperature: float
    timestep: float
    every: int
    mixing: int
    friction: float | None = None


def _melt(rng: np.random.Generator) -> Atoms:
    atoms = bulk("Cu", cubic=True, a=4.1).repeat(2)  # Å: between copper's and gold's, expanded
    atoms.numbers = rng.permutation([29, 79] * (len(atoms) // 2))
    return atoms


def _solid(rng: np.random.Generator) -> Atoms:
    edge, hydrogens = 3.8, 6  # Å, of copper swollen by heat and hydrogen
    atoms = bulk("Cu", cubic=True, a=edge).repeat(2)
    gaps = atoms.positions + [edge / 2, 0, 0]  # the octahedral ones, as many as there are atoms
    return atoms + Atoms(f"H{hydrogens}", positions=gaps[rng.permutation(len(gaps))[:hydrogens]])


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
    "melt": System(_melt, EMT, temperature=1500.0, timestep=5.0, every=10, mixing=600),
    "solid": System(_solid, EMT, temperature=900.0, timestep=2.0, every=20, mixing=600),
    "gas": System(_gas, Methane, temperature=300.0, timestep=1.0, every=50, mixing=2000, friction=0.002),
}


def generate(output: Path, name: str, frames: int, seed: int) -> None:
    """Write the trajectory to the folder ``output``, which appears when it is whole.

    Args:
        output: replaced if it exists.
        name: of the system, in :data:`SYSTEMS`.
        frames: at least 1.
        seed: of the places, the velocities and the mixing.
    """
    if frames < 1:
        raise InputError(f"--frames: {frames} is less than 1")
    system = SYSTEMS[name]
    rng = np.random.default_rng(seed)
    atoms = system.build(rng)
    atoms.calc = system.potential()
    temperature, step = system.temperature, system.timestep * units.fs
    thermalize_momenta(atoms, temperature, rng=rng)

    def langevin(friction: float) -> Langevin:
        return Langevin(
            atoms, step, temperature_K=temperature, friction=friction / units.fs, fixcm=False, rng=rng
        )

    langevin(MIXING_FRICTION).run(system.mixing)
    dynamics = (
        NoseHooverChainNVT(atoms, step, temperature, tdamp=DAMPING * step, tchain=1)
        if system.friction is None
        else langevin(system.friction)
    )
    with replacing_folder(output) as temporary, open(temporary / "trajectory.extxyz", "w") as file:
        for _ in tqdm(range(frames), unit="frame", disable=not sys.stderr.isatty()):
            dynamics.run(system.every)
            ase.io.write(file, _bare(atoms), format="extxyz")


def _bare(atoms: Atoms) -> Atoms:
    """Wrapped, as AIMD programs write their trajectories, with energy and forces, without momenta."""
    frame = atoms.copy()
    frame.arrays.pop("momenta")
    frame.wrap()
    frame.calc = atoms.calc
    return frame


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--system", choices=list(SYSTEMS), required=True, help="what is simulated")
    parser.add_argument("--output", type=output_folder, required=True, help="folder to write")
    parser.add_argument("--frames", type=positive, default=400, help="40 or 50 fs apart (default 400)")
    parser.add_argument("--seed", type=non_negative, default=0, help="determines every frame")


def main(args: argparse.Namespace) -> None:
    generate(args.output, args.system, args.frames, args.seed)
