"""What all configuration has in common: known keys only, numbers that came as text, one sentence an error."""

from pathlib import Path
from typing import Any, Self

import yaml
from pydantic import BaseModel, ConfigDict, ValidationError, ValidatorFunctionWrapHandler, field_validator
from pydantic_core import PydanticCustomError

from leignn.errors import InputError

Loader = getattr(yaml, "CSafeLoader", yaml.SafeLoader)  # as yaml.safe_load, several times faster


class Strict(BaseModel):
    """A mapping of known keys, which does not change once it is read.

    Numbers may come as text: Snakemake's ``--config`` hands on those inside a mapping as such, and YAML
    takes 1e-3 (no point) for text. A field's docstring is its description in schemas and tables of keys.
    """

    model_config = ConfigDict(
        extra="forbid",
        frozen=True,
        use_attribute_docstrings=True,
        allow_inf_nan=False,
        ser_json_inf_nan="null",
    )

    @field_validator("*", mode="wrap")
    @classmethod
    def _no_truth_for_numbers(cls, value: Any, handler: ValidatorFunctionWrapHandler) -> Any:
        found = handler(value)
        if _truth_became_number(value, found):
            raise PydanticCustomError(
                "number", "{value} holds true or false in place of a number", {"value": value}
            )
        return found

    @classmethod
    def checked(cls, content: Any, where: str | Path) -> Self:
        """``content`` as this type.

        Raises:
            InputError: an unknown or missing key, or a value that does not fit; names ``where`` and the key.
        """
        try:
            return cls.model_validate(content)
        except ValidationError as error:
            raise InputError(f"{where}: {sentence(error)}") from error

    @classmethod
    def load(cls, path: Path) -> Self:
        """Read a YAML file; :class:`InputError` as :meth:`checked`, or if it cannot be read."""
        return cls.checked(load_yaml(path), path)

    def plain(self) -> dict[str, Any]:
        """The keys that were given, as plain values for YAML or JSON."""
        return self.model_dump(mode="json", exclude_unset=True)


def _truth_became_number(value: Any, found: Any) -> bool:
    if isinstance(value, bool):
        return isinstance(found, int | float) and not isinstance(found, bool)
    if isinstance(value, list | tuple) and isinstance(found, list | tuple):
        return any(map(_truth_became_number, value, found))
    if isinstance(value, dict) and isinstance(found, dict):
        return any(_truth_became_number(value[key], found.get(key)) for key in value)
    return False


def load_yaml(path: Path) -> dict[str, Any]:
    """Read a YAML mapping; an unreadable file is an :class:`InputError`."""
    try:
        content = yaml.load(Path(path).read_text(encoding="utf-8"), Loader)
    except (OSError, UnicodeDecodeError, yaml.YAMLError) as error:
        raise InputError(f"{path} cannot be read: {' '.join(str(error).split())}") from error
    if not isinstance(content, dict):
        raise InputError(f"{path} holds no mapping of keys to values")
    return content


def sentence(error: ValidationError) -> str:
    """The first thing that is wrong: its key, what is wrong and, where it is short, the value."""
    first = error.errors(include_url=False)[0]
    place = ".".join(map(str, first["loc"]))
    kind, message = (
        first["type"],
        first["msg"].removeprefix("Value error, ").removeprefix("Assertion failed, "),
    )
    if kind == "extra_forbidden":
        return f"unknown key {place!r}"
    if kind == "missing":
        return f"key {place!r} is missing"
    value = repr(first["input"])
    shown = f"{value}: " if len(value) <= 60 and kind not in ("value_error", "number") else ""
    return f"{place + ': ' if place else ''}{shown}{message[:1].lower()}{message[1:]}"
