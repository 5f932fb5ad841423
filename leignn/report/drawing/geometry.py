"""Structures that distances, or distances and angles, cannot tell apart; and the proof by refinement."""

import itertools
from typing import Any, Literal

import numpy as np
import torch

from leignn.graph import GraphSpec, nearest_edges

Level = Literal["distances", "angles", "dihedrals"]
DIGITS = 6  # numbers that agree to 1e-6 Å or degrees are equal


def hexagon_and_triangles(bond: float) -> tuple[np.ndarray, np.ndarray]:
    """Two structures of six atoms in which every atom has two neighbours at distance ``bond``.

    Returns (6, 3) positions in Å of a regular hexagon, and of two equilateral triangles further apart
    than a cutoff between ``bond`` and √3 ``bond``.
    """
    corners = np.radians(60 * np.arange(6))
    hexagon = bond * np.stack([np.cos(corners), np.sin(corners), 0 * corners], axis=1)
    triangle = hexagon[::2] / np.sqrt(3)
    shift = np.array([1.35 * bond, 0, 0])
    turned = triangle * [-1, 1, 1]
    return hexagon, np.concatenate([turned - shift, triangle + shift])


def cis_and_trans(bond: float, angle: float = 110.0) -> tuple[np.ndarray, np.ndarray]:
    """Two chains of four atoms with equal bonds (Å) and angles (degrees): dihedral 0° and 180°."""
    bend = np.radians(180 - angle)
    step = bond * np.array([np.cos(bend), np.sin(bend), 0])
    first, second = np.array([-bond / 2, 0, 0]), np.array([bond / 2, 0, 0])
    start = first + step * [-1, 1, 1]
    cis, trans = (np.stack([start, first, second, second + step * [1, side, 1]]) for side in (1, -1))
    return cis, trans


def edges_of(pos: np.ndarray, cutoff: float) -> list[tuple[int, int]]:
    """Pairs (source, target) within ``cutoff``, by the project's own graph; no periodic images."""
    n = len(pos)
    index, _, _ = nearest_edges(
        torch.as_tensor(pos),
        torch.zeros(1, 3, 3),
        torch.zeros(1, 3, dtype=torch.bool),
        torch.tensor([n]),
        GraphSpec(cutoff, n),
    )
    return [(int(j), int(i)) for j, i in index.T]


def indistinguishable(one: np.ndarray, two: np.ndarray, cutoff: float, level: Level) -> bool:
    """Whether message passing that knows no more than ``level`` gives both structures the same atoms.

    Colour refinement (Weisfeiler and Leman): atoms start alike; in every round an atom's new colour is
    its old one and the multiset of its neighbours' colours with the distance to each, with "angles" also
    of pairs of neighbours with the angle between them, with "dihedrals" also of chains of three with
    their dihedral. Without a difference when the colours no longer split, no number of layers and no
    weights make one.

    Args:
        one, two: (n, 3) positions in Å; all atoms of one element.
        cutoff: Å.
        level: what is known of the geometry.
    """
    sides = [(np.asarray(pos), _neighbours(pos, cutoff)) for pos in (one, two)]
    colours = [[0] * len(pos) for pos, _ in sides]
    classes = 1
    while True:
        seen = [
            [(c[i], sorted(_messages(pos, around, i, c, level))) for i in range(len(pos))]
            for (pos, around), c in zip(sides, colours, strict=True)
        ]
        names = {key: number for number, key in enumerate(sorted({repr(k) for side in seen for k in side}))}
        colours = [[names[repr(key)] for key in side] for side in seen]
        if sorted(colours[0]) != sorted(colours[1]):
            return False
        if len(names) == classes:
            return True
        classes = len(names)


def _neighbours(pos: np.ndarray, cutoff: float) -> dict[int, list[int]]:
    around: dict[int, list[int]] = {i: [] for i in range(len(pos))}
    for source, target in edges_of(pos, cutoff):
        around[target].append(source)
    return around


def _messages(
    pos: np.ndarray, around: dict[int, list[int]], i: int, colours: list[int], level: Level
) -> list[tuple[Any, ...]]:
    """What atom ``i`` hears: distances, angles and dihedrals with the colours of the atoms they name."""
    heard: list[tuple[Any, ...]] = [(distance(pos, i, j), colours[j]) for j in around[i]]
    if level != "distances":
        for j, k in itertools.permutations(around[i], 2):
            heard.append(
                (angle(pos, j, i, k), distance(pos, i, j), distance(pos, i, k), colours[j], colours[k])
            )
    if level == "dihedrals":
        for j in around[i]:
            for k in set(around[j]) - {i}:
                for m in set(around[k]) - {i, j}:
                    heard.append((dihedral(pos, i, j, k, m), colours[j], colours[k], colours[m]))
    return heard


def distance(pos: np.ndarray, i: int, j: int) -> float:
    """Å, rounded."""
    return round(float(np.linalg.norm(pos[j] - pos[i])), DIGITS)


def angle(pos: np.ndarray, j: int, i: int, k: int) -> float:
    """Angle j–i–k in degrees, rounded."""
    a, b = pos[j] - pos[i], pos[k] - pos[i]
    return round(float(np.degrees(np.arctan2(np.linalg.norm(np.cross(a, b)), a @ b))), DIGITS)


def dihedral(pos: np.ndarray, i: int, j: int, k: int, m: int) -> float:
    """Absolute dihedral i–j–k–m in degrees, rounded: 0 is cis, 180 trans."""
    axis = pos[k] - pos[j]
    a, b = np.cross(pos[i] - pos[j], axis), np.cross(pos[m] - pos[k], axis)
    return round(float(np.degrees(np.arctan2(np.linalg.norm(np.cross(a, b)), a @ b))), DIGITS)
