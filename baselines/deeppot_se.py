"""DeepPot-SE (Zhang et al. 2018): deepmd-kit's PyTorch descriptor and fitting net on the project's graph."""

import logging
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from baselines.trained_elements import TrainedElementsPotential
from leignn.batch import Batch
from leignn.data.frames import Frames
from leignn.graph import GraphSpec

# deepmd-kit loads operators compiled for another torch, and an MPI library for them. DeepPot-SE needs
# neither, and without a file to load the package goes on in plain PyTorch.
import deepmd.env  # isort: skip

deepmd.env.SHARED_LIB_DIR = Path("none")
deepmd.env.GLOBAL_CONFIG["cibuildwheel"] = "0"
_disabled = logging.root.manager.disable
logging.disable(logging.WARNING)  # advice about Triton
with torch.serialization.safe_globals([slice]):  # e3nn reads a table of its own with slices in it
    from deepmd.pt.model.descriptor.env_mat import prod_env_mat
    from deepmd.pt.model.descriptor.se_a import DescrptSeA
    from deepmd.pt.model.task.ener import EnergyFittingNet
logging.disable(_disabled)

SMALLEST_DEVIATION = 1e-2  # of the descriptor's input, as in deepmd-kit


class DeepPotSE(TrainedElementsPotential):
    """Energies by an embedding net for each pair of elements and a fitting net for each element.

    The input of the embedding nets is normalised by its mean and deviation over the training split.

    Args:
        graph: cutoff in Å, number of neighbours, rule.
        smooth_from: Å; from here to the cutoff the neighbours' weights fall to zero.
        neighbors_of_element: so many of each element at most, the nearest.
        embedding: widths of the embedding nets.
        axis: columns of the embedding that the descriptor is taken along.
        fitting: widths of the fitting nets.
    """

    networks: Any  # deepmd-kit's, whose buffers are reached into

    def __init__(
        self,
        graph: GraphSpec,
        smooth_from: float,
        neighbors_of_element: int,
        embedding: list[int],
        axis: int,
        fitting: list[int],
    ) -> None:
        super().__init__(graph)
        self.smooth_from, self.neighbors_of_element = smooth_from, neighbors_of_element
        self._embedding, self._axis, self._fitting = embedding, axis, fitting

    def build(self, symbols: list[str]) -> None:
        """See :class:`baselines.trained_elements.TrainedElementsPotential`."""
        precision = {torch.float32: "float32", torch.float64: "float64"}[self.element_energies.dtype]
        descriptor = DescrptSeA(
            self.graph.cutoff,
            self.smooth_from,
            [self.neighbors_of_element] * len(symbols),
            neuron=self._embedding,
            axis_neuron=self._axis,
            type_one_side=False,
            precision=precision,
        )
        for parameter in [*descriptor.sea.compress_data, *descriptor.sea.compress_info]:
            parameter.requires_grad_(False)  # empty: deepmd-kit's place for a compressed model
        fitting = EnergyFittingNet(
            len(symbols),
            descriptor.get_dim_out(),
            neuron=self._fitting,
            resnet_dt=True,
            precision=precision,
            mixed_types=False,
        )
        self.networks = nn.ModuleDict({"descriptor": descriptor, "fitting": fitting}).to(self.elements.device)

    def compute_statistics(self, frames: Frames, energy_shift: float) -> dict[str, Any]:
        """As for every such potential, and of the descriptor's input by symbol of the central atom.

        Returns:
            ``radial_mean``, ``radial_deviation`` of s(r) and ``angular_deviation`` of s(r)·(x, y, z)/r in
            1/Å, over all places for neighbours, empty ones included, as in deepmd-kit.
        """
        statistics = super().compute_statistics(frames, energy_shift)
        super().load_statistics(statistics)
        sums = np.zeros((len(self.elements), 5))  # places, s, s², its components, their squares
        for index in range(len(frames)):
            batch = frames[[index]].to(self.elements.device)
            types = self.types(batch)
            entries = self._environment(batch, types)  # (N, places, 4)
            places = torch.full_like(entries[:, 0, 0], entries.shape[1])
            radial, angular = entries[..., 0], entries[..., 1:]
            columns = [places]
            columns += [radial.sum(1), radial.square().sum(1)]
            columns += [angular.sum((1, 2)), angular.square().sum((1, 2))]
            np.add.at(sums, types.cpu().numpy(), torch.stack(columns, dim=1).double().cpu().numpy())
        count, mean = sums[:, 0], sums[:, 1] / sums[:, 0]
        values = {
            "radial_mean": mean,
            "radial_deviation": np.sqrt(np.maximum(sums[:, 2] / count - mean**2, 0)),
            "angular_deviation": np.sqrt(sums[:, 4] / (3 * count) - (sums[:, 3] / (3 * count)) ** 2),
        }
        symbols = list(statistics["atomic_energies"])
        return statistics | {
            name: dict(zip(symbols, column.tolist(), strict=True)) for name, column in values.items()
        }

    def load_statistics(self, statistics: dict[str, Any]) -> None:
        """Build the networks and put the descriptor's normalisation in place."""
        super().load_statistics(statistics)
        block = self.networks["descriptor"].sea
        for place, symbol in enumerate(statistics["atomic_energies"]):
            block.mean[place, :, 0] = statistics["radial_mean"][symbol]
            for columns, name in ((slice(0, 1), "radial_deviation"), (slice(1, 4), "angular_deviation")):
                block.stddev[place, :, columns] = max(statistics[name][symbol], SMALLEST_DEVIATION)

    def network_energies(self, batch: Batch, types: Tensor) -> Tensor:
        """See :class:`baselines.trained_elements.TrainedElementsPotential`."""
        positions, all_types, neighbors = self._ghosts(batch, types)
        descriptor = self.networks["descriptor"](positions, all_types, neighbors)[0]
        return self.networks["fitting"](descriptor, types[None])["energy"].flatten().to(batch.pos.dtype)

    def _environment(self, batch: Batch, types: Tensor) -> Tensor:
        """The descriptor's input before it is normalised, (N, places, 4) in 1/Å."""
        positions, _, neighbors = self._ghosts(batch, types)
        block = self.networks["descriptor"].sea
        zero, one = torch.zeros_like(block.mean), torch.ones_like(block.stddev)
        entries, *_ = prod_env_mat(
            positions, neighbors, types[None], zero, one, self.graph.cutoff, self.smooth_from
        )
        return entries[0]

    def _ghosts(self, batch: Batch, types: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """The batch as one frame of deepmd-kit: every edge's source is an atom of its own.

        Returns:
            positions (1, N + E, 3), their elements' places (1, N + E), and each atom's neighbours
            (1, N, places) among them: the nearest of each element in turn, −1 where there are no more.
        """
        (source, target), vector = self.edges(batch)
        atoms, edges = len(batch.pos), len(source)
        positions = torch.cat([batch.pos, batch.pos.index_select(0, target) + vector])
        # Edges come sorted by target and distance: stable sorting keeps the nearest first.
        group = target * len(self.elements) + types[source]
        group, order = torch.sort(group, stable=True)
        count = torch.bincount(group, minlength=atoms * len(self.elements))
        rank = torch.arange(edges, device=group.device) - (count.cumsum(0) - count)[group]
        kept = rank < self.neighbors_of_element
        neighbors = group.new_full((atoms * len(self.elements), self.neighbors_of_element), -1)
        neighbors[group[kept], rank[kept]] = atoms + order[kept]
        return positions[None], torch.cat([types, types[source]])[None], neighbors.view(1, atoms, -1)
