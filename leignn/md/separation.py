"""Measure what global phases couple: two molecules' effect on each other's energy and forces, by distance."""

import argparse
from collections.abc import Iterator
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import torch
from ase import Atoms
from ase.build import molecule

from leignn.arguments import add_device, add_threads, output_file
from leignn.calculator import LEIGNNCalculator
from leignn.errors import InputError, RunFailedError
from leignn.md.limitations import write_rows
from leignn.md.start import check_known
from leignn.potential import EnergyPotential

MOLECULES = ("CO", "NH3")  # of elements that the stand-in's adsorbates have
SEPARATIONS = (4.0, 5.0, 6.0, 8.0, 10.0, 14.0, 20.0, 30.0, 50.0)  # Å


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--checkpoint", type=Path, required=True, help="RUN/checkpoint.pt")
    parser.add_argument(
        "--separations",
        type=float,
        nargs="+",
        default=SEPARATIONS,
        help="Å between the molecules' centres (default 4 … 50)",
    )
    add_threads(parser)
    add_device(parser)
    parser.add_argument("--output", type=output_file, required=True, help="table (.csv)")


def main(args: argparse.Namespace) -> None:
    if args.threads:
        torch.set_num_threads(args.threads)
    if wrong := [s for s in args.separations if not s > 0]:
        raise InputError(f"--separations: {wrong[0]} Å is not positive")
    write_rows(args.checkpoint, "pair_energy", partial(_rows, args), args.output)


def _rows(args: argparse.Namespace) -> Iterator[dict[str, Any]]:
    calculator = LEIGNNCalculator(args.checkpoint, args.device)
    direct = not isinstance(calculator.trained.potential, EnergyPotential)
    one, other = (molecule(name) for name in MOLECULES)
    for name, atoms in zip(MOLECULES, (one, other), strict=True):
        try:
            check_known(atoms, calculator.trained, name)
        except InputError as error:  # of molecules that are ours: a row, and no end of the other rows
            raise RunFailedError(str(error)) from error
    for separation in args.separations:
        energy, forces = coupling(calculator, one, other, separation)
        row = {"direct_forces": direct, "separation_ang": separation}
        yield row | {"value": 1000 * energy, "unit": "meV"}
        yield row | {"experiment": "pair_forces", "value": 1000 * forces, "unit": "meV/Å"}


def coupling(
    calculator: LEIGNNCalculator, one: Atoms, other: Atoms, separation: float
) -> tuple[float, float]:
    """What two molecules do to each other in a periodic cube of twice their separation.

    Args:
        calculator: of the potential.
        one, other: the molecules.
        separation: Å between their centres of mass.

    Returns:
        E(both) − E(one) − E(other) in eV, without the energy shift of the data set; and the largest
        change of an atom's force by the other molecule's presence, eV/Å.
    """
    fragments = []
    for atoms, place in ((one, 0.5), (other, 1.5)):
        fragment = atoms.copy()
        fragment.set_cell(np.eye(3) * 2 * separation)
        fragment.pbc = True
        fragment.positions += [place * separation, separation, separation] - fragment.get_center_of_mass()
        fragments.append(fragment)
    energies, forces = [], []
    for atoms in (*fragments, fragments[0] + fragments[1]):
        atoms.calc = calculator
        forces.append(atoms.get_forces())
        energies.append(atoms.get_potential_energy() - calculator.trained.energy_shift)
    change = forces[2] - np.concatenate(forces[:2])
    return energies[2] - energies[0] - energies[1], np.linalg.norm(change, axis=1).max()
