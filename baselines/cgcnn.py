"""CGCNN (Xie and Grossman 2018): crystal graph convolutions, with forces as the energy's gradient."""

import torch
from torch import Tensor, nn
from torch_geometric.nn import CGConv, global_mean_pool
from torch_geometric.nn.models.schnet import GaussianSmearing

from leignn.batch import Batch
from leignn.graph import GraphSpec
from leignn.potential import EnergyPotential


class CGCNN(EnergyPotential):
    """Gated convolutions over torch-geometric's ``CGConv``, in the form of Open Catalyst's v0.1.0.

    Two things differ from that form. Elements have a learned vector in place of a table of their
    properties. Messages have no batch normalisation: it would tie the structures of a batch
    together, and the forces that training fits would be those of another energy than evaluation's.

    The energy is a function of the mean of the atoms' vectors, so it does not grow with a
    supercell: right for adsorption energies, and a limit for total energies.

    Args:
        graph: cutoff in Å, number of neighbours, rule.
        atom_embedding_size: channels of an atom.
        num_graph_conv_layers: convolutions.
        fc_feat_size: width of the layers after pooling.
        num_fc_layers: number of these layers, the output layer apart.
        num_gaussians: radial basis functions from 0 to the cutoff.
        num_elements: rows of the embedding; atomic numbers below it are known.
    """

    def __init__(
        self,
        graph: GraphSpec,
        atom_embedding_size: int,
        num_graph_conv_layers: int,
        fc_feat_size: int,
        num_fc_layers: int,
        num_gaussians: int,
        num_elements: int = 119,
    ) -> None:
        super().__init__()
        self.graph = graph
        size = atom_embedding_size
        self.atom_embedding = nn.Embedding(num_elements, size)
        self.distance_expansion = GaussianSmearing(0.0, graph.cutoff, num_gaussians)
        self.convolutions = nn.ModuleList(CGConv(size, num_gaussians) for _ in range(num_graph_conv_layers))
        self.norms = nn.ModuleList(nn.LayerNorm(size) for _ in range(num_graph_conv_layers))
        layers: list[nn.Module] = []
        for number in range(num_fc_layers):
            layers += [nn.Linear(fc_feat_size if number else size, fc_feat_size), nn.Softplus()]
        self.readout = nn.Sequential(*layers, nn.Linear(fc_feat_size, 1))

    def energies(self, batch: Batch) -> Tensor:
        """Energies (B,) in eV; see :class:`leignn.potential.EnergyPotential`."""
        edge_index, vector = self.edges(batch)
        basis = self.distance_expansion(torch.linalg.vector_norm(vector, dim=1))  # (E, num_gaussians)
        atoms = self.atom_embedding(batch.atomic_numbers)
        for convolution, norm in zip(self.convolutions, self.norms, strict=True):
            # CGConv adds the atom itself; Open Catalyst's form normalises the messages' sum first.
            messages = convolution(atoms, edge_index, basis) - atoms
            atoms = nn.functional.softplus(atoms + norm(messages))
        pooled = global_mean_pool(atoms, batch.batch, len(batch.natoms))
        return self.readout(pooled).squeeze(1)
