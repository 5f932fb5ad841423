"""SchNet (Schütt et al. 2017): torch-geometric's network on the project's graph."""

import torch
from torch import Tensor
from torch_geometric.nn.models import SchNet as SchNetNetwork

from leignn.batch import Batch
from leignn.graph import GraphSpec
from leignn.potential import EnergyPotential


class SchNet(EnergyPotential):
    """Energies by continuous-filter convolutions, forces as their negative gradient.

    The network is the one of Open Catalyst's ``SchNetWrap``; its distances come from our periodic
    edges, through the network's own ``interaction_graph`` hook.

    Args:
        graph: cutoff in Å, number of neighbours, rule.
        hidden_channels: F, channels of an atom.
        num_filters: channels of the continuous filters.
        num_interactions: number of interaction blocks.
        num_gaussians: radial basis functions from 0 to the cutoff.
    """

    def __init__(
        self,
        graph: GraphSpec,
        hidden_channels: int,
        num_filters: int,
        num_interactions: int,
        num_gaussians: int,
    ) -> None:
        super().__init__()
        self.graph = graph
        self._edges: tuple[Tensor, Tensor] | None = None
        self.network = SchNetNetwork(
            hidden_channels=hidden_channels,
            num_filters=num_filters,
            num_interactions=num_interactions,
            num_gaussians=num_gaussians,
            cutoff=graph.cutoff,
            readout="add",
            interaction_graph=self._given_edges,
        )

    def _given_edges(self, pos: Tensor, batch: Tensor) -> tuple[Tensor, Tensor] | None:
        return self._edges

    def energies(self, batch: Batch) -> Tensor:
        """See :class:`leignn.potential.EnergyPotential`."""
        edge_index, vector = self.edges(batch)
        self._edges = edge_index, torch.linalg.vector_norm(vector, dim=1)
        energy = self.network(batch.atomic_numbers, batch.pos, batch.batch).squeeze(1)
        self._edges = None
        return energy
