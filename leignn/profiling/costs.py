"""Time and memory of training and of inference, of one model or of several that take turns."""

from collections.abc import Mapping
from functools import partial
from pathlib import Path
from typing import Any

from leignn.config.run import RunConfig
from leignn.errors import RunFailedError
from leignn.profiling.measure import Timing, interleaved, peak_memory
from leignn.profiling.profiled import Profiled
from leignn.profiling.rows import TRAINING, row_of

ROUNDS, REPEATS = (2, 6), 2  # at least and at most; in each, of every model


def load_models(
    runs: list[RunConfig], stores: Path, splits: Path, device: str
) -> tuple[list[dict[str, Any]], dict[str, Profiled]]:
    """Rows of the runs whose model cannot be built; the models that have something to train, by title."""
    failed, models = [], {}
    for run in runs:
        try:
            model = Profiled(run, stores, splits, device)
        except RunFailedError as error:
            failed.append(row_of(run, "only", device, TRAINING, f"failed: {error}"))
            continue
        if model.parameters:
            models[run.title] = model
    return failed, models


def costs(models: Mapping[str, Profiled], batch_size: int, seconds: float) -> dict[str, dict[str, Any]]:
    """Time and memory of a training step and of an inference on a batch, and the number of parameters.

    Models take turns; only the one whose turn it is holds gradients and an optimiser's state.

    Args:
        models: by name, all on one device.
        batch_size: structures of the training split in a batch, at most.
        seconds: for the repeats of training, and again of inference; two rounds are made anyhow.

    Returns:
        By name: ``train_ms``, ``inference_ms`` per structure with ``_low``, ``_high`` (quartiles),
        ``_stderr`` and ``…_repeats``; ``train_memory_mb``, ``inference_memory_mb`` of the batch;
        ``parameters``.
    """
    if not models:
        return {}
    device = next(iter(models.values())).device
    batches = {name: model.batch(batch_size) for name, model in models.items()}
    steps = {name: partial(model.training_step, batches[name]) for name, model in models.items()}
    inferences = {name: partial(model.infer, batches[name]) for name, model in models.items()}
    memory: dict[str, int] = {}

    def finish(name: str) -> None:
        if name not in memory:  # while the optimiser has its state, which is no tensor of a step
            # A recording keeps its own memory.
            memory[name] = peak_memory(partial(steps[name], recorded=False), device)
        models[name].release()

    training = interleaved(steps, device, *ROUNDS, seconds, REPEATS, finish=finish)
    inference = interleaved(inferences, device, *ROUNDS, seconds, REPEATS)
    found = {}
    for name, model in models.items():
        structures = len(batches[name].natoms)
        found[name] = milliseconds("train", training[name], structures)
        found[name] |= milliseconds("inference", inference[name], structures)
        found[name]["train_memory_mb"] = memory[name] / 1e6
        inferred = peak_memory(partial(inferences[name], recorded=False), device)
        found[name]["inference_memory_mb"] = inferred / 1e6
        found[name]["parameters"] = sum(p.numel() for p in model.potential.parameters())
    return found


def milliseconds(kind: str, timing: Timing, structures: int) -> dict[str, Any]:
    """Columns of a timing, in milliseconds a structure."""
    factor = 1e3 / structures
    return {
        f"{kind}_ms": timing.median * factor,
        f"{kind}_ms_low": timing.low * factor,
        f"{kind}_ms_high": timing.high * factor,
        f"{kind}_ms_stderr": timing.error * factor,
        f"{kind}_repeats": timing.repeats,
    }
