"""A trained potential as an ASE calculator: relaxations, molecular dynamics, anything ASE runs."""

import copy
import threading
from pathlib import Path
from typing import Any

import numpy as np
import torch
from ase import Atoms
from ase.calculators.calculator import PropertyNotImplementedError, all_changes
from ase.stress import full_3x3_to_voigt_6_stress

from leignn.batch import Batch
from leignn.data.frames import collate
from leignn.data.structure import Structure
from leignn.errors import InputError
from leignn.exact_calculator import ExactCalculator
from leignn.rounding import rounded
from leignn.trained import load_trained
from leignn.verlet import VerletList


class LEIGNNCalculator(ExactCalculator):
    """ASE calculator of any potential that ``train`` wrote.

    From one call to the next the candidates of the neighbour graph are kept, and the batch on the device.
    Threads may share a calculator; they take turns.

    Args:
        checkpoint: ``checkpoint.pt`` of a run.
        device: where the model runs, e.g. "cpu" or "cuda".
        wrap: False loses neighbours of atoms that have left the cell: see :class:`VerletList`.

    Results: ``energy`` in eV (what the data set calls energy, with the training mean added back),
    ``forces`` (n, 3) in eV/Å, and, where forces are the gradient of the energy, ``stress`` (6,) in
    eV/Å³. Once asked for, the stress is computed with every structure.

    Raises:
        PropertyNotImplementedError: the stress of a model whose forces are direct.
        InputError: the checkpoint cannot be loaded, the structure has no atom or an element that the model
            was not trained on, a position is no number, or the cell is singular.
    """

    implemented_properties = ["energy", "free_energy", "forces", "stress"]

    def __init__(self, checkpoint: str | Path, device: str = "cpu", wrap: bool = True, **kwargs) -> None:
        super().__init__(**kwargs)
        self.device = device
        self.trained = load_trained(Path(checkpoint), device)
        spec = self.trained.graph
        self.neighbors = None if spec is None else VerletList(spec, device, wrap=wrap)
        if self.trained.why_no_stress:
            self.implemented_properties = ["energy", "free_energy", "forces"]
        self._stress = False  # whether it has been asked for
        self._batch: Batch | None = None
        self._lock = threading.RLock()

    def __getstate__(self) -> dict[str, Any]:  # for copies: a lock has none
        return {name: value for name, value in vars(self).items() if name != "_lock"}

    def __setstate__(self, state: dict[str, Any]) -> None:
        self.__dict__.update(state, _lock=threading.RLock())

    def get_property(self, name: str, atoms: Atoms | None = None, allow_calculation: bool = True) -> Any:
        """ASE's, by one thread at a time: it keeps the last structure and its results."""
        if name == "stress" and self.trained.why_no_stress:
            raise PropertyNotImplementedError(self.trained.why_no_stress)
        with self._lock:
            return super().get_property(name, atoms, allow_calculation)

    def calculate(
        self,
        atoms: Atoms | None = None,
        properties: list[str] | None = None,
        system_changes: list[str] = all_changes,
    ) -> None:
        """Compute energy and forces of ``atoms``, and the stress if it is wanted."""
        with self._lock:
            super().calculate(atoms, properties, system_changes)
            self._stress |= "stress" in (properties or [])
            with torch.no_grad():
                output = self.trained(self._batch_of(system_changes), self._stress, again=True)
            energy = float(output["energy"][0])
            self.results = {
                "energy": energy,
                "free_energy": energy,
                "forces": output["forces"].double().cpu().numpy().astype(np.float64),
            }
            if self._stress:
                stress = output["stress"][0].double().cpu().numpy()
                self.results["stress"] = full_3x3_to_voigt_6_stress(stress)

    def _batch_of(self, system_changes: list[str]) -> Batch:
        """The batch of ``self.atoms``; only what has changed is made anew."""
        positions = self.atoms.positions
        if self._batch is None or set(system_changes) - {"positions"}:
            if not len(self.atoms):
                raise InputError("the structure has no atom")
            self.trained.check_elements(torch.from_numpy(self.atoms.numbers))
            batch = collate([Structure.from_atoms(self.atoms)], dtype=torch.float64)
            self._batch = batch.to(self.device)
        if not np.isfinite(positions).all():
            atom = int(np.argmin(np.isfinite(positions).all(1)))
            raise InputError(f"atom {atom} has position {positions[atom].tolist()}")
        batch = copy.copy(self._batch)
        batch.pos = torch.from_numpy(positions).to(self.device)
        if self.neighbors is not None:
            cell, pbc = self.atoms.cell.array, self.atoms.pbc
            batch.edge_index, batch.cell_offsets = self.neighbors.edges(positions, cell, pbc)
            batch.neighbors = torch.tensor([batch.edge_index.shape[1]], device=self.device)
        return rounded(batch, self.trained.dtype)
