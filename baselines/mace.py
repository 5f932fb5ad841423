"""MACE (Batatia et al. 2022): mace-torch's ``ScaleShiftMACE`` on the project's graph."""

import contextlib
import io
import os
from typing import Any

import numpy as np
import torch
from ase.data import atomic_numbers
from torch import Tensor, nn

from baselines.split_statistics import split_statistics
from leignn.batch import Batch
from leignn.data.frames import Frames
from leignn.errors import InputError
from leignn.graph import GraphSpec
from leignn.potential import EnergyPotential

WEIGHTS_ONLY = "TORCH_FORCE_NO_WEIGHTS_ONLY_LOAD"

# Importing mace sets a variable that makes torch.load unpickle anything, here and in every child
# process, because e3nn reads a table of its own with slices in it. Import e3nn with slices allowed,
# then undo what mace sets. mace also prints advice about a package for NVIDIA GPUs.
_before = os.environ.get(WEIGHTS_ONLY)
with torch.serialization.safe_globals([slice]), contextlib.redirect_stdout(io.StringIO()):
    import e3nn
    from e3nn import o3
    from mace.modules import RealAgnosticResidualInteractionBlock, ScaleShiftMACE
if _before is None:
    os.environ.pop(WEIGHTS_ONLY, None)
else:
    os.environ[WEIGHTS_ONLY] = _before
# TorchScript brings no speed here, but warnings and slow first steps.
e3nn.set_optimization_defaults(jit_script_fx=False)


class MACE(EnergyPotential):
    """Energies by higher-order equivariant messages, forces as their negative gradient.

    The energy of a structure is Σ_i (E0(element of i) + scale · network_i). E0, scale and the average
    number of neighbours come from the training split; without them it is an error. E0 are those of
    least squares over the compositions ("average" in mace-torch), which leave no mean for
    mace-torch's ``shift``: that stays zero.

    The network has weights for every element up to ``num_elements``. An element that no training
    structure has is evaluated with E0 = 0 and its random initial weights, as by the other models
    here: the tables compare all models over the same structures.

    Args:
        graph: cutoff in Å, number of neighbours, rule.
        channels: of every irreducible representation of an atom.
        max_l: highest degree of the messages between atoms (0: invariant messages).
        max_ell: highest degree of the spherical harmonics of an edge.
        correlation: order of the products of an atom's neighbours (body order minus one).
        num_interactions: number of layers.
        num_bessel: radial basis functions.
        radial_layers: widths of the hidden layers of the radial network.
        readout_channels: width of the last layer's read-out.
        num_elements: atomic numbers from 1 to this one are known.
    """

    network: Any  # mace-torch's, whose buffers are reached into

    def __init__(
        self,
        graph: GraphSpec,
        channels: int,
        max_l: int,
        max_ell: int,
        correlation: int,
        num_interactions: int,
        num_bessel: int,
        radial_layers: list[int],
        readout_channels: int,
        num_elements: int = 118,
    ) -> None:
        super().__init__()
        self._arguments = (
            graph, channels, max_l, max_ell, correlation, num_interactions, num_bessel, radial_layers,
            readout_channels, num_elements,
        )  # fmt: skip
        self.graph, self.num_elements = graph, num_elements
        self.network = ScaleShiftMACE(
            atomic_inter_scale=1.0,
            atomic_inter_shift=0.0,
            r_max=graph.cutoff,
            num_bessel=num_bessel,
            num_polynomial_cutoff=5,
            max_ell=max_ell,
            interaction_cls=RealAgnosticResidualInteractionBlock,
            interaction_cls_first=RealAgnosticResidualInteractionBlock,
            num_interactions=num_interactions,
            num_elements=num_elements,
            hidden_irreps=(channels * o3.Irreps.spherical_harmonics(max_l)).sort().irreps.simplify(),
            MLP_irreps=o3.Irreps(f"{readout_channels}x0e"),
            atomic_energies=np.zeros(num_elements),
            avg_num_neighbors=1.0,
            atomic_numbers=list(range(1, num_elements + 1)),
            correlation=correlation,
            gate=nn.functional.silu,
            radial_MLP=radial_layers,
        )
        # Filled by load_statistics. mace-torch keeps the neighbours as a number, which no
        # state_dict would restore.
        self.network.scale_shift.scale.fill_(torch.nan)
        for interaction in self.network.interactions:
            del interaction.avg_num_neighbors
            interaction.register_buffer("avg_num_neighbors", torch.tensor(torch.nan))

    def __deepcopy__(self, memo: dict[int, Any]) -> "MACE":
        """A copy with the same weights, for their average: e3nn's own copies go through TorchScript."""
        copy = MACE(*self._arguments).to(self.network.scale_shift.scale)
        copy.load_state_dict(self.state_dict())
        return copy.train(self.training)

    def compute_statistics(self, frames: Frames, energy_shift: float) -> dict[str, Any]:
        """See :func:`baselines.split_statistics.split_statistics`."""
        return split_statistics(self, frames, energy_shift)

    def load_statistics(self, statistics: dict[str, Any]) -> None:
        """Take what :meth:`compute_statistics` returned into the buffers of the network."""
        energies = self.network.atomic_energies_fn.atomic_energies
        energies.zero_()
        for symbol, energy in statistics["atomic_energies"].items():
            energies[atomic_numbers[symbol] - 1] = energy
        self.network.scale_shift.scale.fill_(statistics["scale"])
        for interaction in self.network.interactions:
            interaction.avg_num_neighbors.fill_(statistics["average_neighbors"])

    def energies(self, batch: Batch) -> Tensor:
        """Energies (B,) in eV; see :class:`leignn.potential.EnergyPotential`.

        Raises:
            InputError: there are no statistics.
        """
        if self.network.scale_shift.scale.isnan():
            raise InputError("MACE has no statistics of a training split: it was not trained")
        edge_index, vector = self.edges(batch)
        source, target = edge_index
        # mace-torch measures the other way round: pos[target] − pos[source] + shifts.
        shifts = batch.pos[source] - batch.pos[target] - vector
        if not batch.cell.requires_grad:  # without a strain they are constants
            shifts = shifts.detach()
        elements = nn.functional.one_hot(batch.atomic_numbers - 1, self.num_elements)
        data = {
            "positions": batch.pos,
            "node_attrs": elements.to(batch.pos.dtype),
            "edge_index": edge_index,
            "shifts": shifts,
            "cell": batch.cell,
            "batch": batch.batch,
            "ptr": nn.functional.pad(batch.natoms.cumsum(0), (1, 0)),
        }
        return self.network(data, compute_force=False)["energy"]
