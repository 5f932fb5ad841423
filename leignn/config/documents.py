"""Renew what is generated: JSON schemas for editors, tables of keys, and the table of deviations.

From the types: ``config/schemas`` and the tables in ``config/README.md``. From models and data sets:
``docs/deviations.md``.

For a checkout: an installed package needs neither.
"""

import argparse
import ast
import inspect
import json
import re
from collections.abc import Iterator
from functools import cache
from itertools import pairwise
from pathlib import Path
from textwrap import dedent
from typing import Any, get_args

from pydantic.fields import FieldInfo
from pydantic.json_schema import GenerateJsonSchema, JsonSchemaValue
from pydantic_core.core_schema import ModelSchema

from leignn.config.archive import Archives, Download, ZenodoRecord
from leignn.config.base import SomeOf, Strict, load_yaml
from leignn.config.dataset import Dataset
from leignn.config.deviation import Deviation
from leignn.config.model import Model, load_model
from leignn.config.result import Result
from leignn.config.training import Training
from leignn.config.workflow import Configuration
from leignn.files import write_text
from leignn.resources import CONFIG

TYPES: dict[str, type[Strict]] = {
    "config": Configuration,
    "dataset": Dataset,
    "model": Model,
    "archives": Archives,
    "result": Result,
}
TABLES: dict[str, type[Strict]] = {
    **{kind.__name__: kind for kind in (Configuration, Training, Dataset, Model, Download, ZenodoRecord)}
}
TABLE = re.compile(r"(<!-- keys of (\w+), generated -->\n).*?(<!-- end -->)", re.DOTALL)


def documents(folder: Path = CONFIG) -> dict[Path, str]:
    """Every generated file and what should stand in it."""
    found = {folder / "schemas" / f"{name}.schema.json": schema(kind) for name, kind in TYPES.items()}
    readme = folder / "README.md"
    found[readme] = TABLE.sub(
        lambda marks: marks[1] + "\n".join(table(TABLES[marks[2]])) + "\n" + marks[3],
        readme.read_text(encoding="utf-8"),
    )
    found[folder.parent / "docs" / "deviations.md"] = deviations(folder)
    return found


def deviations(folder: Path) -> str:
    """Markdown table of all settings that are not as their source has them, from models and data sets."""
    rows: list[tuple[str, Deviation]] = []
    for path in sorted((folder / "datasets").rglob("*.yaml")):
        content = load_yaml(path)
        title = content.get("title", path.stem)  # a base has none
        rows += [(title, Deviation.checked(given, path)) for given in content.get("deviations", [])]
    for path in sorted((folder / "models").glob("*.yaml")):
        model = load_model(path)
        rows += [(model.title, deviation) for deviation in model.deviations]
        for benchmark, own in model.benchmarks.items():
            rows += [(f"{model.title}, {benchmark}", deviation) for deviation in own.deviations]
    keys = list(Deviation.model_fields)
    lines = [
        "# Settings that are not as their source has them",
        "",
        "Generated from the key `deviations` of `config/datasets` and `config/models` by `make documents`.",
        "Compared were the protocols of training and the thermostats at scale paper, with the files in the",
        "last column; the other scales are ours.",
        "",
        f"| of | {' | '.join(keys)} |",
        "|---" * (len(keys) + 1) + "|",
        *(f"| {of} | {' | '.join(_line(getattr(found, key)) for key in keys)} |" for of, found in rows),
    ]
    return "\n".join(lines) + "\n"


def schema(kind: type[Strict]) -> str:
    """JSON schema of a file, for editors."""
    content = kind.model_json_schema(schema_generator=_Described)
    if kind is Dataset:  # what is taken out before it is checked
        content["properties"] |= {
            "base": {
                "type": "string",
                "description": "bases/<base>.yaml, with the keys that this file lacks",
            },
            "members": {"type": "array", "items": {"type": "string"}},
        }
    if kind in (Dataset, Configuration):  # the rest stands in the base, or in another file
        del content["required"]
    return json.dumps(content, indent=1, ensure_ascii=False) + "\n"


class _Described(GenerateJsonSchema):
    """With every key's description."""

    def model_schema(self, schema: ModelSchema) -> JsonSchemaValue:
        found, kind = super().model_schema(schema), schema["cls"]
        assert issubclass(kind, Strict)
        for name, text in descriptions(kind).items():
            found["properties"][name]["description"] = text
        return found


@cache
def descriptions(kind: type[Strict]) -> dict[str, str]:
    """Field → the docstring below it, in a type and in those that it inherits from."""
    found = {}
    for base in reversed((kind._described_by or kind).__mro__):
        if not issubclass(base, Strict) or base is Strict:
            continue
        (definition,) = ast.parse(dedent(inspect.getsource(base))).body
        assert isinstance(definition, ast.ClassDef)
        for field, text in pairwise(definition.body):
            match field, text:
                case ast.AnnAssign(target=ast.Name(id=name)), ast.Expr(value=ast.Constant(value=str(value))):
                    found[name] = inspect.cleandoc(value)
    return {name: text for name, text in found.items() if name in kind.model_fields}


def table(kind: type[Strict]) -> list[str]:
    """Markdown table of the keys of a type and of the types in it."""
    return ["| key | meaning |", "|---|---|", *(f"| {key} | {meaning} |" for key, meaning in _rows(kind, ""))]


def _rows(kind: type[Strict], prefix: str) -> Iterator[tuple[str, str]]:
    for name, field in kind.model_fields.items():
        key, inner = f"{prefix}{name}", list(dict.fromkeys(_types(field.annotation, field.metadata)))
        yield f"`{key}`", _meaning(kind, name, field)
        if len(inner) == 1:
            step = ".<name>" if str(field.annotation).startswith("dict") else ""
            yield from _rows(inner[0], f"{key}{step}.")
        for member in inner if len(inner) > 1 else ():
            keys = "; ".join(f"`{n}`: {_meaning(member, n, f)}" for n, f in member.model_fields.items())
            yield f"`{key}` …", f"{_line(member.__doc__)} {keys}"


def _types(annotation: Any, metadata: Any = ()) -> Iterator[type[Strict]]:
    """The types of mappings in an annotation; overrides have the keys of their own type's table."""
    if any(isinstance(mark, SomeOf) for mark in [*metadata, *getattr(annotation, "__metadata__", ())]):
        return
    if isinstance(annotation, type) and issubclass(annotation, Strict):
        if annotation is not Training:  # has a table of its own
            yield annotation
        return
    for argument in get_args(annotation):
        yield from _types(argument)


def _meaning(kind: type[Strict], name: str, field: FieldInfo) -> str:
    text = _line(descriptions(kind).get(name))
    default = field.get_default()
    if field.is_required() or default is None or default == {} or default == [] or default == "":
        return text
    return f"{text} (default `{json.dumps(default) if isinstance(default, bool) else default}`)"


def _line(text: str | None) -> str:
    return " ".join((text or "").split()).replace("|", "\\|")


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """None."""


def main(args: argparse.Namespace) -> None:
    for path, text in documents().items():
        write_text(path, text)
