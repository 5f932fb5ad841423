"""Shared by the tests of MD."""

from pathlib import Path

import pytest
import torch
import yaml

from leignn.config.run import resolve_run
from leignn.trained import TrainedPotential, potential_of


@pytest.fixture(scope="session")
def untrained(tmp_path_factory) -> dict[str, Path]:
    """Run folders of untrained models by name, in float32 as all are."""
    found = {}
    for name in ("leignn", "vanilla_nmu", "schnet"):
        run = resolve_run("oc20_standin", name, "smoke", 0)
        torch.manual_seed(0)
        found[name] = tmp_path_factory.mktemp(name)
        (found[name] / "config.yaml").write_text(yaml.safe_dump(run.plain()))
        TrainedPotential(potential_of(run), run, 7.0, range(1, 119)).save(found[name] / "checkpoint.pt")
    return found
