"""The protocol and the small models of the tests of training."""

from collections.abc import Iterator
from contextlib import contextmanager

import pytest
from made_runs import run_config

from leignn.config.run import RunConfig
from leignn.training.callbacks import RunLog

PROTOCOL = {
    "learning_rate": 3e-3,
    "min_learning_rate": 1e-5,
    "batch_size": 4,
    "energy_weight": 1,
    "forces_weight": 50,
    "clip_norm": 50,
    "evaluate_every": 20,
    "early_stopping": 20,
    "max_steps": 60,
    "plateau_patience": 0,
}
MODELS = {
    "leignn": ("leignn.model:LEIGNN", {"hidden_channels": 16, "num_layers": 2, "num_rbf": 16}),
    "schnet": (
        "baselines.schnet:SchNet",
        {"hidden_channels": 16, "num_filters": 16, "num_interactions": 2, "num_gaussians": 16},
    ),
    "trivial": ("baselines.trivial:MeanEnergyZeroForces", {}),
}


@contextmanager
def interrupted_after(step: int) -> Iterator[None]:
    """A training in here must end with an error, after the evaluation at ``step``."""
    write = RunLog.on_validation_end

    def interrupted(self, trainer, pl_module) -> None:
        write(self, trainer, pl_module)
        if trainer.global_step == step:
            raise RuntimeError("stopped")

    with pytest.MonkeyPatch.context() as patch, pytest.raises(RuntimeError, match="stopped"):
        patch.setattr(RunLog, "on_validation_end", interrupted)
        yield


def config(model: str = "leignn", **training) -> RunConfig:
    potential, hyperparameters = MODELS[model]
    graph = {"cutoff": 5.0, "max_neighbors": 20, "rule": "strict"}
    return run_config(
        PROTOCOL | training,
        dataset="copper",
        model=model,
        seed=3,
        title=model,
        potential=potential,
        hyperparameters=hyperparameters,
        graph=graph,
    )
