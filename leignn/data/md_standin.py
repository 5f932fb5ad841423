"""Generate the EMT stand-in for LiPS: a trajectory of a molten alloy in which the atoms diffuse.

OUTPUT/trajectory.extxyz: copper and gold, half and half, in a periodic cube at 1500 K, computed with ASE's
EMT and a Nosé–Hoover thermostat; one frame each 50 fs. It is both the training data and the reference
that simulations are compared with, as MDSim's AIMD trajectory of LiPS is.
"""

import argparse
import sys
from pathlib import Path

import ase.io
import numpy as np
from ase import Atoms, units
from ase.build import bulk
from ase.calculators.emt import EMT
from ase.md.langevin import Langevin
from ase.md.nose_hoover_chain import NoseHooverChainNVT
from ase.md.velocitydistribution import thermalize_momenta
from tqdm import tqdm

from leignn.arguments import non_negative, output_folder, positive
from leignn.errors import InputError
from leignn.files import replacing_folder

LATTICE_CONSTANT = 4.1  # Å, of the crystal that melts: between copper's and gold's, expanded
TEMPERATURE = 1500.0  # K
TIMESTEP = 5.0  # fs
EVERY = 10  # steps between frames
MELTING = 600  # steps before the first frame
MELTING_FRICTION = 0.02  # 1/fs
DAMPING = 20  # time steps, as MDSim's


def generate(output: Path, frames: int, seed: int) -> None:
    """Write the trajectory to the folder ``output``, which appears when it is whole.

    Args:
        output: replaced if it exists.
        frames: at least 1; 20 a picosecond.
        seed: of the elements' places, the velocities and the melting.
    """
    if frames < 1:
        raise InputError(f"--frames: {frames} is less than 1")
    rng = np.random.default_rng(seed)
    atoms = bulk("Cu", cubic=True, a=LATTICE_CONSTANT).repeat(2)
    atoms.numbers = rng.permutation([29, 79] * (len(atoms) // 2))
    atoms.calc = EMT()
    thermalize_momenta(atoms, TEMPERATURE, rng=rng)
    step = TIMESTEP * units.fs
    Langevin(
        atoms, step, temperature_K=TEMPERATURE, friction=MELTING_FRICTION / units.fs, fixcm=False, rng=rng
    ).run(MELTING)
    dynamics = NoseHooverChainNVT(atoms, step, TEMPERATURE, tdamp=DAMPING * step, tchain=1)
    with replacing_folder(output) as temporary, open(temporary / "trajectory.extxyz", "w") as file:
        for _ in tqdm(range(frames), unit="frame", disable=not sys.stderr.isatty()):
            dynamics.run(EVERY)
            ase.io.write(file, _bare(atoms), format="extxyz")


def _bare(atoms: Atoms) -> Atoms:
    """Wrapped, as AIMD programs write their trajectories, with energy and forces, without momenta."""
    frame = atoms.copy()
    frame.arrays.pop("momenta")
    frame.wrap()
    frame.calc = atoms.calc
    return frame


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--output", type=output_folder, required=True, help="folder to write")
    parser.add_argument("--frames", type=positive, default=400, help="50 fs apart (default 400)")
    parser.add_argument("--seed", type=non_negative, default=0, help="determines every frame")


def main(args: argparse.Namespace) -> None:
    generate(args.output, args.frames, args.seed)
