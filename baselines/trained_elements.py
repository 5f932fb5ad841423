"""Potentials whose networks are built for the elements of the training split, and no others."""

from abc import abstractmethod
from typing import Any

import torch
from ase.data import atomic_numbers, chemical_symbols
from torch import Tensor

from baselines.split_statistics import split_statistics
from leignn.batch import Batch
from leignn.data.frames import Frames
from leignn.errors import InputError
from leignn.graph import GraphSpec
from leignn.potential import EnergyPotential


class TrainedElementsPotential(EnergyPotential):
    """A network for each element, or for each pair: their number follows from the data.

    The energy of a structure is Σ_i (E0(element of i) + network_i), with E0 of least squares over the
    compositions of the training split. The statistics of that split name its elements;
    :meth:`load_statistics`, or loading a checkpoint, builds the networks.

    Args:
        graph: cutoff in Å, number of neighbours, rule.
    """

    graph: GraphSpec
    elements: Tensor  # their atomic numbers
    element_energies: Tensor  # eV

    def __init__(self, graph: GraphSpec) -> None:
        super().__init__()
        self.graph = graph
        self.register_buffer("elements", torch.zeros(0, dtype=torch.long))
        self.register_buffer("element_energies", torch.zeros(0))

    @abstractmethod
    def build(self, symbols: list[str]) -> None:
        """Make the networks, with random weights, of the type and on the device of the buffers."""

    @abstractmethod
    def network_energies(self, batch: Batch, types: Tensor) -> Tensor:
        """(N,) energies of the atoms in eV without E0, from their elements' places (N,)."""

    def compute_statistics(self, frames: Frames, energy_shift: float) -> dict[str, Any]:
        """See :func:`baselines.split_statistics.split_statistics`."""
        return split_statistics(self, frames, energy_shift)

    def load_statistics(self, statistics: dict[str, Any]) -> None:
        """Take what :meth:`compute_statistics` returned, and build the networks."""
        energies = statistics["atomic_energies"]
        self._set_elements(
            self.elements.new_tensor([atomic_numbers[symbol] for symbol in energies]),
            self.element_energies.new_tensor(list(energies.values())),
        )

    def types(self, batch: Batch) -> Tensor:
        """Place of each atom's element among the model's, (N,).

        Raises:
            InputError: there are no statistics, or an element of the batch is not among them.
        """
        if not len(self.elements):
            raise InputError(
                f"{type(self).__name__} has no statistics of a training split: it was not trained"
            )
        same = batch.atomic_numbers[:, None] == self.elements
        if not same.any(1).all():
            unknown = chemical_symbols[int(batch.atomic_numbers[~same.any(1)][0])]
            raise InputError(f"{type(self).__name__} does not know {unknown}: no training structure has it")
        return same.long().argmax(1)

    def energies(self, batch: Batch) -> Tensor:
        """Energies (B,) in eV; see :class:`leignn.potential.EnergyPotential`."""
        types = self.types(batch)
        atoms = self.element_energies[types] + self.network_energies(batch, types)
        return atoms.new_zeros(len(batch.natoms)).index_add(0, batch.batch, atoms)

    def _set_elements(self, elements: Tensor, energies: Tensor) -> None:
        self.elements, self.element_energies = elements, energies
        self.build([chemical_symbols[z] for z in elements.tolist()])

    def _load_from_state_dict(self, state_dict: dict[str, Any], prefix: str, *args: Any) -> None:
        """Called by ``load_state_dict`` before it comes to the networks."""
        elements = state_dict[prefix + "elements"].to(self.elements)
        if len(elements) and not torch.equal(elements, self.elements):
            self._set_elements(elements, self.element_energies.new_zeros(len(elements)))
        super()._load_from_state_dict(state_dict, prefix, *args)
