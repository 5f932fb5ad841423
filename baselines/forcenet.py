"""ForceNet (Hu et al. 2021, arXiv 2103.01436): forces by messages that see directions as they are."""

import math

import torch
from ase.data import covalent_radii
from torch import Tensor, nn

from leignn.batch import Batch
from leignn.graph import GraphSpec
from leignn.potential import Potential

HARMONICS = 9  # of degrees 0, 1 and 2
FREQUENCIES = 50
SMALLEST_DISTANCE = 1e-3  # of a distance less the radii, in units of the cutoff


def spherical_harmonics(unit: Tensor) -> Tensor:
    """Real harmonics of degrees 0, 1 and 2, orthonormal on the sphere: (E, 3) unit vectors to (E, 9)."""
    x, y, z = unit.unbind(1)
    quadratic = math.sqrt(15 / (4 * math.pi))
    return torch.stack(
        [
            torch.full_like(x, math.sqrt(1 / (4 * math.pi))),
            *(math.sqrt(3 / (4 * math.pi)) * component for component in (x, y, z)),
            *(quadratic * product for product in (x * y, y * z, x * z)),
            quadratic / math.sqrt(12) * (3 * z**2 - 1),
            quadratic / 2 * (x**2 - y**2),
        ],
        dim=1,
    )


def random_rotations(count: int, seed: int) -> Tensor:
    """(count, 3, 3) rotation matrices, uniform over all rotations."""
    w, x, y, z = nn.functional.normalize(
        torch.randn(count, 4, generator=torch.Generator().manual_seed(seed), dtype=torch.float64), dim=1
    ).unbind(1)
    rows = [
        torch.stack([1 - 2 * (y**2 + z**2), 2 * (x * y - w * z), 2 * (x * z + w * y)], dim=1),
        torch.stack([2 * (x * y + w * z), 1 - 2 * (x**2 + z**2), 2 * (y * z - w * x)], dim=1),
        torch.stack([2 * (x * z - w * y), 2 * (y * z + w * x), 1 - 2 * (x**2 + y**2)], dim=1),
    ]
    return torch.stack(rows, dim=1)


class Interaction(nn.Module):
    """A convolution whose filter depends on the edge and on both its atoms."""

    def __init__(self, channels: int, basis: int) -> None:
        super().__init__()
        self.edge = nn.Linear(basis, channels)
        self.filter = nn.Sequential(
            nn.Linear(3 * channels, channels),
            nn.SiLU(),
            nn.Linear(channels, channels),
            nn.SiLU(),
            nn.Linear(channels, channels),
        )
        self.source = nn.Linear(channels, channels)
        self.own = nn.Parameter(nn.init.xavier_uniform_(torch.empty(1, channels)))
        self.update = nn.Sequential(
            nn.Linear(channels, channels), nn.LayerNorm(channels), nn.SiLU(), nn.Linear(channels, channels)
        )

    def forward(self, atoms: Tensor, edge_index: Tensor, basis: Tensor, weight: Tensor) -> Tensor:
        """What is added to the atoms' channels (N, channels), from the edges' basis and weight (E, 1)."""
        source, target = edge_index
        edges = torch.cat([self.edge(basis), atoms[source], atoms[target]], dim=1)
        filters = self.filter(edges) * weight
        values = self.source(atoms)
        messages = torch.zeros_like(values).index_add(0, target, filters * values[source])
        return self.update(messages + self.own * values)


class ForceNet(Potential):
    """Energies and direct forces, without built-in rotations.

    The forces turn with a structure only as far as training taught it: in training, each structure is
    seen turned at random (``augment``), and its forces are turned back.

    Two things differ from the published network. Elements have a learned vector in place of a table of
    their properties. Nothing is normalised over the batch, which would tie its structures together, and
    whose running statistics would not belong to the averaged weights: atoms are updated with a
    normalisation of their own, and the forces are read without any.

    Args:
        graph: cutoff in Å, number of neighbours, rule.
        hidden_channels: channels of an atom.
        num_interactions: convolutions.
        augment: turn the structures in training.
        num_elements: rows of the embedding; atomic numbers below it are known.
    """

    equivariant = False
    radii: Tensor  # Å, by atomic number
    frequencies: Tensor
    draws: Tensor
    graph: GraphSpec

    def __init__(
        self,
        graph: GraphSpec,
        hidden_channels: int,
        num_interactions: int,
        augment: bool,
        num_elements: int = 119,
    ) -> None:
        super().__init__()
        self.graph, self.augment = graph, augment
        channels, distances = hidden_channels, 4
        self.register_buffer("radii", torch.from_numpy(covalent_radii).float(), persistent=False)
        self.register_buffer("frequencies", 1.1 ** torch.arange(FREQUENCIES), persistent=False)
        # A counter, so that a resumed training goes on with the rotations that it would have drawn.
        self.register_buffer("draws", torch.zeros((), dtype=torch.long))
        self.embedding = nn.Embedding(num_elements, channels)
        self.radial = nn.Linear(distances * FREQUENCIES, distances)
        self.interactions = nn.ModuleList(
            Interaction(channels, distances * HARMONICS) for _ in range(num_interactions)
        )
        self.output = nn.Sequential(nn.Linear(channels, channels), nn.SiLU())
        self.energy = nn.Linear(channels, 1)
        self.force = nn.Sequential(nn.Linear(channels, channels), nn.SiLU(), nn.Linear(channels, 3))

    def forward(self, batch: Batch) -> dict[str, Tensor]:
        """See :class:`leignn.potential.Potential`."""
        edge_index, vector = self.edges(batch)
        rotations = None
        if self.training and self.augment:
            rotations = random_rotations(len(batch.natoms), int(self.draws)).to(vector)
            self.draws += 1
            vector = torch.einsum("exy,ey->ex", rotations[batch.batch[edge_index[1]]], vector)
        distance = torch.linalg.vector_norm(vector, dim=1)
        basis = self._basis(batch, edge_index, vector / distance.unsqueeze(1), distance)
        weight = torch.cos(0.5 * math.pi * distance / self.graph.cutoff).unsqueeze(1)
        atoms = self.embedding(batch.atomic_numbers)
        for interaction in self.interactions:
            atoms = atoms + interaction(atoms, edge_index, basis, weight)
        atoms = self.output(atoms)
        pooled = atoms.new_zeros(len(batch.natoms), atoms.shape[1]).index_add(0, batch.batch, atoms)
        forces = self.force(atoms)
        if rotations is not None:
            forces = torch.einsum("nxy,nx->ny", rotations[batch.batch], forces)
        return {"energy": self.energy(pooled).squeeze(1), "forces": forces}

    def _basis(self, batch: Batch, edge_index: Tensor, unit: Tensor, distance: Tensor) -> Tensor:
        """Products of harmonics of the direction and functions of the distance, (E, 4 · 9).

        The distance enters as it is, less the radius of either atom, and less both.
        """
        source, target = self.radii[batch.atomic_numbers][edge_index]
        distances = torch.stack(
            [distance, distance - source, distance - target, distance - source - target], dim=1
        )
        distances = (distances / self.graph.cutoff).clamp(min=SMALLEST_DISTANCE)
        waves = torch.sin(distances.unsqueeze(2) * self.frequencies).flatten(1)
        return (self.radial(waves).unsqueeze(2) * spherical_harmonics(unit).unsqueeze(1)).flatten(1)
