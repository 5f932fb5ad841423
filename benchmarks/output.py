"""What the speed benchmarks have in common: a training step, and their table and JSON file."""

import json
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import pandas as pd
from torch import Tensor, nn

from leignn.files import write_text
from leignn.profiling.measure import Timing
from leignn.provenance import hardware


def training_step(model: nn.Module, forward: Callable[[], Mapping[str, Tensor]]) -> None:
    """Forward, loss of energies and forces, backward."""
    model.zero_grad(set_to_none=True)
    output = forward()
    loss = output["energy"].abs().mean() + 50 * output["forces"].abs().mean()
    loss.backward(inputs=list(model.parameters()))


def report(timings: dict[str, dict[str, Timing]], structures: int, reference: str, path: Path | None) -> None:
    """Print milliseconds a structure with their ratios to ``reference``, and write them to ``path``.

    Args:
        timings: of every task and, in it, every contestant.
        structures: in the batch.
        reference: the contestant that ratios are to.
        path: JSON file.
    """
    rows: list[dict[str, Any]] = []
    for task, members in timings.items():
        for name, timing in members.items():
            row = {"task": task, "name": name}
            for key in ("median", "low", "high", "best"):
                row[f"{key}_ms"] = 1e3 * getattr(timing, key) / structures
            row["ratio"] = timing.median / members[reference].median
            row["best_ratio"] = timing.best / members[reference].best
            rows.append(row | {"repeats": timing.repeats})
    print(f"{hardware()}; ratios to {reference}")
    print(pd.DataFrame(rows).to_string(index=False, float_format="%.2f"))
    if path:
        write_text(path, json.dumps({"hardware": hardware(), "reference": reference, "rows": rows}, indent=1))
