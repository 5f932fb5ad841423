"""DimeNet++ (Gasteiger et al. 2020): fairchem-core's blocks on the project's graph."""

import math

import numpy as np
import torch
from scipy.special import spherical_jn
from torch import Tensor, nn
from torch_geometric.nn.models.dimenet import BesselBasisLayer, EmbeddingBlock, Envelope
from torch_geometric.nn.models.dimenet_utils import Jn_zeros

from baselines.fairchem_imports import fairchem_imports
from leignn.batch import Batch
from leignn.graph import GraphSpec
from leignn.potential import EnergyPotential

with fairchem_imports():
    from fairchem.core.models.dimenet_plus_plus import InteractionPPBlock, OutputPPBlock

ENVELOPE_EXPONENT = 5


class SphericalBasis(nn.Module):
    """Spherical Bessel functions of a distance times zonal harmonics of an angle.

    e_lk(d, θ) = env(d/D) · √2 / |j_{l+1}(z_lk)| · j_l(z_lk d/D) · Y_l0(θ), z_lk the k-th zero of j_l.

    The values of torch-geometric's layer, with two differences. It takes the angle's cosine, which, unlike
    the angle, has a derivative for atoms in a row. And it is ready at once: torch-geometric has sympy
    simplify every function, some 10 s at the published size in every process.
    """

    zeros: Tensor  # (num_spherical, num_radial)
    norms: Tensor

    def __init__(self, num_spherical: int, num_radial: int, cutoff: float) -> None:
        super().__init__()
        self.cutoff, self.num_spherical = cutoff, num_spherical
        self.envelope = Envelope(ENVELOPE_EXPONENT)
        zeros = Jn_zeros(num_spherical, num_radial)
        norms = [1 / np.abs(spherical_jn(degree + 1, zeros[degree])) for degree in range(num_spherical)]
        self.register_buffer("zeros", torch.from_numpy(zeros), persistent=False)
        self.register_buffer(
            "norms", torch.from_numpy(math.sqrt(2) * np.stack(norms)).float(), persistent=False
        )

    def radial(self, distance: Tensor) -> Tensor:
        """(E,) distances in Å to (E, num_spherical, num_radial)."""
        scaled = distance / self.cutoff
        functions = []
        for degree in range(self.num_spherical):
            x = scaled.unsqueeze(1) * self.zeros[degree]
            bessel = [torch.sin(x) / x]
            bessel.append((bessel[0] - torch.cos(x)) / x)
            for order in range(1, degree):
                bessel.append((2 * order + 1) / x * bessel[order] - bessel[order - 1])
            functions.append(self.norms[degree] * bessel[degree])
        return self.envelope(scaled).view(-1, 1, 1) * torch.stack(functions, dim=1)

    def angular(self, cosine: Tensor) -> Tensor:
        """Y_l0 = √((2l + 1)/4π) P_l(cos θ): (T,) cosines to (T, num_spherical)."""
        legendre = [torch.ones_like(cosine), cosine]
        for order in range(1, self.num_spherical - 1):
            following = (2 * order + 1) * cosine * legendre[order] - order * legendre[order - 1]
            legendre.append(following / (order + 1))
        norms = [math.sqrt((2 * degree + 1) / (4 * math.pi)) for degree in range(self.num_spherical)]
        return torch.stack(
            [norm * value for norm, value in zip(norms, legendre[: self.num_spherical], strict=True)], dim=1
        )

    def forward(self, vector: Tensor, distance: Tensor, inner: Tensor, outer: Tensor) -> Tensor:
        """The basis of every triplet k → j → i, of |r_kj| and the angle between r_kj and r_ji.

        Args:
            vector: (E, 3) edges' vectors in Å.
            distance: (E,) their lengths.
            inner: (T,) the edge k → j of each triplet.
            outer: (T,) its edge j → i.

        Returns:
            (T, num_spherical · num_radial).
        """
        unit = vector / distance.unsqueeze(1)
        cosine = (unit.index_select(0, inner) * unit.index_select(0, outer)).sum(1)
        radial = self.radial(distance).index_select(0, inner)
        return (radial * self.angular(cosine).unsqueeze(2)).flatten(1)


def triplets(edge_index: Tensor, cell_offsets: Tensor, atoms: int) -> tuple[Tensor, Tensor]:
    """All pairs of edges k → j and j → i, except back to the atom of departure.

    Args:
        edge_index: (2, E) sources and targets, in any order.
        cell_offsets: (E, 3) integer shift of each edge.
        atoms: number of atoms.

    Returns:
        the edges k → j (T,) and j → i (T,).
    """
    source, target = edge_index
    by_target = torch.argsort(target)
    count = torch.bincount(target, minlength=atoms)
    first, chosen = count.cumsum(0) - count, count[source]
    outer = torch.repeat_interleave(chosen)
    place = torch.arange(len(outer), device=outer.device) - (chosen.cumsum(0) - chosen)[outer]
    inner = by_target[first[source[outer]] + place]
    keep = (source[inner] != target[outer]) | (cell_offsets[inner] + cell_offsets[outer]).any(1)
    return inner[keep], outer[keep]


class DimeNetPlusPlus(EnergyPotential):
    """Energies by messages on directed edges that see angles, forces as their negative gradient.

    The blocks are fairchem-core's, their assembly is not: fairchem-core takes the angles from detached
    positions, so its forces lack the angles' part and are no gradient of its energies.

    Args:
        graph: cutoff in Å, number of neighbours, rule.
        hidden_channels: channels of a message.
        out_emb_channels: channels of an atom in the output blocks.
        num_blocks: interaction blocks.
        int_emb_size: channels of a message while it meets the angles.
        basis_emb_size: channels of the embedded basis.
        num_spherical, num_radial: angular and radial basis functions.
        num_before_skip, num_after_skip: residual layers of an interaction block.
        num_output_layers: layers of an output block.
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
        num_before_skip: int,
        num_after_skip: int,
        num_output_layers: int,
    ) -> None:
        super().__init__()
        self.graph = graph
        self.radial_basis = BesselBasisLayer(num_radial, graph.cutoff, ENVELOPE_EXPONENT)
        self.spherical_basis = SphericalBasis(num_spherical, num_radial, graph.cutoff)
        self.embedding = EmbeddingBlock(num_radial, hidden_channels, nn.functional.silu)
        self.interactions = nn.ModuleList(
            InteractionPPBlock(
                hidden_channels,
                int_emb_size,
                basis_emb_size,
                num_spherical,
                num_radial,
                num_before_skip,
                num_after_skip,
            )
            for _ in range(num_blocks)
        )
        # Their last layer starts at zero, and with it energies and forces.
        self.outputs = nn.ModuleList(
            OutputPPBlock(num_radial, hidden_channels, out_emb_channels, 1, num_output_layers)
            for _ in range(num_blocks + 1)
        )

    def energies(self, batch: Batch) -> Tensor:
        """See :class:`leignn.potential.EnergyPotential`."""
        atoms = len(batch.pos)
        edge_index, vector = self.edges(batch)
        source, target = edge_index
        distance = torch.linalg.vector_norm(vector, dim=1)
        inner, outer = triplets(edge_index, batch.cell_offsets, atoms)
        radial = self.radial_basis(distance)
        spherical = self.spherical_basis(vector, distance, inner, outer)

        message = self.embedding(batch.atomic_numbers, radial, target, source)
        atom_energy = self.outputs[0](message, radial, target, num_nodes=atoms)
        for interaction, output in zip(self.interactions, self.outputs[1:], strict=True):
            message = interaction(message, radial, spherical, inner, outer)
            atom_energy = atom_energy + output(message, radial, target, num_nodes=atoms)
        energy = atom_energy.new_zeros(len(batch.natoms))
        return energy.index_add(0, batch.batch, atom_energy.squeeze(1))
