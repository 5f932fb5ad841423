"""Effective medium theory of periodic copies of one system, all at once, in NumPy.

The potential of Jacobsen, Stoltze and Nørskov, Surf. Sci. 366, 394 (1996), as ASE has it, with ASE's
parameters. Energies and forces equal those of ``ase.calculators.emt.EMT``, which loops over the atoms in
Python and takes some twenty times as long.
"""

from typing import Any

import numpy as np
from ase import Atoms
from ase.calculators import emt
from ase.calculators.calculator import all_changes

from leignn.data.images import Images, ImagesInAnyCell, forces_of
from leignn.exact_calculator import ExactCalculator


class EMT:
    """Energies and forces of copies of ``atoms``, periodic in all directions.

    Args:
        atoms: gives elements and cell.
        images: finds the neighbours; by default in a rectangular cell whose edges are longer than the cutoff.
    """

    def __init__(self, atoms: Atoms, images: type[Images] = Images) -> None:
        known = emt.EMT()
        known.initialize(atoms)
        self.images = images(atoms, known.rc_list)
        self.middle, self.steep = known.rc, known.acut  # of the weight that ends the interaction
        of, first, second = known.ia2iz, self.images.first, self.images.second
        self.e0, self.v0, self.eta, self.kappa, self.lamda, self.norm = (
            known.par[name][of] for name in ("E0", "V0", "eta2", "kappa", "lambda", "inv12gamma1")
        )
        s0, share = known.par["s0"][of], known.par["neghalfv0overgamma2"][of]
        # What an atom takes from another at distance r is exp(a − η r) of density and b exp(−κ r / β).
        self.pairs = []
        for atom, other in ((first, second), (second, first)):
            chi = known.chi[of[atom], of[other]]
            self.pairs.append(
                (
                    self.eta[other],
                    np.log(chi) + self.eta[other] * emt.beta * s0[other],
                    self.kappa[other] / emt.beta,
                    share[atom] * chi * np.exp(self.kappa[other] * s0[other]),
                )
            )

    def __call__(self, positions: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Energies (R,) in eV and forces (R, N, 3) in eV/Å of the ``positions`` (R, N, 3) Å."""
        copies, natoms, _ = positions.shape
        copy, pair, vectors, r = self.images(positions)
        one, other = self.images.atoms(copy, pair)
        weight = 1 / (1 + np.exp(self.steep * (r - self.middle)))
        slope = self.steep * (weight - 1)  # of the weight, over the weight
        energies, pull = np.zeros_like(r), np.zeros_like(r)
        densities = []
        for eta, shift, decay, depth in self.pairs:
            density = np.exp(shift[pair] - eta[pair] * r) * weight
            densities.append((density, density * (slope - eta[pair])))
            energy = depth[pair] * np.exp(-decay[pair] * r) * weight
            energies += energy
            pull += energy * (slope - decay[pair])
        size = copies * natoms
        density = np.bincount(one, densities[0][0], size) + np.bincount(other, densities[1][0], size)
        embedding, steepness = self._embedding(density.reshape(copies, natoms))
        pull += steepness.ravel()[one] * densities[0][1] + steepness.ravel()[other] * densities[1][1]
        total = embedding.sum(1) + np.bincount(copy, energies, copies) - self.e0.sum()
        return total, forces_of(one, other, vectors * (pull / r), positions.shape)

    def _embedding(self, density: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Energies (R, N) of atoms at the ``density`` (R, N) of their neighbours, and their derivatives."""
        spread = -np.log(density * self.norm) / (emt.beta * self.eta)
        scaled = self.lamda * spread
        cohesive, repulsive = self.e0 * np.exp(-scaled), 6 * self.v0 * np.exp(-self.kappa * spread)
        slope = -self.lamda * scaled * cohesive - self.kappa * repulsive
        return (1 + scaled) * cohesive + repulsive, -slope / (emt.beta * self.eta * density)


class EMTCalculator(ExactCalculator):
    """:class:`EMT` of ``atoms`` in any cell, for ASE's optimisers, under which elements and cell stay."""

    implemented_properties = ["energy", "forces"]

    def __init__(self, atoms: Atoms) -> None:
        super().__init__()
        self.emt = EMT(atoms, ImagesInAnyCell)

    def calculate(
        self, atoms: Any = None, properties: Any = None, system_changes: list[str] = all_changes
    ) -> None:
        super().calculate(atoms, properties, system_changes)
        (energy,), (forces,) = self.emt(self.atoms.positions[None])
        self.results = {"energy": float(energy), "forces": forces}
