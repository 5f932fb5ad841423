"""Methane as a gas of whole molecules: an ASE calculator of springs within, and a smooth force between them.

E = Σ k_CH/2 (r − r_CH)² + Σ k_HH/2 (r − r_HH)² + Σ 4ε [(σ/r)¹² − (σ/r)⁶] s(r): the springs over C–H and H–H
of each molecule (Urey and Bradley's form, H–H keeps the angles), the last over C–C between molecules, with
σ and ε of TraPPE-UA methane (Martin and Siepmann, J. Phys. Chem. B 102, 2569 (1998)). s falls from 1 to 0
with two continuous derivatives. Springs are our choice: a stand-in, no model of methane's spectrum.
"""

import numpy as np
from ase.calculators.calculator import Calculator, all_changes

ATOMS = 5  # of a molecule: C, then 4 H
CH, HH = 1.09, 1.09 * np.sqrt(8 / 3)  # Å, of the tetrahedron
CH_SPRING, HH_SPRING = 28.0, 2.0  # eV/Å²
SIGMA, EPSILON = 3.73, 0.01276  # Å, eV
SWITCH, CUTOFF = 4.5, 5.8  # Å, s falls between them
INNER = np.array([(0, i) for i in range(1, 5)] + [(i, j) for i in range(1, 5) for j in range(i + 1, 5)])
REST = np.array([CH] * 4 + [HH] * 6)
SPRING = np.array([CH_SPRING] * 4 + [HH_SPRING] * 6)


class Methane(Calculator):
    """Energy (eV) and forces (eV/Å) of molecules one after the other, carbon first, in a periodic rectangular
    cell whose edges are longer than twice the cutoff."""

    implemented_properties = ["energy", "forces"]

    def calculate(self, atoms=None, properties=("energy",), system_changes=all_changes) -> None:
        super().calculate(atoms, properties, system_changes)
        positions, edges = self.atoms.positions, self.atoms.cell.lengths()
        carbons = np.arange(0, len(positions), ATOMS)
        inner = (carbons[:, None, None] + INNER).reshape(-1, 2)
        outer = carbons[np.stack(np.triu_indices(len(carbons), k=1), axis=1)]
        first, second = np.concatenate([inner, outer]).T
        vectors = positions[second] - positions[first]
        vectors -= edges * np.round(vectors / edges)
        lengths = np.sqrt(np.square(vectors).sum(1))
        spring = np.tile(SPRING, len(carbons))
        stretch = lengths[: len(inner)] - np.tile(REST, len(carbons))
        energies, slopes = _between(lengths[len(inner) :])
        pull = (np.concatenate([spring * stretch, slopes]) / lengths)[:, None] * vectors
        forces = np.zeros_like(positions)
        np.add.at(forces, first, pull)
        np.subtract.at(forces, second, pull)
        energy = 0.5 * (spring * stretch**2).sum() + energies.sum()
        self.results = {"energy": float(energy), "forces": forces}


def _between(r: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Energies (eV) of pairs of molecules at the distances ``r`` (Å), and their derivatives (eV/Å)."""
    sixth = (SIGMA / r) ** 6
    energy, slope = 4 * EPSILON * (sixth**2 - sixth), 24 * EPSILON * (sixth - 2 * sixth**2) / r
    x = np.clip((r - SWITCH) / (CUTOFF - SWITCH), 0, 1)
    switch, steep = 1 - x**3 * (10 - 15 * x + 6 * x**2), -30 * (x * (1 - x)) ** 2 / (CUTOFF - SWITCH)
    return energy * switch, slope * switch + energy * steep
