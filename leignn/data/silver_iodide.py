"""Silver iodide, a solid through which silver flows, many periodic copies at once.

V(r) = H/rⁿ + q q' e² erfc(α r)/r − P/r⁴ − W/r⁶ between two ions, with the parameters of Parrinello, Rahman
and Vashishta, Phys. Rev. Lett. 50, 1073 (1983), from which V(R) + V'(R) (r − R) is taken off, so that energy
and force end at the cutoff R. The damping erfc in place of an Ewald sum is that of Fennell and Gezelter, J.
Chem. Phys. 124, 234104 (2006): a stand-in, whose forces are of short range.
"""

import numpy as np
from ase import Atoms, units
from scipy.special import erfc

from leignn.data.images import Images, forces_of

COULOMB = units._e / (4 * np.pi * units._eps0) * 1e10  # eV Å, e²
CHARGE = 0.6  # e, of silver; iodine's is −0.6
DAMPING = 0.2  # 1/Å
CUTOFF = 8.0  # Å
# By the number of iodines in the pair: n, H, P, W in e²/Å and Å.
PAIRS = np.array([[11, 0.014804, 0.0, 0.0], [9, 114.48, 1.1736, 0.0], [7, 446.64, 2.3472, 6.9331]])
CHARGES = CHARGE**2 * np.array([1, -1, 1])


class SilverIodide:
    """Energies and forces of copies of ``atoms``, of silver and iodine in a periodic rectangular cell whose
    edges are longer than the cutoff."""

    def __init__(self, atoms: Atoms) -> None:
        self.images = Images(atoms, CUTOFF)
        iodine = atoms.numbers == 53
        self.kind = iodine[self.images.first].astype(int) + iodine[self.images.second]

    def __call__(self, positions: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Energies (R,) in eV and forces (R, N, 3) in eV/Å of the ``positions`` (R, N, 3) Å."""
        copy, pair, vectors, r = self.images(positions)
        kind = self.kind[pair]
        energies, slopes = np.empty_like(r), np.empty_like(r)
        for number in range(len(PAIRS)):
            chosen = np.flatnonzero(kind == number)
            energies[chosen], slopes[chosen] = _shifted(r[chosen], number)
        total = np.bincount(copy, energies, len(positions))
        return total, forces_of(*self.images.atoms(copy, pair), vectors * (slopes / r), positions.shape)


def _shifted(r: np.ndarray, kind: int) -> tuple[np.ndarray, np.ndarray]:
    """Energies (eV) of pairs of one kind at the distances ``r`` (Å), and their derivatives (eV/Å)."""
    (energy, slope), (last, steep) = _between(r, kind), _between(np.array(CUTOFF), kind)
    return energy - last - steep * (r - CUTOFF), slope - steep


def _between(r: np.ndarray, kind: int) -> tuple[np.ndarray, np.ndarray]:
    """Likewise, not shifted."""
    n, h, p, w = PAIRS[kind]
    one = 1 / r
    two = one * one
    four = two * two
    core, damped = h * one**n, CHARGES[kind] * erfc(DAMPING * r) * one
    bell = CHARGES[kind] * 2 * DAMPING / np.sqrt(np.pi) * np.exp(-((DAMPING * r) ** 2))
    energy = core + damped - p * four - w * four * two
    slope = one * (-n * core - damped - bell + 4 * p * four + 6 * w * four * two)
    return COULOMB * energy, COULOMB * slope
