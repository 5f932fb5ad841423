"""Inference on rattled copper over the number of atoms, and over that of neighbours."""

from collections.abc import Mapping
from functools import partial
from typing import Any

from ase import Atoms
from ase.build import bulk

from leignn.batch import Batch
from leignn.data.frames import collate
from leignn.data.structure import Structure
from leignn.graph import GraphSpec
from leignn.neighbors import nearest_edges_of
from leignn.profiling.costs import milliseconds
from leignn.profiling.measure import Timing, interleaved, peak_memory
from leignn.profiling.profiled import Profiled, too_large
from leignn.profiling.rows import row_of, shape_of

REPEATS = ((4, 2, 2), (4, 4, 4), (7, 6, 6), (10, 10, 10), (16, 13, 12))  # copper: 64 to 9984 atoms
NEIGHBORS, CUTOFF = (6, 12, 18, 42, 78), 6.0  # of the 78 within 6 Å
ROUNDS = 2, 4  # at least and at most, with one repeat each


def profile_crystals(models: Mapping[str, Profiled], longest: float) -> list[dict[str, Any]]:
    """One row a model and crystal of copper: over atoms in the model's own graph, and over neighbours.

    What would take more than ``longest`` seconds, or too much memory, is not tried, and its row says so:
    judged from the crystal before, by the number of atoms, or by the square of that of neighbours, as
    models of angles need.
    """
    crystals = [_copper(repeats) for repeats in REPEATS]
    atoms = [(crystal, None, len(crystal)) for crystal in crystals]
    neighbors = [(crystals[0], GraphSpec(CUTOFF, count), count**2) for count in NEIGHBORS]
    device = next(iter(models.values())).device
    rows = []
    for point, members in (("atoms", atoms), ("neighbors", neighbors)):
        last: dict[str, tuple[float, float, float]] = {}  # size, seconds, bytes
        for crystal, graph, size in members:
            tried: dict[str, dict[str, Any]] = {}
            graphs: dict[GraphSpec, Batch] = {}
            batches: dict[str, Batch] = {}
            for name, model in models.items():
                row = row_of(model.run, model.form, device, point) | {"atoms": len(crystal)}
                row |= {"neighbors": graph.max_neighbors} if graph else {}
                rows.append(row)
                if name in last:
                    before, time, memory = last[name]
                    row["status"] = too_large(size / before, time, memory, longest, device) or "ok"
                if row["status"] != "ok":
                    continue
                spec = graph or model.potential.graph
                if spec is None:
                    row["status"] = "not tried: the model makes its own graph"
                    continue
                if spec not in graphs:
                    graphs[spec] = _batch(crystal, spec).to(device)
                batches[name], tried[name] = graphs[spec], row
                row |= shape_of(graphs[spec])
            for name, (timing, memory) in _inferences(models, batches, longest).items():
                tried[name] |= milliseconds("inference", timing, 1) | {"inference_memory_mb": memory / 1e6}
                last[name] = size, timing.median, memory
    return rows


def _inferences(
    models: Mapping[str, Profiled], batches: Mapping[str, Batch], longest: float
) -> dict[str, tuple[Timing, int]]:
    """Time, and bytes of memory, of an inference of each batch by the model of its name."""
    memory: dict[str, int] = {}

    def begin(name: str) -> None:
        call = partial(models[name].infer, batches[name], recorded=False)
        memory[name] = peak_memory(call, models[name].device)

    functions = {name: partial(models[name].infer, batch) for name, batch in batches.items()}
    device = next(iter(models.values())).device
    timings = interleaved(functions, device, *ROUNDS, longest, begin=begin)
    return {name: (timing, memory[name]) for name, timing in timings.items()}


def _copper(repeats: tuple[int, int, int]) -> Atoms:
    crystal = bulk("Cu", cubic=True).repeat(repeats)
    crystal.rattle(0.05, seed=0)
    return crystal


def _batch(atoms: Atoms, graph: GraphSpec) -> Batch:
    found = Structure.from_atoms(atoms)
    return collate([found], [nearest_edges_of(found.pos, found.cell, found.pbc, graph)])
