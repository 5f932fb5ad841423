"""The Lennard-Jones potential, its parameters learned from the training forces."""

import torch
from ase.data import covalent_radii
from torch import Tensor, nn

from leignn.batch import Batch
from leignn.graph import GraphSpec
from leignn.potential import EnergyPotential

ONSET = 0.66  # of the cutoff: from here on the energy of a pair is switched off, as in ASE's calculator
INITIAL_DEPTH = 0.1  # eV


class LennardJones(EnergyPotential):
    """4 ε ((σ/r)¹² − (σ/r)⁶) between all pairs within the cutoff, switched off smoothly before it.

    Each element has ε and σ, pairs have the geometric mean of ε and the arithmetic mean of σ
    (Lorentz-Berthelot). Before training, ε is 0.1 eV for all and the minimum of a pair lies at the sum
    of its covalent radii. Each element has a constant energy besides.

    Args:
        graph: cutoff in Å, number of neighbours, rule.
    """

    graph: GraphSpec

    def __init__(self, graph: GraphSpec) -> None:
        super().__init__()
        self.graph = graph
        sigma = 2 ** (5 / 6) * torch.from_numpy(covalent_radii).float()
        self.log_sigma = nn.Parameter(sigma.log())  # Å
        self.log_epsilon = nn.Parameter(torch.full_like(sigma, INITIAL_DEPTH).log())  # eV
        self.constant = nn.Parameter(torch.zeros_like(sigma))  # eV

    def energies(self, batch: Batch) -> Tensor:
        """Energies (B,) in eV; see :class:`leignn.potential.EnergyPotential`."""
        (source, target), vector = self.edges(batch)
        sigma = self.log_sigma.exp()[batch.atomic_numbers]
        log_epsilon = self.log_epsilon[batch.atomic_numbers]
        sixth = ((sigma[source] + sigma[target]) / 2).square() / vector.square().sum(1)
        sixth = sixth**3  # (σ/r)⁶
        epsilon = ((log_epsilon[source] + log_epsilon[target]) / 2).exp()
        pair = 4 * epsilon * (sixth**2 - sixth) * self._switch(vector)
        energy = self.constant[batch.atomic_numbers].index_add(0, target, pair / 2)  # each pair has two edges
        return energy.new_zeros(len(batch.natoms)).index_add(0, batch.batch, energy)

    def _switch(self, vector: Tensor) -> Tensor:
        """1 up to the onset, 0 at the cutoff, with a continuous derivative; of r² (E,)."""
        x = (vector.square().sum(1) / self.graph.cutoff**2 - ONSET**2) / (1 - ONSET**2)
        x = x.clamp(0, 1)
        return 1 - x**2 * (3 - 2 * x)
