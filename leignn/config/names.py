"""What may be a name or a folder: they become parts of paths, and words of commands.

Names are those of data sets, parts, splits, models, results, archives and runs, wherever one is given:
as a key or value in YAML, as the name of a file, as an argument, or in the path of a target.
"""

import re
from pathlib import Path
from typing import Annotated

from pydantic import AfterValidator, WithJsonSchema

from leignn.errors import InputError

PATTERN = "^[A-Za-z0-9_][A-Za-z0-9_-]{0,99}$"
UNUSABLE = re.compile(r"^$|^[-~]|[{}]|[^ -~\u00a0-\U0010ffff]")  # braces are Snakemake's wildcards


def _name(text: str) -> str:
    if not re.fullmatch(PATTERN, text) or text.endswith("\n"):
        raise ValueError(
            f"{text!r} is no name: 1 to 100 letters (A to Z), digits, _ and -, the first of them no -"
        )
    return text


def _folder(text: str) -> str:
    if UNUSABLE.search(text):
        raise ValueError(f"{text!r} is no folder: one begins with neither - nor ~, and has no brace in it")
    return str(Path(text))


Name = Annotated[str, AfterValidator(_name), WithJsonSchema({"type": "string", "pattern": PATTERN})]
OptionalName = Annotated[str, AfterValidator(lambda text: text and _name(text))]
Folder = Annotated[str, AfterValidator(_folder)]


def checked_name(text: str, where: str | Path) -> str:
    """``text``, if it may be a name.

    Raises:
        InputError: it may not; begins with ``where``.
    """
    try:
        return _name(text)
    except ValueError as error:
        raise InputError(f"{where}: {error}") from error
