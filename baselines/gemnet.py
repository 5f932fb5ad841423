"""GemNet-T and GemNet-dT (Gasteiger et al. 2021): fairchem-core's network on the project's graph."""

from torch import Tensor

from baselines.fairchem_imports import fairchem_imports
from baselines.scale_factors import ScaledPotential
from baselines.symmetric_graph import SymmetricGraph
from leignn.batch import Batch
from leignn.graph import GraphSpec
from leignn.potential import EnergyPotential

with fairchem_imports():
    from fairchem.core.models.gemnet.gemnet import GemNetT as FairchemGemNetT
    from fairchem.core.models.gemnet.layers.efficient import EfficientInteractionBilinear


class Bilinear(EfficientInteractionBilinear):
    """fairchem-core's bilinear layer, which fails where no atom has two neighbours."""

    def forward(
        self, basis: tuple[Tensor, Tensor], m: Tensor, id_reduce: Tensor, id_ragged_idx: Tensor
    ) -> Tensor:
        """Sum over triplets, (E, units_out); zero without any."""
        if not len(id_reduce):
            return m.new_zeros(len(basis[0]), self.units_out)
        return super().forward(basis, m, id_reduce, id_ragged_idx)


class GemNetNetwork(FairchemGemNetT):
    """fairchem-core's network, given its edges."""

    def generate_interaction_graph(self, data: SymmetricGraph) -> tuple[Tensor | None, ...]:
        """Edges, distances in Å, directions from source to target, counter-edges and triplets."""
        triplets = self.get_triplets(data.edge_index, len(data.pos))
        return data.edge_index, None, data.distance, -data.direction, data.counter, *triplets


class GemNet(ScaledPotential):
    """Messages on edges that see angles.

    Args:
        graph: cutoff in Å, number of neighbours, rule.
        num_blocks: interaction blocks.
        emb_size_atom, emb_size_edge: channels of an atom and of an edge.
        emb_size_trip: channels of an edge while it meets the angles.
        emb_size_rbf, emb_size_cbf, emb_size_bil_trip: channels of the embedded radial and angular basis, and
            of their product with the edges.
        num_radial, num_spherical: radial and angular basis functions.
        num_before_skip, num_after_skip, num_concat, num_atom: residual layers in each part of a block.
    """

    direct_forces: bool

    def __init__(
        self,
        graph: GraphSpec,
        num_blocks: int,
        emb_size_atom: int,
        emb_size_edge: int,
        emb_size_trip: int,
        emb_size_rbf: int,
        emb_size_cbf: int,
        emb_size_bil_trip: int,
        num_radial: int,
        num_spherical: int,
        num_before_skip: int,
        num_after_skip: int,
        num_concat: int,
        num_atom: int,
    ) -> None:
        super().__init__()
        self.graph = graph
        self.network = GemNetNetwork(
            num_spherical=num_spherical,
            num_radial=num_radial,
            num_blocks=num_blocks,
            emb_size_atom=emb_size_atom,
            emb_size_edge=emb_size_edge,
            emb_size_trip=emb_size_trip,
            emb_size_rbf=emb_size_rbf,
            emb_size_cbf=emb_size_cbf,
            emb_size_bil_trip=emb_size_bil_trip,
            num_before_skip=num_before_skip,
            num_after_skip=num_after_skip,
            num_concat=num_concat,
            num_atom=num_atom,
            regress_forces=self.direct_forces,
            direct_forces=self.direct_forces,
            cutoff=graph.cutoff,
            max_neighbors=graph.max_neighbors,
            otf_graph=True,  # else it refuses other cutoffs than 6 Å; the graph is ours anyway
        )
        for block in self.network.int_blocks:
            block.trip_interaction.mlp_cbf = Bilinear(emb_size_trip, emb_size_cbf, emb_size_bil_trip)


class GemNetT(GemNet, EnergyPotential):
    """Energies, and forces as their negative gradient; arguments as for :class:`GemNet`."""

    direct_forces = False

    def energies(self, batch: Batch) -> Tensor:
        """See :class:`leignn.potential.EnergyPotential`."""
        return self.output(batch)["energy"].squeeze(1)


class GemNetDT(GemNet):
    """Energies, and direct forces along the edges; arguments as for :class:`GemNet`."""

    direct_forces = True

    def forward(self, batch: Batch) -> dict[str, Tensor]:
        """See :class:`leignn.potential.Potential`."""
        output = self.output(batch)
        return {"energy": output["energy"].squeeze(1), "forces": output["forces"]}
