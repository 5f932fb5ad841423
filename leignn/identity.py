"""What a number depends on, by content: the code behind it, its packages, what was read.

Whatever is resumed or reused keeps this, and is not used where it differs.
"""

import ast
import hashlib
import importlib
import importlib.metadata
import json
from collections.abc import Iterable, Iterator, Mapping
from contextlib import suppress
from functools import cache
from pathlib import Path
from typing import Any

ROOTS = ("leignn", "baselines")
# They make no number: of a configuration counts what it says, and it is part of every identity itself.
WITHOUT_NUMBERS = (
    "leignn.arguments",
    "leignn.config",
    "leignn.identity",
    "leignn.lock",
    "leignn.provenance",
    "leignn.resources",
)
PACKAGES = ("torch", "pytorch-lightning", "numpy", "ase", "vesin")
OF_EXTRAS = (
    "torch-geometric",
    "fairchem-core",
    "mace-torch",
    "nequip",
    "deepmd-kit",
    "e3nn",
    "torch-sim-atomistic",
)


@cache
def fingerprint(*modules: str) -> str:
    """Hexadecimal SHA-256 of the code behind some modules, theirs and of all of ours that they import.

    Imports within functions count. Comments, docstrings and layout do not, and nothing is run.

    Args:
        modules: such as ``leignn.training.train`` and ``baselines.mace``.
    """
    found: set[str] = set()
    waiting = list(modules)
    while waiting:
        module = waiting.pop()
        if module not in found and (path := _file(module)) is not None:
            found.add(module)
            waiting.extend(_parsed(path, module)[1])
    return digest({module: _parsed(_file(module), module)[0] for module in found})


def digest(content: Any) -> str:
    """Hexadecimal SHA-256 of what JSON can say."""
    return hashlib.sha256(json.dumps(content, sort_keys=True).encode()).hexdigest()


def versions() -> dict[str, str]:
    """Versions of the packages that make numbers; of those of extras, where they are installed."""
    found = {name: importlib.metadata.version(name) for name in PACKAGES}
    for name in OF_EXTRAS:
        with suppress(importlib.metadata.PackageNotFoundError):
            found[name] = importlib.metadata.version(name)
    return found


def differences(kept: Mapping[str, Any], now: Mapping[str, Any], prefix: str = "") -> list[str]:
    """What differs between two identities, such as ``configuration.training`` or ``stores.all``."""
    names = []
    for name in sorted(kept.keys() | now.keys()):
        before, after = kept.get(name), now.get(name)
        if isinstance(before, Mapping) and isinstance(after, Mapping):
            names += differences(before, after, f"{prefix}{name}.")
        elif before != after or (name in kept) != (name in now):
            names.append(f"{prefix}{name}")
    return names


@cache
def _file(module: str) -> Path | None:
    """Where a module of ours lies; None for others, and for those that make no number."""
    root, _, below = module.partition(".")
    if root not in ROOTS or not below:
        return None
    if any(f"{module}.".startswith(f"{name}.") for name in WITHOUT_NUMBERS):
        return None
    for base in importlib.import_module(root).__path__:
        path = Path(base, *below.split("."))
        for file in (path.with_suffix(".py"), path / "__init__.py"):
            if file.is_file():
                return file
    return None


@cache
def _parsed(path: Path, module: str) -> tuple[str, tuple[str, ...]]:
    """Digest of a file's code, and the names that it may import modules by."""
    source = path.read_bytes()
    try:
        tree = ast.parse(source)
    except (SyntaxError, ValueError):  # whoever imports it will say so
        return hashlib.sha256(source).hexdigest(), ()
    nodes = list(ast.walk(tree))
    imported = tuple(dict.fromkeys(_imports(nodes, module, path.name == "__init__.py")))
    for node in nodes:
        for name in ("body", "orelse", "finalbody"):
            if isinstance(body := getattr(node, name, None), list):
                setattr(node, name, [line for line in body if not _is_text(line)])
    return hashlib.sha256(ast.dump(tree).encode()).hexdigest(), imported


def _is_text(node: ast.AST) -> bool:
    """Whether a statement is a docstring, of a module, class, function or attribute."""
    return (
        isinstance(node, ast.Expr)
        and isinstance(node.value, ast.Constant)
        and isinstance(node.value.value, str)
    )


def _imports(nodes: Iterable[ast.AST], module: str, package: bool) -> Iterator[str]:
    for name in _named(nodes, module, package):
        parts = name.split(".")
        if parts[0] in ROOTS:
            yield from (".".join(parts[:end]) for end in range(1, len(parts) + 1))  # with its packages


def _named(nodes: Iterable[ast.AST], module: str, package: bool) -> Iterator[str]:
    for node in nodes:
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            parts = module.split(".")
            parts = parts[: len(parts) + package - node.level] if node.level else []
            base = ".".join([*parts, *([node.module] if node.module else [])])
            yield from (f"{base}.{alias.name}" for alias in node.names)
