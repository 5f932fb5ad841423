"""Result files are held against the JSON schemas in ``workflow/schemas`` before they are written."""

import functools
from pathlib import Path
from typing import Any

import jsonschema

from leignn.config.base import load_yaml
from leignn.errors import InputError
from leignn.resources import SCHEMAS


@functools.cache
def _schema(name: str) -> dict[str, Any]:
    return load_yaml(SCHEMAS / f"{name}.schema.yaml")


def validate(content: Any, schema: str, where: str | Path) -> None:
    """Hold ``content`` against ``workflow/schemas/<schema>.schema.yaml``.

    Raises:
        InputError: an unknown or missing key, or a value of the wrong type; names ``where``.
    """
    try:
        jsonschema.validate(content, _schema(schema))
    except jsonschema.ValidationError as error:
        place = ".".join(map(str, error.absolute_path))
        raise InputError(f"{where}: {place + ': ' if place else ''}{error.message}") from error
