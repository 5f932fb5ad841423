"""How many structures the splits of a data set have, and structures of its size made on the spot."""

import math

import numpy as np
from ase import Atoms

from leignn.config.dataset import Dataset, Generated
from leignn.config.size import Size
from leignn.config.splits import ByCounts, ByMDSim, ByParts
from leignn.config.workflow import Standin
from leignn.data.structure import Structure

LAYERS = 4  # of atoms in a slab


def frames_of_parts(dataset: Dataset, standin: Standin) -> dict[str, int | None]:
    """Structures of each part; None where the number is not known."""
    if isinstance(dataset.source, Generated) and dataset.source.generate == "oc20_standin":
        return {part: standin.train if part == "train" else standin.validation for part in dataset.parts}
    known = dataset.size.frames if dataset.size else {}
    return {part: known.get(part) for part in dataset.parts}


def frames_of_splits(dataset: Dataset, standin: Standin) -> dict[str, int | None]:
    """Structures of ``train``, ``val`` and the test splits; None where the number is not known."""
    parts, rule = frames_of_parts(dataset, standin), dataset.splits
    unknown: dict[str, int | None] = dict.fromkeys(("train", "val", *dataset.test_splits))
    if isinstance(rule, ByParts):
        tests = {test: parts[test] for test in rule.tests}
        train, val = parts[rule.train], parts[rule.validation] if rule.validation else None
        if train is not None:
            train = round(train * rule.subset)
        if train is not None and rule.validation_fraction:
            val = round(train * rule.validation_fraction)
            train -= val
        return {"train": train, "val": val, **tests}
    total = sum(n for n in parts.values() if n is not None) if None not in parts.values() else None
    if isinstance(rule, ByCounts):
        counts = rule.counts
        rest = None if total is None else total - counts.train - counts.val
        test = rest if counts.test == "rest" else counts.test
        return {"train": counts.train, "val": counts.val, "test": test}
    if isinstance(rule, ByMDSim) and total is not None:
        test = _share(rule.test, total)
        val = _share(rule.validation, total - test)
        return {"train": total - test - val, "val": val, "test": test}
    return unknown


def _share(wanted: float, total: int) -> int:
    """A number of frames, or a fraction of them."""
    return wanted if isinstance(wanted, int) else round(total * wanted)


def typical_structures(size: Size, count: int) -> list[Structure]:
    """Structures of a data set's size: atoms on a rough lattice of its density, labelled with zeros.

    They have the atoms, the elements and about the neighbours of the real ones, which is what time
    depends on, and nothing else of them.
    """
    rng = np.random.default_rng(0)
    return [_structure(size, rng, frame) for frame in range(count)]


def _structure(size: Size, rng: np.random.Generator, frame: int) -> Structure:
    layers = LAYERS if size.vacuum else math.ceil(size.atoms ** (1 / 3))
    side = math.ceil(math.sqrt(size.atoms / layers))
    lattice = np.stack(np.meshgrid(*map(np.arange, (side, side, layers)), indexing="ij"), -1).reshape(-1, 3)
    spacing = (size.atoms * size.volume / len(lattice)) ** (1 / 3)
    taken = rng.permutation(len(lattice))[: size.atoms]
    pos = lattice[taken] * spacing + rng.normal(0, 0.05 * spacing, (size.atoms, 3))
    atoms = Atoms([size.elements[i % len(size.elements)] for i in range(size.atoms)], positions=pos)
    if size.periodic == "cell":
        atoms.cell = np.array([side, side, layers]) * spacing + [0, 0, size.vacuum]
        atoms.pbc = True
    labels = {"energy": 0.0, "forces": np.zeros((size.atoms, 3))}
    return Structure.from_atoms(atoms, "made", frame, labels)
