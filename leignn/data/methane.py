"""Methane as a gas of whole molecules, many periodic copies at once: springs within, a smooth force between.

E = Σ k_CH/2 (r − r_CH)² + Σ k_HH/2 (r − r_HH)² + Σ 4ε [(σ/r)¹² − (σ/r)⁶] s(r): the springs over C–H and H–H
of each molecule (Urey and Bradley's form, H–H keeps the angles), the last over C–C between molecules, with
σ and ε of TraPPE-UA methane (Martin and Siepmann, J. Phys. Chem. B 102, 2569 (1998)). s falls from 1 to 0
with two continuous derivatives. Springs are our choice: a stand-in, no model of methane's spectrum.
"""

import numpy as np
from ase import Atoms

from leignn.data.images import forces_of

ATOMS = 5  # of a molecule: C, then 4 H
CH, HH = 1.09, 1.09 * np.sqrt(8 / 3)  # Å, of the tetrahedron
CH_SPRING, HH_SPRING = 28.0, 2.0  # eV/Å²
SIGMA, EPSILON = 3.73, 0.01276  # Å, eV
SWITCH, CUTOFF = 4.5, 5.8  # Å, s falls between them
INNER = np.array([(0, i) for i in range(1, 5)] + [(i, j) for i in range(1, 5) for j in range(i + 1, 5)])
REST = np.array([CH] * 4 + [HH] * 6)
SPRING = np.array([CH_SPRING] * 4 + [HH_SPRING] * 6)


class Methane:
    """Energies and forces of copies of ``atoms``, in its periodic rectangular cell.

    Its molecules come one after the other, carbon first; the cell's edges are longer than twice the cutoff.
    """

    def __init__(self, atoms: Atoms) -> None:
        self.edges = atoms.cell.lengths()[:, None, None]
        carbons = np.arange(0, len(atoms), ATOMS)
        inner = (carbons[:, None, None] + INNER).reshape(-1, 2)
        outer = carbons[np.stack(np.triu_indices(len(carbons), k=1), axis=1)]
        self.first, self.second = np.concatenate([inner, outer]).T
        self.inner = len(inner)
        self.rest, self.spring = np.tile(REST, len(carbons)), np.tile(SPRING, len(carbons))

    def __call__(self, positions: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Energies (R,) in eV and forces (R, N, 3) in eV/Å of the ``positions`` (R, N, 3) Å."""
        copies, natoms, _ = positions.shape
        vectors = (positions[:, self.second] - positions[:, self.first]).transpose(2, 0, 1)
        vectors = vectors - self.edges * np.rint(vectors / self.edges)
        lengths = np.sqrt(np.square(vectors).sum(0))
        stretch = lengths[:, : self.inner] - self.rest
        between, slopes = _between(lengths[:, self.inner :])
        vectors *= np.concatenate([self.spring * stretch, slopes], axis=1) / lengths
        energies = 0.5 * (self.spring * stretch**2).sum(1) + between.sum(1)
        start = natoms * np.arange(copies)[:, None]
        one, other = (start + self.first).ravel(), (start + self.second).ravel()
        return energies, forces_of(one, other, vectors.reshape(3, -1), positions.shape)


def _between(r: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Energies (eV) of pairs of molecules at the distances ``r`` (Å), and their derivatives (eV/Å)."""
    sixth = (SIGMA / r) ** 6
    energy, slope = 4 * EPSILON * (sixth**2 - sixth), 24 * EPSILON * (sixth - 2 * sixth**2) / r
    x = np.clip((r - SWITCH) / (CUTOFF - SWITCH), 0, 1)
    switch, steep = 1 - x**3 * (10 - 15 * x + 6 * x**2), -30 * (x * (1 - x)) ** 2 / (CUTOFF - SWITCH)
    return energy * switch, slope * switch + energy * steep
