"""A trained potential as an ASE calculator: relaxations, molecular dynamics, anything ASE runs."""

import copy
from pathlib import Path

import numpy as np
import torch
from ase import Atoms
from ase.calculators.calculator import Calculator, all_changes
from torch_geometric.data import Batch

from leignn.data.frames import collate
from leignn.data.structure import Structure
from leignn.trained import load_trained
from leignn.verlet import VerletList


class LEIGNNCalculator(Calculator):
    """ASE calculator of any potential that ``train`` wrote.

    From one call to the next the candidates of the neighbour graph are kept, and the batch on the device.

    Args:
        checkpoint: ``checkpoint.pt`` of a run.
        device: where the model runs, e.g. "cpu" or "cuda".
        wrap: False loses neighbours of atoms that have left the cell: see :class:`VerletList`.

    Results: ``energy`` in eV (what the data set calls energy, with the training mean added back)
    and ``forces`` (n, 3) in eV/Å.

    Raises:
        InputError: the checkpoint cannot be loaded, or the cell is singular.
    """

    implemented_properties = ["energy", "free_energy", "forces"]

    def __init__(self, checkpoint: str | Path, device: str = "cpu", wrap: bool = True, **kwargs) -> None:
        super().__init__(**kwargs)
        self.device = device
        self.trained = load_trained(Path(checkpoint), device)
        spec = self.trained.graph
        self.neighbors = None if spec is None else VerletList(spec, device, wrap=wrap)
        self._batch: Batch | None = None

    def calculate(
        self,
        atoms: Atoms | None = None,
        properties: list[str] | None = None,
        system_changes: list[str] = all_changes,
    ) -> None:
        """Compute energy and forces of ``atoms``."""
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
        if self._batch is None or set(system_changes) - {"positions"}:
            self._batch = collate([Structure.from_atoms(self.atoms)]).to(self.device)
        batch = copy.copy(self._batch)
        batch.pos = torch.from_numpy(self.atoms.positions).to(self.device, batch.pos.dtype)
        if self.neighbors is not None:
            cell, pbc = self.atoms.cell.array, self.atoms.pbc
            batch.edge_index, batch.cell_offsets = self.neighbors.edges(self.atoms.positions, cell, pbc)
            batch.neighbors = torch.tensor([batch.edge_index.shape[1]], device=self.device)
        return batch
