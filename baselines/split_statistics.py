"""Averages over the training split that several families scale their networks by."""

from typing import Any

import numpy as np
from ase.data import chemical_symbols

from leignn.data.frames import Frames
from leignn.potential import Potential
from leignn.training.loss import free_atoms_with_forces


def split_statistics(potential: Potential, frames: Frames, energy_shift: float) -> dict[str, Any]:
    """Neighbours, forces and energies of a training split.

    Args:
        potential: whose edges count.
        frames: the training split.
        energy_shift: eV, taken off the energies.

    Returns:
        ``average_neighbors`` of an atom; ``scale`` in eV/Å, the root mean square of the forces on free
        atoms; ``atomic_energies`` in eV by symbol, those of least squares over the compositions.
    """
    counts = np.zeros((len(frames), len(chemical_symbols)))
    edges = atoms = components = 0
    squares = 0.0
    for index in range(len(frames)):
        batch = frames[[index]]
        counts[index] = np.bincount(batch.atomic_numbers, minlength=len(chemical_symbols))
        forces = batch.forces[free_atoms_with_forces(batch)]
        squares, components = squares + forces.double().square().sum().item(), components + forces.numel()
        edges, atoms = edges + potential.edges(batch)[0].shape[1], atoms + len(batch.pos)
    energies = frames.gather("energy") - energy_shift
    labelled = np.isfinite(energies)
    fitted, *_ = np.linalg.lstsq(counts[labelled], energies[labelled], rcond=None)
    return {
        "average_neighbors": max(edges, 1) / atoms,
        "scale": (squares / components) ** 0.5 if squares else 1.0,
        "atomic_energies": {chemical_symbols[z]: float(fitted[z]) for z in np.flatnonzero(counts.any(0))},
    }
