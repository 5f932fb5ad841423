"""The errors of Open Catalyst's S2EF task, from predictions and labels.

Forces count on free atoms only. Definitions of cosine and EFwT as in Open Catalyst's evaluator
(Chanussot et al. 2021): the mean over atoms of the cosine between predicted and true force, and
the share of structures whose energy is within 0.02 eV and all of whose force components are
within 0.03 eV/Å.
"""

import numpy as np

ENERGY_THRESHOLD = 0.02  # eV
FORCE_THRESHOLD = 0.03  # eV/Å


class ErrorSums:
    """Sums over structures; added up batch by batch, so that memory does not grow with the split."""

    def __init__(self) -> None:
        self.structures = 0
        self._energy_error = self._energy_count = 0.0
        self._force_error = self._zero_error = self._force_count = 0.0
        self._cosine = self._cosine_count = 0.0
        self._within = self._within_count = 0

    def add(
        self,
        energy: np.ndarray,
        true_energy: np.ndarray,
        forces: np.ndarray,
        true_forces: np.ndarray,
        fixed: np.ndarray,
        natoms: np.ndarray,
    ) -> None:
        """Add S structures with N atoms in all.

        Args:
            energy, true_energy: (S,) eV, NaN where the label is missing.
            forces, true_forces: (N, 3) eV/Å, NaN where the label is missing.
            fixed: (N,) bool, atoms that do not count.
            natoms: (S,) atoms of each structure.
        """
        self.structures += len(natoms)
        energy_error = np.abs(energy - true_energy)
        has_energy = np.isfinite(true_energy)
        self._energy_error += energy_error[has_energy].sum()
        self._energy_count += int(has_energy.sum())

        counted = ~fixed & np.isfinite(true_forces).all(1)
        error = np.abs(forces[counted].astype(np.float64) - true_forces[counted])
        self._force_error += error.sum()
        self._zero_error += np.abs(true_forces[counted].astype(np.float64)).sum()
        self._force_count += error.size
        self._cosine += _cosine(forces[counted], true_forces[counted]).sum()
        self._cosine_count += int(counted.sum())

        structure = np.repeat(np.arange(len(natoms)), natoms)[counted]
        worst = np.zeros(len(natoms))
        np.maximum.at(worst, structure, error.max(1, initial=0))
        both = has_energy & (np.bincount(structure, minlength=len(natoms)) > 0)
        self._within += int((both & (energy_error < ENERGY_THRESHOLD) & (worst < FORCE_THRESHOLD)).sum())
        self._within_count += int(both.sum())

    def metrics(self) -> dict[str, float | int | None]:
        """The metrics of one split as they stand in ``metrics.json``; None where no label was."""
        return {
            "structures": self.structures,
            "energy_count": int(self._energy_count),
            "energy_mae_mev": _ratio(1e3 * self._energy_error, self._energy_count),
            "forces_count": int(self._force_count),
            "forces_mae_mev_per_ang": _ratio(1e3 * self._force_error, self._force_count),
            "forces_cosine": _ratio(self._cosine, self._cosine_count),
            "efwt_percent": _ratio(100 * self._within, self._within_count),
            "zero_forces_mae_mev_per_ang": _ratio(1e3 * self._zero_error, self._force_count),
        }


def _ratio(total: float, count: float) -> float | None:
    return float(total / count) if count else None


def _cosine(first: np.ndarray, second: np.ndarray) -> np.ndarray:
    """(N,) cosines; zero where a vector vanishes, as ``torch.cosine_similarity`` has it."""
    norms = np.linalg.norm(first, axis=1) * np.linalg.norm(second, axis=1)
    return (first * second).sum(1, dtype=np.float64) / np.maximum(norms, 1e-8)
