"""Seconds of a training step, a prediction and a step of dynamics of each model on this device.

Measured on structures of the data set's size made on the spot, with random weights; kept in a file with
their provenance, and measured anew where the model, its settings, its code or the device is another.
"""

import math
import tempfile
from collections.abc import Callable, Hashable, Mapping
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from functools import partial
from pathlib import Path
from time import perf_counter
from typing import Any, TypeVar

import pandas as pd
import torch

from leignn.config.run import RunConfig
from leignn.config.simulation import Simulation
from leignn.config.size import Size
from leignn.data.extract import to_atoms
from leignn.data.frames import collate
from leignn.data.store import write_store
from leignn.errors import InputError, RunFailedError
from leignn.files import read_json, write_json
from leignn.forecast.frames import typical_structures
from leignn.identity import digest, fingerprint
from leignn.memory import is_out_of_memory
from leignn.neighbors import nearest_edges_of
from leignn.profiling.measure import interleaved, peak_memory, synchronise
from leignn.profiling.profiled import MEMORY_SHARE, Profiled, device_memory
from leignn.provenance import hardware, process

FRAMES = 2  # made; larger batches have them again
LONGEST = 2.0  # seconds of one call, beyond which no larger batch is tried
MD_STEPS = 5
PREDICTED = 32  # structures at once, as `predict` does

Run = TypeVar("Run", bound=Hashable)


@dataclass(frozen=True)
class Timing:
    """Seconds; None where it was not measured."""

    train: float | None  # a step, of the protocol's batch
    predict: float | None  # a structure
    load: float | None  # a structure: reading it and finding its neighbours
    dynamics: float | None  # a time step of one structure
    at_once: int | None  # structures in the batch that was timed, from which that of the protocol follows
    failure: str = ""  # why there is none


def timings(
    wanted: Mapping[Run, tuple[RunConfig, Size, Simulation | None]],
    kept: Path,
    device: str,
    threads: int,
    tell: Callable[[str], None],
) -> dict[Run, Timing]:
    """The timing of each run, by name: from the file ``kept``, or measured and added to it.

    Args:
        wanted: configuration, size of the structures and, where it is simulated, how.
        kept: JSON file, ``logs/timings.json``.
        device: cpu or cuda.
        threads: of the CPU.
        tell: is told what is measured.
    """
    torch.set_num_threads(threads)
    try:
        content = read_json(kept) if kept.exists() else {}
    except InputError:
        content = {}  # damaged: measured anew
    found = {}
    for name, (run, size, simulation) in wanted.items():
        key = _key(run, size, simulation, device, threads)
        if key not in content:
            tell(f"timing {run.title} as on {run.dataset_info.title}")
            started = datetime.now(UTC)
            timing = measured(run, size, simulation, device)
            about = {"model": run.model, "dataset": run.dataset, "scale": run.scale, "device": device}
            content[key] = about | {"timing": asdict(timing), "provenance": process(started)}
            write_json(kept, content)
        found[name] = Timing(**content[key]["timing"])
    return found


def _key(run: RunConfig, size: Size, simulation: Simulation | None, device: str, threads: int) -> str:
    """What a timing depends on."""
    gpu = torch.cuda.get_device_name() if device == "cuda" else None
    protocol = run.training.plain()
    about: dict[str, Any] = {
        "potential": run.potential,
        "hyperparameters": run.hyperparameters,
        "graph": run.graph.plain(),
        "training": {name: protocol.get(name) for name in ("batch_size", "precision", "tf32")},
        "size": size.model_dump(exclude={"frames"}),
        "thermostat": simulation and simulation.thermostat,
        "device": [device, gpu or hardware()["cpu"], threads],
        "code": fingerprint(run.potential.partition(":")[0]),
        "torch": torch.__version__,
    }
    return digest(about)


def measured(run: RunConfig, size: Size, simulation: Simulation | None, device: str) -> Timing:
    """Time a run's model now; a model that cannot be built or run has a failure in place of times."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        structures = typical_structures(size, FRAMES)
        write_store(folder / "stores" / "made", [structures], {})
        rows = {"part": "made", "index": range(FRAMES), "system_id": "made", "frame": range(FRAMES)}
        (folder / "splits").mkdir()
        pd.DataFrame(rows).to_csv(folder / "splits" / "train.csv", index=False)
        try:
            model = Profiled(run, folder / "stores", folder / "splits", device)
            predict, _ = _largest(model, model.infer, PREDICTED)
            train, at_once = None, None
            if model.parameters:
                train, at_once = _largest(model, model.training_step, run.training.batch_size)
                train *= run.training.batch_size
            load = interleaved({"load": partial(_load, model)}, "cpu", 3, 10, 1.0)["load"].median
            dynamics = _dynamics(run, model, simulation, folder) if simulation else None
        except RunFailedError as error:
            return Timing(None, None, None, None, None, str(error))
    return Timing(train, predict, load, dynamics, at_once)


def _largest(model: Profiled, call: Callable[..., None], most: int) -> tuple[float, int]:
    """Seconds a structure of a call, on the largest batch that fits memory and :data:`LONGEST`, and its size.

    Raises:
        RunFailedError: not even one structure fits.
    """
    found, at_once, room, device = (math.nan, 0), 1, float(most), model.device
    while at_once <= room:
        batch = model.frames[[row % FRAMES for row in range(at_once)]].to(device)
        try:
            if at_once == 1:
                for _ in range(2):  # the first may compile kernels for seconds
                    began = perf_counter()
                    call(batch)
                    synchronise(device)
                if (second := perf_counter() - began) > LONGEST:
                    return second, 1
                memory = peak_memory(partial(call, batch, recorded=False), device)
                room = MEMORY_SHARE * device_memory(device) / max(memory, 1)
            seconds = interleaved({"call": partial(call, batch)}, device, 1, 3, LONGEST)["call"].median
        except Exception as error:
            if not is_out_of_memory(error):
                raise
            if at_once == 1:
                raise RunFailedError(f"out of memory with one structure of {len(batch.pos)} atoms") from error
            break
        found = seconds / at_once, at_once
        larger = min(2 * at_once, most)
        if larger == at_once or seconds * larger / at_once > LONGEST:
            break
        at_once = larger
    return found


def _load(model: Profiled) -> None:
    """What a loader does for a structure."""
    structure, spec = model.frames.structure(0), model.potential.graph
    edges = [nearest_edges_of(structure.pos, structure.cell, structure.pbc, spec)] if spec else None
    collate([structure], edges)


def _dynamics(run: RunConfig, model: Profiled, simulation: Simulation, folder: Path) -> float:
    """Seconds of a time step of ASE's, neighbours and all."""
    from leignn.calculator import LEIGNNCalculator  # with what simulates
    from leignn.md.ase_engine import AseEngine
    from leignn.trained import TrainedPotential

    TrainedPotential(model.potential, run, 0.0, model.frames.elements()).save(folder / "checkpoint.pt")
    atoms = to_atoms(model.frames.structure(0))
    atoms.calc = LEIGNNCalculator(folder / "checkpoint.pt", model.device)
    engine = AseEngine(atoms, simulation, 0)
    return interleaved({"step": engine.step}, model.device, 2, MD_STEPS, LONGEST)["step"].median
