"""NequIP (Batzner et al. 2022): nequip's network on the project's graph."""

import warnings
from typing import Any
from unittest import mock

import torch
from torch import Tensor, nn

from baselines.trained_elements import TrainedElementsPotential
from leignn.batch import Batch
from leignn.graph import GraphSpec

# e3nn reads a table of its own with slices in it.
with torch.serialization.safe_globals([slice]):
    import e3nn
    from e3nn import o3  # noqa: F401
# nequip advises on CUDA for every torch since 1.13. It scripts two functions, which fails after
# torch-geometric has replaced torch.index_select; as plain Python they do the same.
with warnings.catch_warnings(), mock.patch.object(torch.jit, "script", lambda function: function):
    warnings.simplefilter("ignore")
    from nequip.model import EnergyModel, SimpleIrrepsConfig
# TorchScript brings no speed here, but warnings and slow first steps.
e3nn.set_optimization_defaults(jit_script_fx=False)


class NequIP(TrainedElementsPotential):
    """Energies by equivariant convolutions, forces as their negative gradient.

    The energy of a structure is Σ_i (E0(element of i) + scale · network_i), where scale is the root
    mean square of the training forces.

    Args:
        graph: cutoff in Å, number of neighbours, rule.
        num_features: channels of every irreducible representation of an atom.
        l_max: highest degree of the features and of the spherical harmonics of an edge.
        num_layers: convolutions.
        num_basis: radial basis functions.
        invariant_layers, invariant_neurons: hidden layers of the radial network, and their width.
    """

    network: nn.Module
    scale: Tensor  # eV/Å

    def __init__(
        self,
        graph: GraphSpec,
        num_features: int,
        l_max: int,
        num_layers: int,
        num_basis: int,
        invariant_layers: int,
        invariant_neurons: int,
    ) -> None:
        super().__init__(graph)
        self._sizes = {
            "num_features": num_features,
            "l_max": l_max,
            "num_layers": num_layers,
            "num_basis": num_basis,
            "invariant_layers": invariant_layers,
            "invariant_neurons": invariant_neurons,
        }
        self.register_buffer("scale", torch.tensor(torch.nan))

    def build(self, symbols: list[str]) -> None:
        """See :class:`baselines.trained_elements.TrainedElementsPotential`."""
        configuration = self._configuration(len(symbols))
        SimpleIrrepsConfig(configuration)  # adds the representations that the sizes mean
        network = EnergyModel(configuration, initialize=False)
        del network.total_energy_sum  # the atoms' energies are what is wanted
        for name, layer in network.named_children():
            if name.endswith("_convnet"):
                # nequip keeps it as a number, which no state_dict would restore.
                del layer.conv.avg_num_neighbors
                layer.conv.register_buffer("avg_num_neighbors", torch.tensor(torch.nan))
        self.network = network.to(self.scale)

    def _configuration(self, elements: int) -> dict[str, Any]:
        """What MDSim and nequip's own examples leave at these values, and the sizes."""
        return {
            **self._sizes,
            "num_types": elements,
            "r_max": self.graph.cutoff,
            "parity": True,
            "nonlinearity_type": "gate",
            "resnet": False,
            "use_sc": True,
            "PolynomialCutoff_p": 6,
            "avg_num_neighbors": 1.0,
        }

    def load_statistics(self, statistics: dict[str, Any]) -> None:
        """Build the network and put the averages in place."""
        super().load_statistics(statistics)
        self.scale.fill_(statistics["scale"])
        for name, buffer in self.network.named_buffers():
            if name.endswith("avg_num_neighbors"):
                buffer.fill_(statistics["average_neighbors"])

    def network_energies(self, batch: Batch, types: Tensor) -> Tensor:
        """See :class:`baselines.trained_elements.TrainedElementsPotential`."""
        (source, target), vector = self.edges(batch)
        data = {
            "pos": batch.pos,
            "edge_index": torch.stack([target, source]),
            "edge_vectors": vector,
            "atom_types": types.unsqueeze(1),
        }
        return self.scale * self.network(data)["atomic_energy"].squeeze(1)

    def __deepcopy__(self, memo: dict[int, Any]) -> nn.Module:
        """A copy with the same weights, for their average: e3nn's own copies go through TorchScript."""
        copy = NequIP(self.graph, **self._sizes).to(self.scale)
        copy.load_state_dict(self.state_dict())
        return copy.train(self.training)
