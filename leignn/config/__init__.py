"""Reading configuration files, and the training protocol's keys."""

import contextlib
import dataclasses
import functools
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal, get_args

import jsonschema
import yaml

from leignn.errors import InputError
from leignn.resources import SCHEMAS

Loader = getattr(yaml, "CSafeLoader", yaml.SafeLoader)  # as yaml.safe_load, several times faster

EnergyTarget = Literal["as_is", "minus_train_mean"]
Precision = Literal["32-true", "64-true", "bf16-mixed"]


@dataclass(frozen=True)
class Training:
    """The training protocol of a benchmark; steps are optimiser steps."""

    learning_rate: float
    min_learning_rate: float
    batch_size: int  # structures
    energy_weight: float  # of the energy MAE in eV
    forces_weight: float  # of the force MAE in eV/Å, over components of free atoms
    clip_norm: float
    evaluate_every: int  # steps
    early_stopping: int  # evaluations without a better force MAE
    max_steps: int
    energy_target: EnergyTarget = "as_is"
    plateau_factor: float = 0.8
    plateau_patience: int = 5
    ema_decay: float = 0.999
    precision: Precision = "32-true"
    tf32: bool = False
    loader_workers: int = 0

    def __post_init__(self) -> None:
        if self.energy_target not in get_args(EnergyTarget):
            raise InputError(f"training.energy_target: {self.energy_target!r} is unknown")
        if self.precision not in get_args(Precision):
            raise InputError(f"training.precision: {self.precision!r} is unknown")
        for name in (
            "learning_rate",
            "batch_size",
            "clip_norm",
            "evaluate_every",
            "early_stopping",
            "max_steps",
        ):
            if not getattr(self, name) > 0:
                raise InputError(f"training.{name}: {getattr(self, name)} is not positive")
        if self.max_steps % self.evaluate_every:
            raise InputError(
                f"training.max_steps: {self.max_steps} is no multiple of "
                f"evaluate_every: {self.evaluate_every}"
            )

    @property
    def checkpoint_every(self) -> int:
        """Steps between checkpoints: the largest divisor of ``evaluate_every`` up to 500."""
        return max(n for n in range(1, min(500, self.evaluate_every) + 1) if self.evaluate_every % n == 0)

    @classmethod
    def from_dict(cls, values: dict[str, Any], where: str) -> "Training":
        """Check the keys of ``values``; ``where`` names the file in messages."""
        known = {field.name for field in dataclasses.fields(cls)}
        required = {f.name for f in dataclasses.fields(cls) if f.default is dataclasses.MISSING}
        if unknown := sorted(set(values) - known):
            raise InputError(f"{where}: unknown training key {unknown[0]!r}")
        if missing := sorted(required - set(values)):
            raise InputError(f"{where}: training key {missing[0]!r} is missing")
        numbers = {name: _number(name, value, where) for name, value in values.items()}
        try:
            return cls(**numbers)
        except InputError as error:
            raise InputError(f"{where}: {error}") from error


def _number(name: str, value: Any, where: str) -> Any:
    """``value`` as the type of the field ``name`` of :class:`Training`.

    Snakemake's ``--config`` hands on the numbers inside a mapping as text, and YAML takes 1e-3
    (no point) for text.
    """
    kind = {field.name: field.type for field in dataclasses.fields(Training)}[name]
    if isinstance(value, str) and kind is float:
        with contextlib.suppress(ValueError):
            value = float(value)
    elif isinstance(value, str) and kind in (int, bool):
        value = yaml.safe_load(value)
    fits = isinstance(value, (int, float) if kind is float else kind if kind in (int, bool) else str)
    if not fits or (isinstance(value, bool) and kind is not bool):
        raise InputError(f"{where}: training.{name}: {value!r} has the wrong type")
    return value


def load_yaml(path: Path) -> dict[str, Any]:
    """Read a YAML mapping; an unreadable file is an :class:`InputError`."""
    try:
        content = yaml.load(Path(path).read_text(encoding="utf-8"), Loader)
    except (OSError, UnicodeDecodeError, yaml.YAMLError) as error:
        raise InputError(f"{path} cannot be read: {' '.join(str(error).split())}") from error
    if not isinstance(content, dict):
        raise InputError(f"{path} holds no mapping of keys to values")
    return content


@functools.cache
def _schema(name: str) -> dict[str, Any]:
    return load_yaml(SCHEMAS / f"{name}.schema.yaml")


def validate(content: dict[str, Any], schema: str, where: str | Path) -> None:
    """Hold ``content`` against the schema ``<schema>.schema.yaml``.

    Raises:
        InputError: an unknown or missing key, or a value of the wrong type; names ``where``.
    """
    try:
        jsonschema.validate(content, _schema(schema))
    except jsonschema.ValidationError as error:
        place = ".".join(map(str, error.absolute_path))
        raise InputError(f"{where}: {place + ': ' if place else ''}{error.message}") from error


def load_validated(path: Path, schema: str) -> dict[str, Any]:
    """Read a YAML mapping and :func:`validate` it."""
    content = load_yaml(path)
    validate(content, schema, path)
    return content
