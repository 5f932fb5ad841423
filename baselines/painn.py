"""PaiNN (Schütt et al. 2021): fairchem-core's network on the project's graph."""

import warnings

from torch import Tensor

from baselines.fairchem_imports import fairchem_imports
from baselines.scale_factors import ScaledPotential
from baselines.symmetric_graph import SymmetricGraph
from leignn.batch import Batch
from leignn.graph import GraphSpec
from leignn.potential import EnergyPotential

with fairchem_imports():
    from fairchem.core.models.painn.painn import PaiNN as FairchemPaiNN


class PaiNNNetwork(FairchemPaiNN):
    """fairchem-core's network, given its edges.

    Its ``forces`` are the direct ones, or none: its gradient forces differentiate the sum of the atoms'
    features instead of the energy.
    """

    def __init__(
        self, graph: GraphSpec, hidden_channels: int, num_layers: int, num_rbf: int, direct_forces: bool
    ) -> None:
        with warnings.catch_warnings():  # of a deprecated call, without effect, to torch-geometric
            warnings.simplefilter("ignore", UserWarning)
            super().__init__(
                hidden_channels,
                num_layers,
                num_rbf,
                graph.cutoff,
                graph.max_neighbors,
                regress_forces=direct_forces,
                direct_forces=direct_forces,
            )

    def generate_graph_values(self, data: SymmetricGraph) -> tuple[Tensor | None, ...]:
        """Edges, their distances in Å and directions; the network reads nothing else."""
        return data.edge_index, None, data.distance, data.direction, None


class PaiNN(ScaledPotential, EnergyPotential):
    """Energies by equivariant message passing, forces as their negative gradient.

    Args:
        graph: cutoff in Å, number of neighbours, rule.
        hidden_channels: channels of an atom's scalars and vectors.
        num_layers: message-passing layers.
        num_rbf: radial basis functions.
    """

    def __init__(self, graph: GraphSpec, hidden_channels: int, num_layers: int, num_rbf: int) -> None:
        super().__init__()
        self.graph = graph
        self.network = PaiNNNetwork(graph, hidden_channels, num_layers, num_rbf, direct_forces=False)

    def energies(self, batch: Batch) -> Tensor:
        """See :class:`leignn.potential.EnergyPotential`."""
        return self.output(batch)["energy"]


class PaiNNDirect(ScaledPotential):
    """PaiNN with forces read from the atoms' vectors; arguments as for :class:`PaiNN`."""

    def __init__(self, graph: GraphSpec, hidden_channels: int, num_layers: int, num_rbf: int) -> None:
        super().__init__()
        self.graph = graph
        self.network = PaiNNNetwork(graph, hidden_channels, num_layers, num_rbf, direct_forces=True)

    def forward(self, batch: Batch) -> dict[str, Tensor]:
        """See :class:`leignn.potential.Potential`."""
        output = self.output(batch)
        # fairchem-core squeezes the forces of a single atom to (3,).
        return {**output, "forces": output["forces"].view(-1, 3)}
