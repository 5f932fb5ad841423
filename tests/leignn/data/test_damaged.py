"""A campaign of damaged inputs: each ends well or with one sentence and exit code 2, never in a traceback."""

import lzma
from collections.abc import Callable
from functools import partial
from pathlib import Path

import ase.db
import ase.io
import numpy as np
import pytest
import yaml
from ase import Atoms
from ase.calculators.singlepoint import SinglePointCalculator

from leignn.cli import main
from leignn.data.store import ARRAYS

ROW = "Cu 0 0 0 0.1 0 0\nCu {x} 0 0 -0.1 0 0\n"
SPECIES = "species:S:1:pos:R:3:forces:R:3"


def frame(
    number: int = 0,
    properties: str = SPECIES,
    info: str = "energy=-1.5",
    rows: str = ROW,
    x: float = 2.0,
    lattice: str = "4 0 0 0 4 0 0 0 4",
) -> str:
    text = rows.format(x=x + 0.01 * number)
    return f'2\nLattice="{lattice}" Properties={properties} {info} pbc="T T T"\n{text}'


def dataset(folder: Path, **changes) -> Path:
    content = {
        "base": "mdsim",
        "title": "t",
        "level": "none",
        "source": {"files": True},
        "labels": {"energy": "all", "forces": "all"},
        "parts": {"all": {"format": "ase", "path": "md.extxyz"}},
        "splits": {"rule": "random", "seed": 0, "counts": {"train": 2, "val": 1, "test": 1}},
    } | changes
    path = folder / "md.yaml"
    path.write_text(yaml.safe_dump(content))
    return path


def build(folder: Path, part: str = "all", **changes) -> int:
    arguments = ["--dataset", dataset(folder, **changes), "--part", part, "--raw", folder]
    return main(
        ["build-store", *map(str, arguments), "--output", str(folder / "stores" / part), "--workers", "1"]
    )


def split(folder: Path) -> int:
    arguments = [
        "--dataset",
        folder / "md.yaml",
        "--stores",
        folder / "stores",
        "--output",
        folder / "splits",
    ]
    return main(["split", *map(str, arguments)])


NUMBERS = [b"nan", b"inf", b"-1", b"1e999", b"99999999999999999999", b"", b"\x00", b"1 2", b"N/A"]


def mutated(content: bytes, rng: np.random.Generator) -> bytes:
    """One of: cut, bits flipped, bytes inserted, deleted, repeated, all gone, a number replaced."""
    place, length = int(rng.integers(len(content))), int(rng.integers(1, 40))
    kind = rng.integers(8)
    if kind == 0:
        return content[:place]
    if kind == 1:
        damaged = bytearray(content)
        for _ in range(3):
            damaged[int(rng.integers(len(content)))] ^= 1 << int(rng.integers(8))
        return bytes(damaged)
    if kind == 2:
        return content[:place] + rng.bytes(length) + content[place:]
    if kind == 3:
        return content[:place] + content[place + length :]
    if kind == 4:
        return content[: place + length] + content[place:]
    if kind == 5 and rng.random() < 0.3:
        return b""
    words = content.split(b" " if b" " in content else b",")
    words[int(rng.integers(len(words)))] = NUMBERS[int(rng.integers(len(NUMBERS)))]
    return (b" " if b" " in content else b",").join(words)


def extxyz(folder: Path) -> tuple[Path, Callable[[], int]]:
    (folder / "md.extxyz").write_text("".join(frame(n) for n in range(4)))
    return folder / "md.extxyz", lambda: build(folder)


def compressed(folder: Path) -> tuple[Path, Callable[[], int]]:
    (folder / "md.xyz.xz").write_bytes(lzma.compress("".join(frame(n) for n in range(4)).encode()))
    return folder / "md.xyz.xz", lambda: build(folder, parts={"all": {"format": "ase", "path": "md.xyz.xz"}})


def shard_labels(folder: Path) -> tuple[Path, Callable[[], int]]:
    (folder / "raw").mkdir(exist_ok=True)
    (folder / "raw" / "0.extxyz").write_text("".join(frame(n) for n in range(4)))
    (folder / "raw" / "0.txt").write_text("".join(f"s , {n} , -1.5\n".replace(" ", "") for n in range(4)))
    return folder / "raw" / "0.txt", lambda: build(
        folder, parts={"all": {"format": "oc20_raw", "path": "raw"}}
    )


def rmd17(folder: Path) -> tuple[Path, Callable[[], int]]:
    rng = np.random.default_rng(0)
    arrays = {"nuclear_charges": np.array([8, 1, 1]), "energies": rng.normal(size=4)}
    arrays["coords"] = np.array([[0, 0, 0], [1, 0, 0], [0, 1, 0]]) + rng.normal(0, 0.02, (4, 3, 3))
    arrays |= {"forces": rng.normal(size=(4, 3, 3)), "old_indices": np.arange(4)}
    np.savez(folder / "w.npz", **arrays)
    return folder / "w.npz", lambda: build(folder, parts={"all": {"format": "rmd17_npz", "path": "w.npz"}})


def rmd17_values(folder: Path, name: str) -> tuple[Path, Callable[[], int]]:
    """The numbers of an npz, as text, so that they are what is replaced."""
    path, run = rmd17(folder)
    with np.load(path) as file:
        arrays = dict(file)
    text = folder / "frames.txt"
    text.write_text(" ".join(str(n) for n in arrays["old_indices"]) + " 5")

    def replaced() -> int:
        words = text.read_text(errors="replace").split()
        values = []
        for word in words[:4] + ["0"] * (4 - len(words)):
            try:
                values.append(float(word))
            except ValueError:
                values.append(np.nan)
        np.savez(path, **arrays | {name: np.array(values)})
        return run()

    return text, replaced


def iso17(folder: Path) -> tuple[Path, Callable[[], int]]:
    path = folder / "a.db"
    path.unlink(missing_ok=True)
    with ase.db.connect(path, use_lock_file=False) as database:
        for n in range(3):
            atoms = Atoms("OH", [[0, 0, 0], [1, 0, 0.01 * n]])
            database.write(atoms, data={"atomic_forces": np.zeros((2, 3))}, total_energy=-1.0)
    return path, lambda: build(folder, parts={"all": {"format": "iso17_db", "path": "a.db"}})


def trajectory(folder: Path) -> tuple[Path, Callable[[], int]]:
    atoms = Atoms("CuCu", [[0, 0, 0], [2, 0, 0]], cell=[4, 4, 4], pbc=True)
    atoms.calc = SinglePointCalculator(atoms, energy=1.0, forces=np.zeros((2, 3)))
    ase.io.write(folder / "md.traj", [atoms, atoms])
    return folder / "md.traj", lambda: build(folder, parts={"all": {"format": "ase", "path": "md.traj"}})


def manifest(folder: Path) -> tuple[Path, Callable[[], int]]:
    extxyz(folder)
    assert build(folder) == 0 and split(folder) == 0
    arguments = ["--stores", folder / "stores", "--manifest", folder / "splits" / "train.csv", "--count", "2"]
    command = ["extract-frames", *map(str, arguments), "--output", str(folder / "out.extxyz")]
    return folder / "splits" / "train.csv", lambda: main(command)


def description(folder: Path) -> tuple[Path, Callable[[], int]]:
    extxyz(folder)
    path = dataset(folder)
    arguments = ["--dataset", path, "--part", "all", "--raw", folder, "--output", folder / "s"]
    return path, lambda: main(["build-store", *map(str, arguments), "--workers", "1"])


def check_all(folder: Path, make, count: int, seed: int, capsys) -> None:
    rng = np.random.default_rng(seed)
    path, run = make(folder)
    whole = path.read_bytes()
    assert run() == 0
    for _ in range(count):
        path.write_bytes(mutated(whole, rng))
        capsys.readouterr()
        assert_ended_well(run(), capsys.readouterr().err)


def assert_ended_well(code: int, message: str) -> None:
    assert code in (0, 2, None), message
    if code == 2:
        assert len(message.strip().splitlines()) == 1 and ": error: " in message, message


MADE = [
    extxyz,
    compressed,
    shard_labels,
    rmd17,
    partial(rmd17_values, name="old_indices"),
    partial(rmd17_values, name="energies"),
    iso17,
    trajectory,
    manifest,
    description,
]


@pytest.mark.parametrize("make", MADE)
def test_a_few_damaged_inputs(tmp_path, capsys, make) -> None:
    check_all(tmp_path, make, 1, 1, capsys)


@pytest.mark.slow
@pytest.mark.parametrize("make", MADE)
def test_many_damaged_inputs(tmp_path, capsys, make) -> None:
    check_all(tmp_path, make, 24, 0, capsys)


@pytest.mark.parametrize("count", [1, pytest.param(6, marks=pytest.mark.slow)])
def test_no_damaged_array_is_accepted(tmp_path, capsys, count) -> None:
    extxyz(tmp_path)
    assert build(tmp_path) == 0 and split(tmp_path) == 0
    rng = np.random.default_rng(0)
    for name in ARRAYS:
        file = tmp_path / "stores" / "all" / f"{name}.npy"
        whole = file.read_bytes()
        for _ in range(count):
            damaged = mutated(whole, rng)
            file.write_bytes(damaged)
            (tmp_path / "stores" / "all" / "store.json").touch()  # another process would look anew
            capsys.readouterr()
            code = split(tmp_path)
            assert code == 2 or damaged == whole
            assert_ended_well(code, capsys.readouterr().err)
        file.write_bytes(whole)
