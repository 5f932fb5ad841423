"""What a trajectory is judged by: radial distributions, stability, diffusivity (MDSim, Fu et al. 2023)."""

from collections.abc import Callable, Iterator
from itertools import combinations_with_replacement, product
from typing import Literal

import numpy as np
from ase.data import chemical_symbols, covalent_radii

from leignn.errors import InputError

BINS = 500
RDF_RANGE = (1e-6, 6.0)  # Å
HR_RANGE = (1e-6, 10.0)  # Å
COLLAPSE = 1.0  # Å: a window of a simulation that deviates by more has collapsed
BROKEN = 0.5  # Å: a bond whose length deviates by more is broken, as in MDSim
BOND_REACH = 1.3  # times the sum of covalent radii: atoms that are always nearer are bonded
CHUNK_PAIRS = 2**18  # distances at once: they stay in the processor's cache

Convention = Literal["corrected", "mdsim"]
Images = Literal["nearest", "all"]


def rdf(positions: np.ndarray, cell: np.ndarray, images: Images = "nearest") -> np.ndarray:
    """Radial distribution function g(r) over all pairs of atoms in a periodic cell.

    g = n / (T·N²/V · 4/3 π (r_hi³ − r_lo³)), n the number of ordered pairs in a bin. N² counts an atom's
    pair with itself, as MDSim does. Also as MDSim does, only the nearest image of an atom counts: beyond
    half the cell's least width g falls below what it is, to zero. ``images="all"`` counts every image, an
    atom's own too: g is right at every distance, and 1 in an ideal gas.

    Args:
        positions: (T, N, 3) Å, wrapped or not.
        cell: (3, 3) Å, rows are the lattice vectors.
        images: which periodic images of an atom count.

    Returns:
        (500,) in bins from 1e-6 to 6 Å (:data:`RDF_RANGE`).

    Raises:
        InputError: arrays of other shapes, or a cell without volume.
    """
    positions = _checked(positions)
    pairs = np.triu_indices(positions.shape[1], k=1)
    found = 2 * _pair_density(positions, cell, pairs, images) / positions.shape[1] ** 2
    if images == "all":
        found += _own_images(cell) / positions.shape[1]
    return found


def partial_rdfs(
    positions: np.ndarray, cell: np.ndarray, numbers: np.ndarray, images: Images = "nearest"
) -> dict[str, np.ndarray]:
    """g(r) of every pair of elements, each one for a mixture without structure.

    Args:
        positions: (T, N, 3) Å, wrapped or not.
        cell: (3, 3) Å, rows are the lattice vectors.
        numbers: (N,) atomic numbers.
        images: as of :func:`rdf`, of pairs of different atoms.

    Returns:
        by name ("Li-S", the lighter element first): (500,) in the bins of :func:`rdf`. Pairs of an
        element that occurs once are left out.
    """
    positions = _checked(positions)
    first, second = np.triu_indices(positions.shape[1], k=1)
    low, high = np.minimum(numbers[first], numbers[second]), np.maximum(numbers[first], numbers[second])
    found = {}
    for a, b in combinations_with_replacement(np.unique(numbers), 2):
        chosen = (low == a) & (high == b)
        if chosen.any():
            density = _pair_density(positions, cell, (first[chosen], second[chosen]), images)
            found[f"{chemical_symbols[a]}-{chemical_symbols[b]}"] = density / chosen.sum()
    return found


def _pair_density(
    positions: np.ndarray, cell: np.ndarray, pairs: tuple[np.ndarray, np.ndarray], images: Images
) -> np.ndarray:
    """(500,) number of the given pairs in each shell, a frame, over the shell's part of the cell's volume."""
    shells = _shells(cell)
    count = np.zeros(BINS, dtype=np.int64)
    for vectors in _pair_vectors(positions, pairs):
        if images == "nearest":
            count += np.histogram(_minimum_image_distances(vectors, cell), BINS, RDF_RANGE)[0]
        else:
            fractional = vectors @ np.linalg.inv(cell)
            home = (fractional - np.round(fractional)) @ cell
            for shift in _lattice(cell):
                count += np.histogram(np.linalg.norm(home + shift, axis=-1), BINS, RDF_RANGE)[0]
    return count / (len(positions) * shells)


def _own_images(cell: np.ndarray) -> np.ndarray:
    """(500,) images of an atom in each shell, over the shell's part of the cell's volume."""
    distances = np.linalg.norm(_lattice(cell), axis=1)
    return np.histogram(distances[distances > 0], BINS, RDF_RANGE)[0] / _shells(cell)


def _shells(cell: np.ndarray) -> np.ndarray:
    """(500,) volumes of the bins of distance, in volumes of the cell."""
    edges = np.linspace(*RDF_RANGE, BINS + 1)
    return 4 / 3 * np.pi * (edges[1:] ** 3 - edges[:-1] ** 3) / _volume(cell)


def _lattice(cell: np.ndarray) -> np.ndarray:
    """(M, 3) Å, every lattice vector that can bring a vector of the cell around the origin into the range."""
    reach = np.ceil(RDF_RANGE[1] * np.linalg.norm(np.linalg.inv(cell), axis=0) + 0.5).astype(int)
    return np.array(list(product(*(range(-n, n + 1) for n in reach)))) @ cell


def rdf_mae(first: np.ndarray, second: np.ndarray) -> float:
    """∫ |g₁ − g₂| dr in Å, of two arrays (500,) from :func:`rdf`."""
    return float(np.abs(first - second).mean() * 6.0)


def pair_distances(positions: np.ndarray) -> np.ndarray:
    """h(r): the density of all interatomic distances, without periodic images.

    Args:
        positions: (T, N, 3) Å.

    Returns:
        (500,) in 1/Å, in bins from 1e-6 to 10 Å (:data:`HR_RANGE`); its integral over them is one.
    """
    positions = _checked(positions)
    count = np.zeros(BINS, dtype=np.int64)
    for vectors in _pair_vectors(positions, np.triu_indices(positions.shape[1], k=1)):
        count += np.histogram(np.linalg.norm(vectors, axis=-1), BINS, HR_RANGE)[0]
    if not count.any():
        raise InputError(f"no two atoms are within {HR_RANGE[1]} Å: h(r) is not defined")
    width = (HR_RANGE[1] - HR_RANGE[0]) / BINS
    return count / (count.sum() * width)


def pair_distances_mae(first: np.ndarray, second: np.ndarray) -> float:
    """Mean of |h₁ − h₂| without the first bin, times 10 Å, of two (500,) from :func:`pair_distances`."""
    return float(np.abs(first - second)[1:].mean() * 10.0)


def stability(
    positions: np.ndarray,
    deviation: Callable[[np.ndarray], float],
    window: int,
    frame_time: float,
    limit: float = COLLAPSE,
) -> float:
    """Time in ps until a window of the trajectory deviates from the reference by more than ``limit``.

    Args:
        positions: (T, N, 3) Å.
        deviation: of a window's positions from the reference; MDSim's is the RDF's MAE, Å.
        window: frames of a window, 1 ps in MDSim.
        frame_time: ps between frames.
        limit: Å, MDSim's for the RDF's MAE unless given.

    Returns:
        the start of the first of the consecutive windows that deviates by more than ``limit``; else the
        full length.

    Raises:
        InputError: the trajectory is shorter than the window.
    """
    positions = _checked(positions)
    if len(positions) < window:
        raise InputError(f"the trajectory has {len(positions)} frames, fewer than the window's {window}")
    for start in range(0, len(positions) - window + 1, window):
        if deviation(positions[start : start + window]) > limit:
            return start * frame_time
    return len(positions) * frame_time


def bonds_of(positions: np.ndarray, cell: np.ndarray, numbers: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Pairs of atoms that stay within 1.3 times the sum of their covalent radii in every frame.

    Args:
        positions: (T, N, 3) Å.
        cell: (3, 3) Å, rows are the lattice vectors.
        numbers: (N,) atomic numbers.

    Returns:
        (B, 2) pairs, and (B,) their mean lengths in Å.
    """
    first, second = np.triu_indices(len(numbers), k=1)
    lengths = np.concatenate(
        [_minimum_image_distances(v, cell) for v in _pair_vectors(_checked(positions), (first, second))]
    )
    reach = BOND_REACH * (covalent_radii[numbers[first]] + covalent_radii[numbers[second]])
    bonded = (lengths < reach).all(0)
    return np.stack([first[bonded], second[bonded]], axis=1), lengths[:, bonded].mean(0)


def bond_deviation(positions: np.ndarray, cell: np.ndarray, bonds: np.ndarray, lengths: np.ndarray) -> float:
    """Largest deviation in Å of the ``bonds`` (B, 2) from the ``lengths`` (B,), in any frame (T, N, 3) Å."""
    vectors = positions[:, bonds[:, 1]] - positions[:, bonds[:, 0]]
    return float(np.abs(_minimum_image_distances(vectors, cell) - lengths).max())


def unwrap(positions: np.ndarray, cell: np.ndarray) -> np.ndarray:
    """Positions (T, N, 3) Å without jumps through the cell: each step goes to the nearest image."""
    positions = _checked(positions)
    _volume(cell)
    steps = np.diff(positions @ np.linalg.inv(cell), axis=0)
    images = np.concatenate([np.zeros_like(positions[:1]), -np.round(steps).cumsum(0)])
    return positions + images @ cell


def wrap(positions: np.ndarray, cell: np.ndarray) -> np.ndarray:
    """Positions (T, N, 3) Å moved into the cell."""
    positions = _checked(positions)
    _volume(cell)
    return positions - np.floor(positions @ np.linalg.inv(cell)) @ cell


def make_whole(positions: np.ndarray, cell: np.ndarray) -> np.ndarray:
    """A molecule (T, N, 3) Å that the cell's border may have cut: each atom's image next to the first's."""
    positions = _checked(positions)
    _volume(cell)
    fractional = (positions - positions[:, :1]) @ np.linalg.inv(cell)
    return positions - np.round(fractional) @ cell


def diffusion_by_lag(positions: np.ndarray, convention: Convention = "corrected") -> np.ndarray:
    """MSD / (6·lag) of atoms of equal mass, their common centre taken off, by lag in frames.

    Args:
        positions: (T, N, 3) Å of the tracked atoms, unwrapped.
        convention: ``corrected`` averages lag k over its T − k windows; ``mdsim`` divides by one
            fewer, as MDSim's script does (infinite at the longest lag).

    Returns:
        (T − 1,) Å² a frame, of the lags 1 … T − 1. Å² a ps are 1e-8 m²/s.
    """
    positions = _checked(positions)
    frames = len(positions)
    moved = positions - positions.mean(1, keepdims=True)
    lags = np.arange(1, frames)
    total = np.array([np.square(moved[lag:] - moved[:-lag]).sum() for lag in lags])
    windows = frames - lags - (convention == "mdsim")
    with np.errstate(divide="ignore"):
        return total / moved.shape[1] / windows / (6 * lags)


def _checked(positions: np.ndarray) -> np.ndarray:
    positions = np.asarray(positions, dtype=np.float64)
    if positions.ndim != 3 or positions.shape[2] != 3 or not positions.size:
        raise InputError(f"a trajectory has the shape (frames, atoms, 3), not {positions.shape}")
    if not np.isfinite(positions).all():
        frame = int(np.argmin(np.isfinite(positions).all((1, 2))))
        raise InputError(f"frame {frame} of the trajectory has a position that is not finite")
    return positions


def _volume(cell: np.ndarray) -> float:
    volume = abs(float(np.linalg.det(cell)))
    if not volume > 1e-6:
        raise InputError(f"the cell {np.asarray(cell).tolist()} has no volume")
    return volume


def _pair_vectors(positions: np.ndarray, pairs: tuple[np.ndarray, np.ndarray]) -> Iterator[np.ndarray]:
    """(frames, P, 3) vectors of P pairs, some frames at a time."""
    first, second = pairs
    frames = max(1, CHUNK_PAIRS // max(1, len(first)))
    for start in range(0, len(positions), frames):
        chunk = positions[start : start + frames]
        yield chunk[:, second] - chunk[:, first]


def _minimum_image_distances(vectors: np.ndarray, cell: np.ndarray) -> np.ndarray:
    """Lengths of the shortest images, among the cell that holds the vector and its 26 neighbours."""
    fractional = vectors @ np.linalg.inv(cell)
    fractional -= np.round(fractional)
    vectors = fractional @ cell
    squared = np.einsum("...x,...x->...", vectors, vectors)
    for shift in _shorter_images(cell):
        image = vectors + shift
        np.minimum(squared, np.einsum("...x,...x->...", image, image), out=squared)
    return np.sqrt(squared)


def _shorter_images(cell: np.ndarray) -> list[np.ndarray]:
    """Those of the 26 lattice shifts that can shorten a vector of the cell around the origin.

    |v + s| < |v| needs 2 v·s < −|s|², and v·s is least at one of the corners.
    """
    corners = np.array(list(product((-0.5, 0.5), repeat=3))) @ cell
    shifts = [np.array(n) @ cell for n in product((-1, 0, 1), repeat=3) if any(n)]
    return [s for s in shifts if 2 * (corners @ s).min() < -(s @ s) * (1 + 1e-12)]
