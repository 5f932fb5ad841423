"""Pretrained universal potentials, evaluated as they are through their ASE calculators.

Another one is a function here that makes its calculator, and a file in ``config/models``. Their
energies are total energies of their own level of theory: where a data set's energy is something else
(adsorption energies), only the forces compare.
"""

import contextlib
import io
import sys
import types
import warnings
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import torch
from ase import Atoms
from ase.calculators.calculator import Calculator
from torch import Tensor

from leignn.batch import Batch
from leignn.errors import RunFailedError
from leignn.graph import GraphSpec
from leignn.potential import Potential

VACUUM = 10.0  # Å on both sides, where a direction is not periodic


def chgnet(device: str) -> Calculator:
    """CHGNet 0.3.0 (Deng et al. 2023; PBE+U of Materials Project), whose weights are in its wheel."""
    # chgnet imports this package to find the GPU with most memory, which nothing here asks for; there
    # is no wheel of it.
    sys.modules.setdefault("nvidia_smi", types.ModuleType("nvidia_smi"))
    import chgnet as package
    from chgnet.model.dynamics import CHGNetCalculator
    from chgnet.model.model import CHGNet

    weights = Path(package.__file__).parent / "pretrained" / "0.3.0" / "chgnet_0.3.0_e29f68s314m37.pth.tar"
    # chgnet itself would unpickle this file without restrictions.
    content = torch.load(weights, map_location="cpu", weights_only=True)
    model = CHGNet.from_dict(content["model"])
    calculator: Any = CHGNetCalculator(model, use_device=device, on_isolated_atoms="ignore")
    calculator.calculate = partial(calculator.calculate, task="ef")  # neither stress nor magnetic moments
    return calculator


CALCULATORS: dict[str, Callable[[str], Calculator]] = {"chgnet": chgnet}


class PretrainedCalculator(Potential):
    """An ASE calculator as a potential: nothing to train, and a graph of its own.

    Every calculator is asked for fully periodic structures. A direction that is not periodic gets
    :data:`VACUUM` on both sides.

    Args:
        graph: not used.
        calculator: name in :data:`CALCULATORS`.
    """

    def __init__(self, graph: GraphSpec, calculator: str) -> None:
        super().__init__()
        self.calculator = calculator
        self._made: tuple[str, Calculator] | None = None  # device, calculator

    def _on(self, device: str) -> Calculator:
        if self._made is None or self._made[0] != device:
            try:
                with contextlib.redirect_stdout(io.StringIO()):  # banners
                    self._made = device, CALCULATORS[self.calculator](device)
            except ModuleNotFoundError as error:
                raise RunFailedError(
                    f"{self.calculator} needs the package {error.name!r}: pip install --no-deps, where "
                    "requirements-nodeps.txt has one for this Python"
                ) from error
        return self._made[1]

    def forward(self, batch: Batch) -> dict[str, Tensor]:
        """See :class:`leignn.potential.Potential`.

        Raises:
            RunFailedError: the calculator's package is missing, or it refuses a structure, for instance an
                element it does not know.
        """
        calculator = self._on(batch.pos.device.type)
        sizes = batch.natoms.tolist()
        energies, forces = [], []
        for numbers, positions, cell, pbc in zip(
            batch.atomic_numbers.cpu().split(sizes),
            batch.pos.detach().double().cpu().split(sizes),
            batch.cell.double().cpu(),
            batch.pbc.cpu(),
            strict=True,
        ):
            atoms = Atoms(numbers.numpy(), positions.numpy(), cell=cell.numpy(), pbc=pbc.numpy())
            if not atoms.pbc.all():
                atoms.center(VACUUM, axis=np.flatnonzero(~atoms.pbc))
                atoms.pbc = True
            try:
                with torch.enable_grad(), warnings.catch_warnings():
                    warnings.simplefilter("ignore")
                    calculator.calculate(atoms)
            except Exception as error:  # whatever a foreign package raises
                raise RunFailedError(f"{self.calculator} cannot evaluate {atoms.symbols}: {error}") from error
            energies.append(float(calculator.results["energy"]))
            forces.append(torch.as_tensor(np.array(calculator.results["forces"])))
        return {
            "energy": torch.tensor(energies, dtype=torch.float64, device=batch.pos.device),
            "forces": torch.cat(forces).to(batch.pos),
        }
