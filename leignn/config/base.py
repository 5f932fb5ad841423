"""What all configuration has in common: known keys only, numbers that came as text, one sentence an error."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar, Literal, Self

import yaml
from pydantic import (
    BaseModel,
    ConfigDict,
    GetCoreSchemaHandler,
    ModelWrapValidatorHandler,
    ValidationError,
    create_model,
    model_validator,
)
from pydantic_core import CoreSchema, PydanticCustomError, core_schema

from leignn.errors import InputError

Loader = getattr(yaml, "CSafeLoader", yaml.SafeLoader)  # as yaml.safe_load, several times faster

QUOTE = "'"

Scale = Literal["smoke", "mini", "hour", "paper"]


class Strict(BaseModel):
    """A mapping of known keys, which does not change once it is read.

    Numbers may come as text: Snakemake's ``--config`` hands on those inside a mapping as such, and YAML
    takes 1e-3 (no point) for text. A field's docstring is its description in schemas and tables of keys
    (:mod:`leignn.config.documents` reads it there: pydantic would in every command, and takes 0.2 s).
    """

    model_config = ConfigDict(extra="forbid", frozen=True, allow_inf_nan=False, ser_json_inf_nan="null")

    _described_by: ClassVar["type[Strict] | None"] = None
    """whose fields' docstrings are also this type's"""

    @model_validator(mode="wrap")
    @classmethod
    def _numbers_are_no_truth_values(cls, content: Any, handler: ModelWrapValidatorHandler[Self]) -> Self:
        found = handler(content)
        for key, value in content.items() if isinstance(content, dict) else ():
            if _confused(value, getattr(found, key)):
                raise PydanticCustomError(
                    "number", "{key}: true or false in place of a number, or the reverse", {"key": key}
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
            raise InputError(f"{where}: {sentence(error, content)}") from error

    @classmethod
    def load(cls, path: Path) -> Self:
        """Read a YAML file; :class:`InputError` as :meth:`checked`, or if it cannot be read."""
        return cls.checked(load_yaml(path), path)

    def plain(self) -> dict[str, Any]:
        """The keys that were given, as plain values for YAML or JSON."""
        return self.model_dump(mode="json", exclude_unset=True)


@dataclass(frozen=True)
class SomeOf:
    """Annotates a ``dict`` that holds some of the keys of ``kind``: what one layer overrides of it."""

    kind: type[Strict]

    def __get_pydantic_core_schema__(self, source: Any, handler: GetCoreSchemaHandler) -> CoreSchema:
        fields: dict[str, Any] = {
            name: (field.rebuild_annotation(), None) for name, field in self.kind.model_fields.items()
        }
        some = create_model(f"SomeOf{self.kind.__name__}", __base__=Strict, **fields)
        some._described_by = self.kind
        return core_schema.no_info_after_validator_function(
            lambda found: found.plain(),
            handler.generate_schema(some),
            serialization=core_schema.plain_serializer_function_ser_schema(dict),
        )


def _confused(value: Any, found: Any) -> bool:
    """Whether true or false was taken for a number, or a number for true or false."""
    if isinstance(value, list | tuple) and isinstance(found, list | tuple):
        return any(map(_confused, value, found))
    if isinstance(value, dict) and isinstance(found, dict):
        return any(_confused(value[key], found.get(key)) for key in value)
    numbers = isinstance(value, int | float) and isinstance(found, int | float)
    return numbers and isinstance(value, bool) != isinstance(found, bool)


def load_yaml(path: Path) -> dict[str, Any]:
    """Read a YAML mapping; an unreadable file is an :class:`InputError`."""
    try:
        content = yaml.load(Path(path).read_text(encoding="utf-8"), Loader)
    except (OSError, UnicodeDecodeError, yaml.YAMLError) as error:
        raise InputError(f"{path} cannot be read: {' '.join(str(error).split())}") from error
    if not isinstance(content, dict):
        raise InputError(f"{path} holds no mapping of keys to values")
    return content


def sentence(error: ValidationError, content: Any) -> str:
    """The first thing that is wrong with ``content``: its key, what is wrong and, if short, the value."""
    first = error.errors(include_url=False)[0]
    kind, message = (
        first["type"],
        first["msg"].removeprefix("Value error, ").removeprefix("Assertion failed, "),
    )
    place = ".".join(map(str, _place(first["loc"], content, kind == "missing")))
    if kind == "extra_forbidden":
        return f"unknown key {place!r}"
    if kind == "missing":
        return f"key {place!r} is missing"
    if kind in ("union_tag_invalid", "union_tag_not_found"):
        key, tags = f"{place}.{first['ctx']['discriminator'].strip(QUOTE)}", first["ctx"].get("expected_tags")
        return f"{key}: {first['ctx']['tag']!r} is none of {tags}" if tags else f"key {key!r} is missing"
    value = repr(first["input"])
    shown = f"{value}: " if len(value) <= 60 and kind not in ("value_error", "number") else ""
    # Messages of our own validators begin with the key.
    joint = "." if not shown and message.split()[0].endswith(":") else ": "
    return f"{place + joint if place else ''}{shown}{message[:1].lower()}{message[1:]}"


def _place(steps: tuple[str | int, ...], content: Any, missing: bool) -> list[str | int]:
    """The keys on the way to an error, without the names that pydantic adds for members of a union."""
    place: list[str | int] = []
    for number, step in enumerate(steps):
        if isinstance(content, dict) and step in content:
            content = content[step]
        elif isinstance(content, list | tuple) and isinstance(step, int) and step < len(content):
            content = content[step]
        elif not (missing and number == len(steps) - 1):
            continue
        place.append(step)
    return place
