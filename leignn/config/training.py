"""The training protocol of a benchmark."""

from typing import Annotated, Any, Literal, Self

from pydantic import NonNegativeFloat, NonNegativeInt, PositiveFloat, PositiveInt, model_validator

from leignn.config.base import SomeOf, Strict

EnergyTarget = Literal["as_is", "minus_train_mean"]
Schedule = Literal["plateau", "cosine", "linear"]
Precision = Literal["32-true", "64-true", "bf16-mixed"]


class Training(Strict):
    """The training protocol; a step is one optimiser step."""

    learning_rate: PositiveFloat
    """of AdamW (amsgrad, no weight decay), where the schedule begins"""
    schedule: Schedule = "plateau"
    """of the learning rate: `plateau` reduces it when validation does not improve; `cosine` lowers it along
    half a cosine and `linear` evenly over `max_steps`, for a budget that is known"""
    warmup_steps: NonNegativeInt = 0
    """first steps of `cosine` and `linear`, over which the rate rises evenly to `learning_rate`; for rates
    that a model does not survive from its first step on"""
    min_learning_rate: NonNegativeFloat
    """the lowest"""
    batch_size: PositiveInt
    """structures in a batch"""
    energy_weight: NonNegativeFloat
    """in the loss, of the mean absolute error of energies in eV"""
    forces_weight: NonNegativeFloat
    """in the loss, of the mean absolute error of force components of free atoms in eV/Å"""
    energy_target: EnergyTarget = "as_is"
    """`as_is`, or `minus_train_mean`: the training split's mean energy is taken off, and added back in
    predictions"""
    clip_norm: PositiveFloat
    """largest norm of the gradient"""
    evaluate_every: PositiveInt
    """steps between evaluations"""
    early_stopping: PositiveInt
    """training stops once more evaluations than this in a row have no better validation force MAE, as in the
    authors' code"""
    max_steps: PositiveInt
    """steps; a multiple of `evaluate_every`"""
    max_hours: PositiveFloat | None = None
    """hours of training, over all sessions, after which it stops at an evaluation; with more of them it goes
    on from there"""
    stop_at_lowest_rate: bool = False
    """`true` to stop at the evaluation that takes the rate to its minimum, as MDSim does"""
    plateau_factor: float = 0.8
    """multiplies the rate on a plateau"""
    plateau_patience: NonNegativeInt = 5
    """evaluations without a better validation force MAE that are a plateau"""
    ema_decay: float = 0.999
    """of the averaged weights, which are validated and kept"""
    ema_warmup: bool = True
    """`true`: after n steps the decay is at most (1 + n)/(10 + n), so that short runs forget their start"""
    precision: Precision = "32-true"
    """of the model's numbers"""
    tf32: bool = False
    """TF32 matrix products on CUDA"""
    loader_workers: NonNegativeInt = 0
    """processes that read and build graphs; none: the training process itself"""

    @model_validator(mode="after")
    def _whole_evaluations(self) -> Self:
        if self.max_steps % self.evaluate_every:
            raise ValueError(
                f"max_steps: {self.max_steps} is no multiple of evaluate_every: {self.evaluate_every}"
            )
        return self

    @model_validator(mode="after")
    def _warmup_before_a_known_end(self) -> Self:
        if self.warmup_steps and self.schedule == "plateau":
            raise ValueError("warmup_steps: only before schedule: cosine or linear")
        if self.warmup_steps >= self.max_steps:
            raise ValueError(
                f"warmup_steps: {self.warmup_steps} of max_steps: {self.max_steps}: none is left"
            )
        return self

    @property
    def checkpoint_every(self) -> int:
        """Steps between checkpoints: the largest divisor of ``evaluate_every`` up to 500."""
        return max(n for n in range(1, min(500, self.evaluate_every) + 1) if self.evaluate_every % n == 0)


SomeTraining = Annotated[dict[str, Any], SomeOf(Training)]
