"""Pairs of atoms, periodic images included, of many copies of one system, in NumPy."""

from itertools import product

import numpy as np
from ase import Atoms

from leignn.errors import InputError


class Images:
    """Pairs of different atoms of copies of ``atoms``, in its periodic rectangular cell, within a cutoff.

    Of each pair, the images that differ from the nearest by one step towards the other side of the cell are
    looked at: all there are while the cell's edges are longer than the cutoff.

    Args:
        atoms: gives the number of atoms and the cell.
        cutoff: Å.

    Raises:
        InputError: an edge of the cell is shorter than the cutoff.
    """

    def __init__(self, atoms: Atoms, cutoff: float) -> None:
        self.edges = atoms.cell.lengths()
        if self.edges.min() < cutoff:
            raise InputError(f"a cell of {self.edges.min():g} Å is shorter than the cutoff of {cutoff:.2f} Å")
        self.cutoff, self.natoms = cutoff, len(atoms)
        self.first, self.second = np.triu_indices(len(atoms), k=1)

    def __call__(self, positions: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
        """Copy (P,), pair (P,), vector (3, P) and distance (P,) in Å of images in ``positions`` (R, N, 3) Å.

        A vector leads from the pair's ``first`` atom to its ``second``.
        """
        by_axis = positions.transpose(2, 0, 1)
        found = (by_axis[:, :, self.second] - by_axis[:, :, self.first]).reshape(3, -1)
        edges = self.edges[:, None]
        found -= edges * np.rint(found / edges)
        images = np.stack([found, found - np.copysign(edges, found)])
        squared = np.square(images)
        within, vectors = [], []
        for x, y in product((0, 1), repeat=2):
            across = squared[x, 0] + squared[y, 1]
            for z in (0, 1):
                chosen = np.flatnonzero(across + squared[z, 2] < self.cutoff**2)
                within.append(chosen)
                vectors.append([images[i, axis].take(chosen) for axis, i in enumerate((x, y, z))])
        together = np.concatenate(vectors, axis=1)
        copy, pair = np.divmod(np.concatenate(within), len(self.first))
        return copy, pair, together, np.sqrt(np.square(together).sum(0))

    def atoms(self, copy: np.ndarray, pair: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """First and second atom (P,) of pairs, numbered through all copies."""
        return copy * self.natoms + self.first[pair], copy * self.natoms + self.second[pair]


class ImagesInAnyCell(Images):
    """Likewise in any cell, however short; also an atom and its own images, one of two that are opposite.

    Args:
        atoms: gives the number of atoms and the cell, periodic in all directions.
        cutoff: Å.
    """

    def __init__(self, atoms: Atoms, cutoff: float) -> None:
        self.cell, self.cutoff, self.natoms = atoms.cell.array, cutoff, len(atoms)
        self.inverse = np.linalg.inv(self.cell)
        self.first, self.second = np.triu_indices(len(atoms))
        # From the nearest along each vector: those whose planes of the lattice are within the cutoff.
        most = np.floor(cutoff * np.linalg.norm(self.inverse, axis=0) + 0.5).astype(int)
        self.shifts = np.array(list(product(*(range(-m, m + 1) for m in most))))
        half = np.arange(len(self.shifts)) > len(self.shifts) // 2
        self.counted = half | (self.first != self.second)[:, None]

    def __call__(self, positions: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
        fractions = (positions[:, self.second] - positions[:, self.first]) @ self.inverse
        fractions -= np.rint(fractions)
        vectors = (fractions[:, :, None] + self.shifts) @ self.cell
        squared = np.square(vectors).sum(-1)
        found = np.nonzero((squared < self.cutoff**2) & self.counted)
        copy, pair, _ = found
        return copy, pair, np.ascontiguousarray(vectors[found].T), np.sqrt(squared[found])


def forces_of(one: np.ndarray, other: np.ndarray, pulls: np.ndarray, shape: tuple[int, ...]) -> np.ndarray:
    """Forces in the unit of ``pulls`` (3, P), which pull atoms ``one`` (P,) that way and ``other`` back.

    Args:
        one, other: atoms, numbered through all copies.
        pulls: on each pair.
        shape: (R, N, 3), of the forces.
    """
    size = shape[0] * shape[1]
    forces = [np.bincount(one, p, size) - np.bincount(other, p, size) for p in pulls]
    return np.stack(forces, axis=1).reshape(shape)
