"""A trained potential as an ASE calculator: relaxations, molecular dynamics, anything ASE runs."""

import copy
import threading
from pathlib import Path
from typing import Any

import numpy as np
import torch
from ase import Atoms
from ase.calculators.calculator import Calculator, all_changes
from torch_geometric.data import Batch

from leignn.data.frames import collate
from leignn.data.structure import Structure
from leignn.errors import InputError
from leignn.rounding import rounded
from leignn.trained import load_trained
from leignn.verlet import VerletList


class LEIGNNCalculator(Calculator):
    """ASE calculator of any potential that ``train`` wrote.

    From one call to the next the candidates of the neighbour graph are kept, and the batch on the device.
    Threads may share a calculator; they take turns.

    Args:
        checkpoint: ``checkpoint.pt`` of a run.
        device: where the model runs, e.g. "cpu" or "cuda".
        wrap: False loses neighbours of atoms that have left the cell: see :class:`VerletList`.

    Results: ``energy`` in eV (what the data set calls energy, with the training mean added back)
    and ``forces`` (n, 3) in eV/Å.

    Raises:
        InputError: the checkpoint cannot be loaded, the structure has no atom or an element that the model
            was not trained on, a position is no number, or the cell is singular.
    """

    implemented_properties = ["energy", "free_energy", "forces"]

    def __init__(self, checkpoint: str | Path, device: str = "cpu", wrap: bool = True, **kwargs) -> None:
        super().__init__(**kwargs)
        self.device = device
        self.trained = load_trained(Path(checkpoint), device)
        spec = self.trained.graph
        self.neighbors = None if spec is None else VerletList(spec, device, wrap=wrap)
        self._batch: Batch | None = None
        self._lock = threading.RLock()

    def __getstate__(self) -> dict[str, Any]:  # for copies: a lock has none
        return {name: value for name, value in vars(self).items() if name != "_lock"}

    def __setstate__(self, state: dict[str, Any]) -> None:
        vars(self).update(state, _lock=threading.RLock())

    def get_property(self, name: str, atoms: Atoms | None = None, allow_calculation: bool = True) -> Any:
        """ASE's, by one thread at a time: it keeps the last structure and its results."""
        with self._lock:
            return super().get_property(name, atoms, allow_calculation)

    def calculate(
        self,
        atoms: Atoms | None = None,
        properties: list[str] | None = None,
        system_changes: list[str] = all_changes,
    ) -> None:
        """Compute energy and forces of ``atoms``."""
        with self._lock:
            super().calculate(atoms, properties, system_changes)
            with torch.no_grad():
                output = self.trained(self._batch_of(system_changes))
            energy = float(output["energy"][0])
            self.results = {
                "energy": energy,
                "free_energy": energy,
                "forces": output["forces"].double().cpu().numpy().astype(np.float64),
            }

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
