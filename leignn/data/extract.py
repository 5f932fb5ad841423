"""Write structures of a split as extended XYZ, which ASE and OVITO read."""

import argparse
from pathlib import Path

import ase.io
import numpy as np
from ase import Atoms
from ase.calculators.singlepoint import SinglePointCalculator
from ase.constraints import FixAtoms

from leignn.arguments import non_negative, output_file, positive
from leignn.data.selection import Selection
from leignn.data.structure import Structure
from leignn.errors import InputError
from leignn.files import replacing


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--stores", type=Path, required=True, help="folder with a store for each part")
    parser.add_argument("--manifest", type=Path, required=True, help="split manifest, e.g. test.csv")
    parser.add_argument("--count", type=positive, required=True, help="how many, drawn at random")
    parser.add_argument("--seed", type=non_negative, default=0, help="of the draw")
    parser.add_argument("--output", type=output_file, required=True, help="file (.extxyz)")


def main(args: argparse.Namespace) -> None:
    frames = Selection(args.stores, args.manifest)
    if args.count < 1:
        raise InputError(f"--count: {args.count} is less than 1")
    order = np.random.default_rng(args.seed).permutation(len(frames))[: args.count]
    with replacing(args.output) as temporary:
        ase.io.write(temporary, [to_atoms(frames.structure(i)) for i in order.tolist()], format="extxyz")


def to_atoms(structure: Structure) -> Atoms:
    """The inverse of :meth:`leignn.data.structure.Structure.from_atoms`; missing labels are left out."""
    atoms = Atoms(
        structure.atomic_numbers, structure.pos, cell=structure.cell, pbc=structure.pbc, tags=structure.tags
    )
    atoms.info |= {"system_id": structure.system_id, "frame": structure.frame}
    if structure.fixed.any():
        atoms.set_constraint(FixAtoms(mask=structure.fixed))
    labels: dict[str, float | np.ndarray] = {"energy": structure.energy, "forces": structure.forces}
    found = {name: value for name, value in labels.items() if np.isfinite(value).all()}
    atoms.calc = SinglePointCalculator(atoms, **found)
    return atoms
