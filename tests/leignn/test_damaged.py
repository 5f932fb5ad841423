"""A campaign of damaged files over all commands: one sentence, or what the whole files give; no traceback.

What the readers of raw files do is in ``data/test_damaged.py``. A file whose checksum is on record is
refused, or its content is the same: a silently different number is the worst.
"""

import json
import shutil
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import yaml
from made_runs import build_arguments, make_run

from leignn.cli import main
from leignn.files import CHECKSUM, write_json
from leignn.resources import config_file
from tests.leignn.data.test_damaged import assert_ended_well, mutated

REFERENCE = "oc20_standin.npz"  # called after the data set of the run
Command = tuple[Callable[[], int], Path]  # what to run, and what it writes
VALUES = [
    None,
    True,
    -1,
    0,
    1e308,
    -1e308,
    float("nan"),
    float("inf"),
    2**70,
    "",
    "x",
    "../x",
    [],
    {},
    [[1]],
    {"a": 1},
]
WORDS = ["nan", "inf", "-1", "1e308", "x", "", "99999999999999999999", "0.5", '"']


@dataclass
class World:
    """Every kind of file that a command reads, and commands by what they read."""

    folder: Path
    commands: dict[str, Command] = field(default_factory=dict)

    def add(self, name: str, *arguments: Any, output: Path) -> None:
        command = [name, *map(str, arguments), "--output", str(output)]
        self.commands[name] = (lambda: main(command), output)
        assert main(command) == 0


@pytest.fixture(scope="module")
def world(copper, copper_checkpoint, tmp_path_factory) -> World:
    world = World(tmp_path_factory.mktemp("world"))
    folder = world.folder
    stores, splits, run = folder / "stores", folder / "splits", folder / "run"
    for source, target in zip((*copper, copper_checkpoint.parent), (stores, splits, run), strict=True):
        shutil.copytree(source, target)
    world.add(
        "configure",
        "--dataset",
        own(folder, "datasets/oc20_standin"),
        "--model",
        own(folder, "models/leignn"),
        "--scale",
        "smoke",
        output=folder / "configured.yaml",
    )
    data = ["--stores", stores, "--splits", splits]
    world.add(
        "predict", "--run", run, *data, "--predict", "test", "--device", "cpu", output=run / "predictions"
    )
    world.add("score", "--run", run, *data, "--predictions", run / "predictions", output=run / "metrics.json")
    world.add(
        "extract-frames",
        "--stores",
        stores,
        "--manifest",
        splits / "test.csv",
        "--count",
        2,
        output=folder / "starts.extxyz",
    )
    protocol = ["--thermostat", "langevin", "--temperature", 300, "--timestep", 1, "--steps", 8, "--every", 2]
    simulation = folder / "simulation"
    world.add(
        "simulate",
        "--checkpoint",
        run / "checkpoint.pt",
        "--start",
        folder / "starts.extxyz",
        "--frame",
        0,
        *protocol,
        output=simulation,
    )
    dataset = yaml.safe_load(config_file("datasets/melt_standin.yaml").read_text())
    dataset["md"] |= {"window": 0.1, "diffusion": None}
    (folder / "copper.yaml").write_text(yaml.safe_dump(dataset))
    about = ["--dataset", folder / "copper.yaml"]
    world.add("analyse-reference", *about, "--stores", stores, output=folder / REFERENCE)
    world.add(
        "analyse-simulation",
        "--simulation",
        simulation,
        "--run",
        run,
        *about,
        "--reference",
        folder / REFERENCE,
        output=simulation / "observables.json",
    )
    shown = ["--simulations", simulation / "observables.json", "--references", folder / REFERENCE]
    for figure in ("structure", "dynamics"):
        world.add(f"plot-{figure}", *shown, output=folder / f"{figure}.svg")
    world.add(
        "measure-drift",
        "--checkpoint",
        run / "checkpoint.pt",
        "--starts",
        folder / "starts.extxyz",
        "--timesteps",
        1,
        "--duration",
        8,
        output=folder / "rows.csv",
    )
    world.add("join-limitations", "--rows", folder / "rows.csv", output=folder / "limitations.csv")
    limitations = own(folder, "results/limitations")
    world.add(
        "plot-limitations",
        "--declaration",
        limitations,
        "--table",
        folder / "limitations.csv",
        output=folder / "limitations.svg",
    )
    made = make_run(folder, "leignn", "LEIGNN")
    world.add("plot-learning-curves", "--runs", made, output=folder / "learning_curves.svg")
    table1, published = own(folder, "results/table1"), folder / "published.csv"
    shutil.copy(config_file("published/table1.csv"), published)
    world.add(
        "build-table",
        *build_arguments("table1", [made], folder / "table1.csv")[1:-2],
        "--declaration",
        table1,
        "--published",
        published,
        output=folder / "table1.csv",
    )
    claims = own(folder, "published/claims")
    declared = ["--declarations", *sorted(config_file("results").glob("*.yaml"))]
    world.add(
        "check-claims",
        "--claims",
        claims,
        *declared,
        "--tables",
        folder / "table1.csv",
        output=folder / "claims.csv",
    )
    world.add(
        "render-page", *declared, table1, "--folder", folder, "--runs", made, output=folder / "index.html"
    )
    return world


def own(folder: Path, name: str) -> Path:
    """A copy of a file of ours, to damage."""
    target = folder / f"{Path(name).name}.yaml"
    shutil.copy(config_file(f"{name}.yaml"), target)
    return target


MADE = "results/runs/data/mini/leignn/seed0"
# What is damaged, the command that reads it, and whether its content is on record somewhere.
FILES = [
    ("run/config.yaml", "score", True),
    ("run/config.yaml", "analyse-simulation", False),
    ("run/checkpoint.pt", "predict", True),
    ("run/checkpoint.pt", "simulate", True),
    ("run/checkpoint.pt", "measure-drift", True),
    ("run/provenance.json", "score", True),
    ("run/predictions/test.npz", "score", False),
    ("splits/test.csv", "predict", False),
    ("splits/test.csv", "score", True),
    ("splits/test.csv", "extract-frames", False),
    ("stores/all/store.json", "predict", True),
    ("stores/all/pos.npy", "analyse-reference", True),
    ("starts.extxyz", "simulate", False),
    ("simulation/outcome.json", "analyse-simulation", True),
    ("simulation/thermo.csv", "analyse-simulation", True),
    ("simulation/trajectory.extxyz", "analyse-simulation", True),
    ("simulation/observables.json", "plot-structure", True),
    ("simulation/observables.npz", "plot-dynamics", True),
    ("simulation/thermo.csv", "plot-dynamics", True),
    (REFERENCE, "analyse-simulation", True),
    (REFERENCE, "plot-structure", True),
    ("copper.yaml", "analyse-reference", False),
    ("rows.csv", "join-limitations", False),
    ("limitations.csv", "plot-limitations", False),
    ("limitations.yaml", "plot-limitations", False),
    (f"{MADE}/config.yaml", "build-table", False),
    (f"{MADE}/metrics.json", "build-table", True),
    (f"{MADE}/log.csv", "plot-learning-curves", True),
    (f"{MADE}/log.csv", "render-page", True),
    (f"{MADE}/provenance.json", "render-page", True),
    ("table1.yaml", "build-table", False),
    ("published.csv", "build-table", False),
    ("claims.yaml", "check-claims", False),
    ("table1.csv", "check-claims", False),
    ("table1.csv", "render-page", False),
    ("claims.csv", "render-page", False),
    ("leignn.yaml", "configure", False),
    ("oc20_standin.yaml", "configure", False),
]


def places(content: Any, path: tuple = ()) -> Iterator[tuple]:
    """Keys that lead to every value of a document."""
    pairs = (
        content.items()
        if isinstance(content, dict)
        else enumerate(content)
        if isinstance(content, list)
        else ()
    )
    for key, value in pairs:
        yield (*path, key)
        yield from places(value, (*path, key))


def other_document(content: Any, rng: np.random.Generator) -> Any:
    """``content`` with a value removed or replaced."""
    content = json.loads(json.dumps(content))
    found = list(places(content))
    *path, last = found[int(rng.integers(len(found)))]
    inner = content
    for key in path:
        inner = inner[key]
    if rng.random() < 0.3:
        del inner[last]
    else:
        inner[last] = VALUES[int(rng.integers(len(VALUES)))]
    return content


def other_cell(text: str, rng: np.random.Generator) -> str:
    """A CSV with a cell, a column's name or a whole column changed."""
    rows = [line.split(",") for line in text.splitlines()]
    row, column = int(rng.integers(len(rows))), int(rng.integers(len(rows[0])))
    if rng.random() < 0.2:
        return "\n".join(",".join(cells[:column] + cells[column + 1 :]) for cells in rows) + "\n"
    if column < len(rows[row]):
        rows[row][column] = WORDS[int(rng.integers(len(WORDS)))]
    return "\n".join(map(",".join, rows)) + "\n"


def other_array(path: Path, rng: np.random.Generator) -> None:
    """An npz with an array of another shape, type or numbers, or without it."""
    with np.load(path) as file:
        arrays = dict(file)
    name = sorted(arrays)[int(rng.integers(len(arrays)))]
    array = arrays.pop(name)
    changes = [
        lambda: None,
        lambda: array.ravel(),
        lambda: array[..., None],
        lambda: np.array("text"),
        lambda: array.astype("S3"),
        lambda: np.zeros(0),
        lambda: np.full(array.shape, np.nan),
        lambda: np.full(array.shape, np.inf),
        lambda: np.full(array.shape, -1e300),
        lambda: np.array({}, dtype=object).astype("U"),
    ]
    changed = changes[int(rng.integers(len(changes)))]()
    np.savez(path, **arrays | ({} if changed is None else {name: changed}))


def damage(path: Path, whole: bytes, rng: np.random.Generator, valid_json: bool) -> None:
    """One of many, at ``path``."""
    kind, suffix = int(rng.integers(12)), path.suffix
    if kind == 0:
        path.unlink()
        path.mkdir()
    elif kind == 1:
        path.unlink()
        path.symlink_to(path)
    elif kind == 2:
        path.unlink()
    elif kind == 3:
        path.write_bytes(rng.bytes(200))
    elif kind == 4:
        path.write_bytes(b"[1, 2]\n")
    elif kind < 8 and suffix == ".json":
        content = other_document(json.loads(whole), rng)
        if valid_json and isinstance(content, dict):
            content.pop(CHECKSUM, None)
            path.unlink()
            write_json(path, content)
        else:
            path.write_text(json.dumps(content))
    elif kind < 10 and suffix == ".yaml":
        path.write_text(yaml.safe_dump(other_document(yaml.safe_load(whole), rng)))
    elif kind < 9 and suffix == ".csv":
        path.write_text(other_cell(whole.decode(), rng))
    elif kind < 9 and suffix == ".npz":
        other_array(path, rng)
    else:
        path.write_bytes(mutated(whole, rng))


def clear(path: Path) -> None:
    if path.is_dir() and not path.is_symlink():
        shutil.rmtree(path)
    else:
        path.unlink(missing_ok=True)


NOT_COMPARED = {"predict": "test.npz", "simulate": "trajectory.extxyz"}  # folders, and their numbers


def numbers_of(command: str, output: Path) -> bytes:
    return (output / NOT_COMPARED[command] if command in NOT_COMPARED else output).read_bytes()


def campaign(world: World, file: str, command: str, on_record: bool, count: int, seed: int, capsys) -> None:
    path, (run, output) = world.folder / file, world.commands[command]
    whole = path.read_bytes()
    kept = {
        p: p.read_bytes()
        for p in (output.rglob("*") if output.is_dir() else output.parent.glob(f"{output.stem}.*"))
        if p.is_file()
    }
    assert run() == 0
    expected = numbers_of(command, output)
    rng = np.random.default_rng([seed, *command.encode(), *file.encode()])
    for _ in range(count):
        valid_json = not on_record or rng.random() < 0.5
        damage(path, whole, rng, valid_json)
        shown = path.read_bytes()[:300] if path.is_file() else path
        capsys.readouterr()
        try:
            code = run()
            assert_ended_well(code, capsys.readouterr().err)
            rewritten = path.suffix == ".json" and valid_json  # with a checksum of its own
            if code == 0 and on_record and not rewritten:
                assert numbers_of(command, output) == expected
        except BaseException:
            print(file, command, shown)
            raise
        finally:
            clear(path)
            path.write_bytes(whole)
            for other, content in kept.items():
                other.parent.mkdir(exist_ok=True)
                other.write_bytes(content)


@pytest.mark.parametrize(("file", "command", "on_record"), FILES)
def test_a_few_damaged_files(world, capsys, file, command, on_record) -> None:
    campaign(world, file, command, on_record, 1, 1, capsys)


@pytest.mark.slow
@pytest.mark.parametrize(("file", "command", "on_record"), FILES)
def test_many_damaged_files(world, capsys, file, command, on_record) -> None:
    campaign(world, file, command, on_record, 12, 0, capsys)
