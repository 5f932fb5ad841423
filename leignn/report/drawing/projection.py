"""Atoms, edges and arrows of a structure, projected on the paper."""

from typing import Any

import numpy as np
from ase.data import chemical_symbols, covalent_radii
from ase.data.colors import jmol_colors
from matplotlib.axes import Axes
from matplotlib.patches import Circle
from scipy.spatial.transform import Rotation

# Rows: right, up and towards the reader, for a slab whose normal is z.
SIDE_VIEW = Rotation.from_euler("zx", [-25, -72], degrees=True).as_matrix()
PLAN_VIEW = np.eye(3)
SMALLEST = 0.32  # Å, of a circle: room for its symbol
ATOM_SIZE = 0.55  # of the covalent radius: leaves room for edges between the atoms


def draw_atoms(
    axis: Axes,
    pos: np.ndarray,
    atomic_numbers: np.ndarray,
    view: np.ndarray,
    faint: bool = False,
    size: float = ATOM_SIZE,
) -> None:
    """Circles with the elements' symbols, the nearest to the reader on top.

    Args:
        axis: where to draw, in Å.
        pos: (n, 3) Å.
        atomic_numbers: (n,).
        view: (3, 3) rotation; its rows point right, up and towards the reader.
        faint: pale, as for periodic images.
        size: radius of the circles in units of the covalent radius.
    """
    seen = pos @ view.T
    for i in np.argsort(seen[:, 2]):
        number = atomic_numbers[i]
        radius = max(size * covalent_radii[number], SMALLEST)
        style = {"alpha": 0.3, "zorder": 2} if faint else {"zorder": 3 + 1e-3 * seen[i, 2]}
        axis.add_patch(
            Circle(seen[i, :2], radius, facecolor=jmol_colors[number], edgecolor="0.25", lw=0.7, **style)
        )
        if not faint:
            dark = jmol_colors[number] @ [0.3, 0.59, 0.11] < 0.5
            axis.text(
                seen[i, 0], seen[i, 1], chemical_symbols[number], ha="center", va="center_baseline",
                fontsize=6.5, color="white" if dark else "black", zorder=style["zorder"] + 5e-4,
            )  # fmt: skip


def draw_lines(axis: Axes, start: np.ndarray, vector: np.ndarray, view: np.ndarray, **style: Any) -> None:
    """A line from each of ``start`` (k, 3) along ``vector`` (k, 3), both in Å."""
    a, b = start @ view.T, (start + vector) @ view.T
    axis.plot(np.stack([a[:, 0], b[:, 0]]), np.stack([a[:, 1], b[:, 1]]), **{"zorder": 1} | style)


def draw_arrows(axis: Axes, start: np.ndarray, vector: np.ndarray, view: np.ndarray, **style: Any) -> None:
    """An arrow from each of ``start`` (k, 3) along ``vector`` (k, 3), both in Å."""
    a, d = start @ view.T, vector @ view.T
    style = {"scale": 1, "width": 0.008, "zorder": 6} | style
    axis.quiver(a[:, 0], a[:, 1], d[:, 0], d[:, 1], angles="xy", scale_units="xy", **style)
