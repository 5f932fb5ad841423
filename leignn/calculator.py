"""A trained potential as an ASE calculator: relaxations, molecular dynamics, anything ASE runs."""

from pathlib import Path

import numpy as np
import torch
from ase import Atoms
from ase.calculators.calculator import Calculator, all_changes

from leignn.data.frames import collate
from leignn.data.structure import Structure
from leignn.neighbors import nearest_edges_of
from leignn.trained import load_trained


class LEIGNNCalculator(Calculator):
    """ASE calculator of any potential that ``train`` wrote.

    Args:
        checkpoint: ``checkpoint.pt`` of a run.
        device: where the model runs, e.g. "cpu" or "cuda".

    Results: ``energy`` in eV (what the data set calls energy, with the training mean added back)
    and ``forces`` (n, 3) in eV/Å.

    Raises:
        InputError: the checkpoint cannot be loaded, or the cell is singular.
    """

    implemented_properties = ["energy", "free_energy", "forces"]

    def __init__(self, checkpoint: str | Path, device: str = "cpu", **kwargs) -> None:
        super().__init__(**kwargs)
        self.device = device
        self.trained = load_trained(Path(checkpoint), device)

    def calculate(
        self,
        atoms: Atoms | None = None,
        properties: list[str] | None = None,
        system_changes: list[str] = all_changes,
    ) -> None:
        """Compute energy and forces of ``atoms``."""
        super().calculate(atoms, properties, system_changes)
        structure = Structure.from_atoms(self.atoms)
        edges = None
        if self.trained.graph is not None:
            edges = [nearest_edges_of(structure.pos, structure.cell, structure.pbc, self.trained.graph)]
        with torch.no_grad():
            output = self.trained(collate([structure], edges).to(self.device))
        energy = float(output["energy"][0])
        self.results = {
            "energy": energy,
            "free_energy": energy,
            "forces": output["forces"].double().cpu().numpy().astype(np.float64),
        }
