"""DimeNet++ (Gasteiger et al. 2020): fairchem-core's network on the project's graph."""

import math

import torch
from torch import Tensor
from torch_geometric.data import Batch

from baselines.fairchem_imports import fairchem_imports
from leignn.graph import GraphSpec
from leignn.potential import EnergyPotential

with fairchem_imports():
    from fairchem.core.models.dimenet_plus_plus import DimeNetPlusPlus as Network


def zonal_harmonics(cosine: Tensor, number: int) -> Tensor:
    """Y_l0 = √((2l + 1)/4π) P_l(cos θ) of ``cosine`` (T,) for l below ``number``, (T, number)."""
    legendre = [torch.ones_like(cosine), cosine]
    for degree in range(1, number - 1):
        following = (2 * degree + 1) * cosine * legendre[degree] - degree * legendre[degree - 1]
        legendre.append(following / (degree + 1))
    return torch.stack(
        [math.sqrt((2 * degree + 1) / (4 * math.pi)) * legendre[degree] for degree in range(number)], dim=1
    )


class DimeNetPlusPlus(EnergyPotential):
    """Energies by messages on directed edges that see angles, forces as their negative gradient.

    The blocks are fairchem-core's; the angular basis is not. fairchem-core takes the angle from detached
    positions, so that its forces lack the angles' part and are no gradient of the energy. The basis is made
    of polynomials of the angle's cosine, which, unlike the angle, has a derivative for atoms in a row.

    Args:
        graph: cutoff in Å, number of neighbours, rule.
        hidden_channels: channels of a message.
        out_emb_channels: channels of an atom in the output blocks.
        num_blocks: interaction blocks.
        int_emb_size: channels of a message while it meets the angles.
        basis_emb_size: channels of the embedded basis.
        num_spherical, num_radial: angular and radial basis functions.
    """

    def __init__(
        self,
        graph: GraphSpec,
        hidden_channels: int,
        out_emb_channels: int,
        num_blocks: int,
        int_emb_size: int,
        basis_emb_size: int,
        num_spherical: int,
        num_radial: int,
    ) -> None:
        super().__init__()
        self.graph = graph
        self.network = Network(
            hidden_channels=hidden_channels,
            out_channels=1,
            num_blocks=num_blocks,
            int_emb_size=int_emb_size,
            basis_emb_size=basis_emb_size,
            out_emb_channels=out_emb_channels,
            num_spherical=num_spherical,
            num_radial=num_radial,
            cutoff=graph.cutoff,
        )

    def energies(self, batch: Batch) -> Tensor:
        """See :class:`leignn.potential.EnergyPotential`."""
        network, atoms = self.network, len(batch.pos)
        edge_index, vector = self.edges(batch)
        source, target = edge_index
        distance = torch.linalg.vector_norm(vector, dim=1)
        radial = network.rbf(distance)
        # Of the triplets k → j → i: the edges k → j and j → i.
        *_, inner, outer = network.triplets(edge_index, batch.cell_offsets, atoms)
        spherical = self.spherical_basis(vector, distance, inner, outer)

        message = network.emb(batch.atomic_numbers, radial, target, source)
        atom_energy = network.output_blocks[0](message, radial, target, num_nodes=atoms)
        for interaction, output in zip(network.interaction_blocks, network.output_blocks[1:], strict=True):
            message = interaction(message, radial, spherical, inner, outer)
            atom_energy = atom_energy + output(message, radial, target, num_nodes=atoms)
        energy = atom_energy.new_zeros(len(batch.natoms))
        return energy.index_add(0, batch.batch, atom_energy.squeeze(1))

    def spherical_basis(self, vector: Tensor, distance: Tensor, inner: Tensor, outer: Tensor) -> Tensor:
        """Bessel functions of |r_kj| times harmonics of the angle between r_kj and r_ji.

        Args:
            vector: (E, 3) edges' vectors in Å.
            distance: (E,) their lengths.
            inner: (T,) the edge k → j of each triplet.
            outer: (T,) its edge j → i.

        Returns:
            (T, num_spherical · num_radial).
        """
        layer = self.network.sbf
        scaled = distance / layer.cutoff
        bessel = torch.stack([function(scaled) for function in layer.bessel_funcs], dim=1)
        bessel = (layer.envelope(scaled).unsqueeze(1) * bessel).view(
            -1, layer.num_spherical, layer.num_radial
        )
        unit = vector / distance.unsqueeze(1)
        cosine = (unit[inner] * unit[outer]).sum(1)
        harmonics = zonal_harmonics(cosine, layer.num_spherical)
        return (bessel[inner] * harmonics.unsqueeze(2)).flatten(1)
