"""What every row of ``complexity.csv`` begins with."""

from typing import Any

import torch

from leignn.batch import Batch
from leignn.config.run import RunConfig
from leignn.profiling.profiled import Form
from leignn.provenance import hardware

TRAINING = "training structures"  # the point of a row that is about structures of the training split


def row_of(run: RunConfig, form: Form, device: str, point: str, status: str = "ok") -> dict[str, Any]:
    """A row without numbers."""
    names = hardware()
    return {
        "model": run.model,
        "form": form,
        "device": device,
        "hardware": names["gpu"] if device == "cuda" else names["cpu"],
        "threads": names["threads"],
        "point": point,
        "status": status,
        "dataset": run.dataset,
        "scale": run.scale,
        "title": title_of(run, form),
        "torch": torch.__version__,
    }


def title_of(run: RunConfig, form: Form) -> str:
    """The model's, with its form where that is not the one that every command computes."""
    return f"{run.title} (plain)" if form == "plain" else run.title


def shape_of(batch: Batch) -> dict[str, Any]:
    """Structures of a batch, atoms of one, and neighbours of an atom."""
    atoms, edges, structures = len(batch.pos), batch.edge_index.shape[1], len(batch.natoms)
    return {"structures": structures, "atoms": atoms / structures, "neighbors": edges / atoms}
