"""What a rotation changes in a trained LEIGNN's energy and forces: drawn in Figure 1, a table of its own."""

import dataclasses
from dataclasses import dataclass

import numpy as np
import torch

from leignn.data.structure import Structure
from leignn.neighbors import nearest_edges_of
from leignn.report.drawing.example import Example

TURN = 65.0  # degrees, about the axis of view
COLUMNS = [
    "dataset",
    "dataset_title",
    "stand_in",
    "scale",
    "model",
    "seed",
    "rotation_degrees",
    "carried_energy_change_mev",
    "carried_force_change_mev_per_ang",
    "rebuilt_energy_change_mev",
    "rebuilt_force_change_mev_per_ang",
    "changed_edges",
]


@dataclass(frozen=True)
class Symmetry:
    """How far a rotation by R changes the energy E (eV) and the forces F (eV/Å) of a structure.

    ``carried``: with the edges of the unrotated structure; ``rebuilt``: with edges found anew.
    """

    energy: float
    forces: np.ndarray  # (n, 3)
    rotated_forces: np.ndarray  # (n, 3), edges rebuilt
    carried_energy_change: float  # |E′ − E|
    carried_force_change: float  # max |F′ − RF|
    rebuilt_energy_change: float
    rebuilt_force_change: float
    changed_edges: int  # that only one of the two graphs has


def measure_symmetry(shown: Example, rotation: np.ndarray) -> Symmetry:
    """Rotate the structure by ``rotation`` (3, 3) and compare what the model predicts."""
    before = shown.structure
    after = dataclasses.replace(before, pos=before.pos @ rotation.T, cell=before.cell @ rotation.T)
    graph = shown.trained.potential.graph
    edges, new = (nearest_edges_of(s.pos, s.cell, s.pbc, graph) for s in (before, after))
    energy, forces = predict(shown, before, edges)
    carried_energy, carried_forces = predict(shown, after, edges)
    rebuilt_energy, rebuilt_forces = predict(shown, after, new)
    turned = forces @ rotation.T
    old_set, new_set = ({*map(tuple, np.vstack([pairs, offsets.T]).T)} for pairs, offsets in (edges, new))
    return Symmetry(
        energy,
        forces,
        rebuilt_forces,
        abs(carried_energy - energy),
        float(np.abs(carried_forces - turned).max()),
        abs(rebuilt_energy - energy),
        float(np.abs(rebuilt_forces - turned).max()),
        len(old_set ^ new_set),
    )


def predict(
    shown: Example, structure: Structure, edges: tuple[np.ndarray, np.ndarray] | None = None
) -> tuple[float, np.ndarray]:
    """Energy in eV and forces (n, 3) in eV/Å, on the given edges or those of the structure."""
    with torch.no_grad():
        output = shown.trained(shown.batch(structure, edges))
    return float(output["energy"]), output["forces"].numpy()


def numbers_of(shown: Example, symmetry: Symmetry) -> dict[str, object]:
    """The row of ``results/symmetry.csv``."""
    config, info = shown.trained.config, shown.trained.config.dataset_info
    return {
        "dataset": config.dataset,
        "dataset_title": info.title,
        "stand_in": info.stand_in,
        "scale": config.scale,
        "model": config.title,
        "seed": config.seed,
        "rotation_degrees": TURN,
        "carried_energy_change_mev": 1000 * symmetry.carried_energy_change,
        "carried_force_change_mev_per_ang": 1000 * symmetry.carried_force_change,
        "rebuilt_energy_change_mev": 1000 * symmetry.rebuilt_energy_change,
        "rebuilt_force_change_mev_per_ang": 1000 * symmetry.rebuilt_force_change,
        "changed_edges": symmetry.changed_edges,
    }
