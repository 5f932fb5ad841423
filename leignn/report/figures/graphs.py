"""Draw Figure 1: the graph of a structure, what distances and angles miss, and the model's symmetry.

Every number in it is computed: by the graph, by geometry, and by a trained LEIGNN.
"""

import argparse
import dataclasses
from collections import Counter
from pathlib import Path

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
from ase.data import chemical_symbols
from matplotlib.axes import Axes
from matplotlib.patches import Arc, Circle
from scipy.spatial.transform import Rotation

from leignn.data.structure import Structure
from leignn.errors import RunFailedError
from leignn.files import replacing
from leignn.report.drawing import example
from leignn.report.drawing.example import Example, load_example
from leignn.report.drawing.geometry import (
    Level,
    angle,
    cis_and_trans,
    dihedral,
    distance,
    edges_of,
    hexagon_and_triangles,
    indistinguishable,
)
from leignn.report.drawing.projection import PLAN_VIEW, SIDE_VIEW, draw_arrows, draw_atoms, draw_lines
from leignn.report.drawing.style import COLOURS, empty_panel, note, number, save_figure, save_gap
from leignn.report.drawing.symmetry import COLUMNS, TURN, Symmetry, measure_symmetry, numbers_of, predict

CUTOFF_PER_BOND = 1.5  # between the first and the second neighbours of the constructed pairs
FORCE_SCALE = 1.6  # Å that the largest force is long


def add_arguments(parser: argparse.ArgumentParser) -> None:
    example.add_arguments(parser)
    parser.add_argument("--numbers", type=Path, required=True, help="the numbers of panels e and f (.csv)")


def main(args: argparse.Namespace) -> None:
    try:
        shown = load_example(args)
    except RunFailedError as error:
        save_gap(str(error), args.output)
        with replacing(args.numbers) as temporary:
            pd.DataFrame(columns=COLUMNS).to_csv(temporary, index=False)
        return
    rotation = Rotation.from_rotvec(TURN * SIDE_VIEW[2], degrees=True).as_matrix()
    symmetry = measure_symmetry(shown, rotation)
    draw(shown, symmetry, rotation, args.output)
    with replacing(args.numbers) as temporary:
        pd.DataFrame([numbers_of(shown, symmetry)], columns=COLUMNS).to_csv(temporary, index=False)


def draw(shown: Example, symmetry: Symmetry, rotation: np.ndarray, output: Path) -> None:
    """Draw the six panels."""
    figure, axes = plt.subplots(2, 3, figsize=(11, 8.4))
    figure.subplots_adjust(left=0.015, right=0.985, top=0.965, bottom=0.13, wspace=0.06, hspace=0.3)
    element = Counter(shown.structure.atomic_numbers.tolist()).most_common(1)[0][0]
    bond = _shortest_bond(shown, element)
    _draw_graph(axes[0, 0], shown)
    rings, chains = hexagon_and_triangles(bond), cis_and_trans(bond)
    _draw_rings(axes[0, 1], rings, element, bond)
    _draw_angles(axes[0, 2], rings, element, bond, _difference(shown, rings, element, bond))
    _draw_chains(axes[1, 0], chains, element, bond, _difference(shown, chains, element, bond))
    _draw_forces(axes[1, 1], shown, symmetry)
    _draw_rotated(axes[1, 2], shown, symmetry, rotation)
    figure.text(0.5, 0.012, shown.caption, fontsize=7.8, color="0.35", ha="center")
    save_figure(figure, output)


def _shortest_bond(shown: Example, element: int) -> float:
    """Å between two atoms of ``element`` in the structure, or of any: a length that the model has seen."""
    batch = shown.batch(shown.structure)
    (source, target), vector = shown.trained.potential.edges(batch)
    alike = (batch.atomic_numbers[source] == element) & (batch.atomic_numbers[target] == element)
    lengths = vector.norm(dim=1)
    return float((lengths[alike] if alike.any() else lengths).min())


def _difference(shown: Example, pair: tuple[np.ndarray, np.ndarray], element: int, bond: float) -> str:
    energies = []
    for pos in pair:
        n = len(pos)
        structure = Structure(
            pos=pos,
            atomic_numbers=np.full(n, element, dtype=np.uint8),
            cell=np.zeros((3, 3)),
            pbc=np.zeros(3, dtype=bool),
            tags=np.zeros(n, dtype=np.int8),
            fixed=np.zeros(n, dtype=bool),
            energy=np.nan,
            forces=np.zeros((n, 3), dtype=np.float32),
        )
        index = np.array(edges_of(pos, CUTOFF_PER_BOND * bond)).T
        energies.append(predict(shown, structure, (index, np.zeros((index.shape[1], 3), dtype=np.int64)))[0])
    difference = 1000 * abs(energies[0] - energies[1])
    digits = ".3g" if difference < 1000 else ",.0f"
    return f"The trained LEIGNN on these edges: |E₁ − E₂| = {difference:{digits}} meV."


def _draw_graph(axis: Axes, shown: Example) -> None:
    empty_panel(axis, "a", "Graph of an atomic structure")
    s, spec = shown.structure, shown.trained.potential.graph
    batch = shown.batch(s)
    edge_index, between = shown.trained.potential.edges(batch)
    (source, target), vector = edge_index.numpy(), between.numpy()
    images = batch.cell_offsets.numpy().any(axis=1)
    within = ~images & (source < target)
    draw_lines(axis, s.pos[target[within]], vector[within], SIDE_VIEW, color="0.75", lw=0.5)
    centre = int(np.argmax(s.pos[:, 2]))  # an adsorbate, where there is one
    own = target == centre
    for kind, line in ((images, ":"), (~images, "-")):
        of = own & kind
        start = np.repeat(s.pos[[centre]], of.sum(), axis=0)
        draw_lines(axis, start, vector[of], SIDE_VIEW, color=COLOURS[0], lw=1.2, linestyle=line)
    outside = own & images
    draw_atoms(
        axis, s.pos[centre] + vector[outside], s.atomic_numbers[source[outside]], SIDE_VIEW, faint=True
    )
    draw_atoms(axis, s.pos, s.atomic_numbers, SIDE_VIEW)
    axis.autoscale_view()
    note(
        axis,
        f"{len(s.pos)} atoms, {len(source)} edges: "
        f"up to {spec.max_neighbors} nearest within {spec.cutoff:g} Å; "
        f"{100 * images.mean():.0f} % end at a periodic image (pale). "
        f"Marked: the {own.sum()} edges of one {chemical_symbols[s.atomic_numbers[centre]]} atom.",
    )


def _draw_rings(axis: Axes, rings: tuple[np.ndarray, np.ndarray], element: int, bond: float) -> None:
    empty_panel(axis, "b", "Distances do not tell these apart")
    cutoff = CUTOFF_PER_BOND * bond
    for pos, placed in zip(rings, _draw_both(axis, rings, element, bond), strict=True):
        axis.add_patch(
            Circle(tuple(placed[1, :2]), cutoff, fill=False, linestyle="--", lw=0.9, ec=COLOURS[1])
        )
        around = [j for j, i in edges_of(pos, cutoff) if i == 1]
        inside = placed[[1, *around]].mean(axis=0)
        for j in around:
            middle = (placed[1] + placed[j]) / 2
            outward = (middle - inside) / np.linalg.norm(middle - inside)
            _label(axis, (middle + 0.32 * bond * outward)[:2], f"{distance(pos, j, 1):.2f} Å", 7.5)
    axis.autoscale_view()
    same = indistinguishable(*rings, cutoff, "distances")
    note(
        axis,
        f"Every atom has the same distances within {cutoff:.2f} Å (dashed). Colour refinement by distances: "
        f"{'the same atoms in both, after any number of layers' if same else 'different'}.",
    )


def _draw_angles(
    axis: Axes, rings: tuple[np.ndarray, np.ndarray], element: int, bond: float, model: str
) -> None:
    empty_panel(axis, "c", "Angles tell them apart")
    cutoff = CUTOFF_PER_BOND * bond
    for pos, placed in zip(rings, _draw_both(axis, rings, element, bond), strict=True):
        edges = edges_of(pos, cutoff)
        for i in range(len(pos)):
            _draw_angle(axis, placed, i, [j for j, k in edges if k == i])
    axis.autoscale_view()
    note(axis, f"{_verdicts(rings, cutoff, ('distances', 'angles'))} {model}")


def _draw_both(
    axis: Axes, rings: tuple[np.ndarray, np.ndarray], element: int, bond: float
) -> list[np.ndarray]:
    """One above the other; returns where the atoms are."""
    found = []
    for pos, height in zip(rings, (1.3, -1.35), strict=True):
        placed = pos + [0, height * bond, 0]
        pairs = np.array(edges_of(pos, CUTOFF_PER_BOND * bond))
        vector = pos[pairs[:, 0]] - pos[pairs[:, 1]]
        draw_lines(axis, placed[pairs[:, 1]], vector, PLAN_VIEW, color="0.35", lw=1.4)
        draw_atoms(axis, placed, np.full(len(pos), element), PLAN_VIEW, size=0.3)
        found.append(placed)
    return found


def _draw_angle(axis: Axes, pos: np.ndarray, i: int, neighbours: list[int]) -> None:
    """An arc between two neighbours of atom ``i``, and the angle in degrees beside it."""
    j, k = neighbours
    a, b = (np.degrees(np.arctan2(*(pos[n] - pos[i])[1::-1])) for n in (j, k))
    if (b - a) % 360 > 180:
        a, b = b, a
    bond = float(np.linalg.norm(pos[j] - pos[i]))
    axis.add_patch(
        Arc(tuple(pos[i, :2]), 0.7 * bond, 0.7 * bond, theta1=a, theta2=b, color=COLOURS[0], lw=1.2)
    )
    inward = (pos[j] + pos[k] - 2 * pos[i])[:2]
    place = pos[i, :2] - 0.42 * bond * inward / np.linalg.norm(inward)
    _label(axis, place, f"{angle(pos, j, i, k):.0f}°", 8, COLOURS[0])
    axis.update_datalim([place])


def _label(axis: Axes, place: np.ndarray, text: str, size: float, colour: str = "black") -> None:
    box = {"facecolor": "white", "edgecolor": "none", "pad": 0.6}
    axis.text(
        place[0], place[1], text, fontsize=size, ha="center", va="center", color=colour, bbox=box, zorder=2.5
    )


def _draw_chains(
    axis: Axes, chains: tuple[np.ndarray, np.ndarray], element: int, bond: float, model: str
) -> None:
    empty_panel(axis, "d", "Dihedrals tell these apart, angles do not")
    cutoff = CUTOFF_PER_BOND * bond
    for pos, height in zip(chains, (0.55, -1.0), strict=True):
        placed = pos + [0, height * bond, 0]
        draw_lines(axis, placed[:-1], np.diff(pos, axis=0), PLAN_VIEW, color="0.35", lw=1.6)
        draw_atoms(axis, placed, np.full(4, element), PLAN_VIEW, size=0.3)
        for i in (1, 2):
            _draw_angle(axis, placed, i, [i - 1, i + 1])
        text = f"dihedral {dihedral(pos, 0, 1, 2, 3):.0f}°"
        axis.text(1.15 * bond, placed[1, 1] + 0.35 * bond, text, fontsize=8.5, va="center", color=COLOURS[1])
    axis.update_datalim([(2.3 * bond, 0)])  # room for the words at the right
    axis.autoscale_view()
    note(axis, f"{_verdicts(chains, cutoff, ('distances', 'angles', 'dihedrals'))} {model}")


def _verdicts(pair: tuple[np.ndarray, np.ndarray], cutoff: float, levels: tuple[Level, ...]) -> str:
    """What colour refinement at each level says of a pair."""
    found = {level: "same" if indistinguishable(*pair, cutoff, level) else "different" for level in levels}
    return "Refined by " + ", and ".join(f"{level}: {verdict}" for level, verdict in found.items()) + "."


def _draw_forces(axis: Axes, shown: Example, symmetry: Symmetry) -> None:
    empty_panel(axis, "e", "Energy and forces of a structure")
    _draw_structure(axis, shown.structure, symmetry.forces)
    largest = np.linalg.norm(symmetry.forces[~shown.structure.fixed], axis=1).max()
    note(axis, f"E = {number(symmetry.energy, '.6f')} eV\nlargest force on a free atom: {largest:.3f} eV/Å")


def _draw_rotated(axis: Axes, shown: Example, symmetry: Symmetry, rotation: np.ndarray) -> None:
    empty_panel(axis, "f", f"Rotated by {TURN:g}°: E invariant, F turns along")
    s = shown.structure
    after = dataclasses.replace(s, pos=s.pos @ rotation.T, cell=s.cell @ rotation.T)
    _draw_structure(axis, after, symmetry.rotated_forces)
    text = (
        f"Same edges: |E′ − E| = {number(symmetry.carried_energy_change, '.0e')} eV, "
        f"max |F′ − RF| = {number(symmetry.carried_force_change, '.0e')} eV/Å"
    )
    if symmetry.changed_edges:
        text += (
            "\nEdges found anew: ties for the last place are cut otherwise, "
            f"{symmetry.changed_edges} edges differ; {number(symmetry.rebuilt_energy_change, '.0e')} eV, "
            f"{number(symmetry.rebuilt_force_change, '.0e')} eV/Å"
        )
    note(axis, text)


def _draw_structure(axis: Axes, structure: Structure, forces: np.ndarray) -> None:
    """The structure, the base of its cell, and the forces on its free atoms."""
    if structure.pbc.any():
        lowest = (structure.pos @ np.linalg.pinv(structure.cell)).min(axis=0)[2]
        corners = np.array([[0, 0, lowest], [1, 0, lowest], [1, 1, lowest], [0, 1, lowest]]) @ structure.cell
        side = np.roll(corners, -1, axis=0) - corners
        draw_lines(axis, corners, side, SIDE_VIEW, color="0.6", lw=0.8)
    draw_atoms(axis, structure.pos, structure.atomic_numbers, SIDE_VIEW)
    free = ~structure.fixed
    scale = FORCE_SCALE / np.linalg.norm(forces[free], axis=1).max()
    draw_arrows(axis, structure.pos[free], scale * forces[free], SIDE_VIEW, color=COLOURS[0])
    # The same scale before and after a rotation about the axis of view.
    reach = np.linalg.norm((structure.pos - structure.pos.mean(axis=0)) @ SIDE_VIEW.T[:, :2], axis=1).max()
    axis.add_patch(Circle((structure.pos.mean(axis=0) @ SIDE_VIEW.T)[:2], reach, visible=False))
    axis.autoscale_view()
