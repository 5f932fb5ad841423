"""ISO17 in a database that ASE writes with the published keys: chosen rows, bad files, memory."""

import tracemalloc
from pathlib import Path

import ase.db
import numpy as np
import pytest
import yaml
from ase import Atoms

from leignn.cli import main
from leignn.data import iso17
from leignn.data.iso17 import read_iso17
from leignn.data.store import Store
from leignn.errors import InputError
from leignn.resources import CONFIG

NUMBERS = [6] * 7 + [8] * 2 + [1] * 10  # C7O2H10


SITES = np.array(list(np.ndindex(3, 3, 3)))[:19]


def write(path: Path, count: int, seed: int = 0, **changes) -> list[dict]:
    rng = np.random.default_rng(seed)
    rows = []
    with ase.db.connect(path, use_lock_file=False) as database:
        for _ in range(count):
            row = {
                "positions": 1.5 * SITES + rng.normal(0, 0.1, (19, 3)),
                "total_energy": rng.normal(-11500, 1),
                "atomic_forces": rng.normal(size=(19, 3)),
            } | changes
            rows.append(row)
            values = {"total_energy": row["total_energy"]} if row["total_energy"] is not None else {}
            data = {"atomic_forces": row["atomic_forces"]}
            database.write(Atoms(NUMBERS, row["positions"]), data=data, **values)
    return rows


def test_rows_of_a_split_are_those_ids(tmp_path) -> None:
    rows = write(tmp_path / "reference.db", 1100)
    chosen = np.array([1100, 3, 513, 512])  # published in no order; ids count from 1
    found = [s for chunk in read_iso17(tmp_path / "reference.db", chosen) for s in chunk]
    assert [s.frame for s in found] == [3, 512, 513, 1100]
    for structure in found:
        row = rows[structure.frame - 1]
        assert structure.energy == row["total_energy"]
        np.testing.assert_allclose(structure.forces, row["atomic_forces"], rtol=1e-6)
        np.testing.assert_allclose(structure.pos, row["positions"], rtol=1e-12)
        assert structure.atomic_numbers.tolist() == NUMBERS
        assert not structure.pbc.any()


def test_ids_with_gaps(tmp_path) -> None:
    write(tmp_path / "a.db", 12)
    with ase.db.connect(tmp_path / "a.db", use_lock_file=False) as database:
        database.delete(range(2, 10))
    assert [s.frame for chunk in read_iso17(tmp_path / "a.db", None) for s in chunk] == [1, 10, 11, 12]
    with pytest.raises(InputError, match="lacks 1 of the 2 rows"):
        list(read_iso17(tmp_path / "a.db", np.array([1, 5])))


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"total_energy": None}, "row 1 has no usable total_energy"),
        ({"atomic_forces": np.zeros((18, 3))}, r"row 1: forces has shape \(18, 3\)"),
        ({"atomic_forces": "none"}, "row 1: forces has shape"),
    ],
)
def test_a_row_without_its_labels(tmp_path, changes, words) -> None:
    write(tmp_path / "a.db", 2, **changes)
    with pytest.raises(InputError, match=rf"a.db: {words}"):
        list(read_iso17(tmp_path / "a.db", None))


def test_what_is_no_database(tmp_path) -> None:
    write(tmp_path / "a.db", 40)
    whole = (tmp_path / "a.db").read_bytes()
    for content in (b"no database at all, but long enough " * 50, whole[: len(whole) // 2]):
        (tmp_path / "a.db").write_bytes(content)
        with pytest.raises(InputError, match=r"a.db is damaged or no ASE database"):
            list(read_iso17(tmp_path / "a.db", None))


def test_stores_and_splits_of_the_published_protocol(tmp_path) -> None:
    """The project's own data set file on small databases of the published names."""
    raw = tmp_path / "raw"
    raw.mkdir()
    for seed, name in enumerate(("reference", "test_within", "test_other")):
        write(raw / f"{name}.db", 30, seed)
    (raw / "train_ids.txt").write_text("".join(f"{i}\n" for i in range(30, 3, -1)))
    (raw / "validation_ids.txt").write_text("1\n3\n2\n")
    dataset = CONFIG / "datasets/iso17.yaml"
    parts = yaml.safe_load(dataset.read_text())["parts"]
    for part in parts:
        arguments = ["--dataset", dataset, "--part", part, "--raw", raw, "--workers", "1"]
        assert main(["build-store", *map(str, arguments), "--output", str(tmp_path / "s" / part)]) == 0
    arguments = ["--dataset", str(dataset), "--stores", str(tmp_path / "s"), "--output", str(tmp_path / "m")]
    assert main(["split", *arguments]) == 0
    lines = {p.stem: len(p.read_text().splitlines()) - 1 for p in (tmp_path / "m").glob("*.csv")}
    assert lines == {"train": 27, "val": 3, "test_within": 30, "test_other": 30}
    store = Store(tmp_path / "s" / "val")
    assert list(store.frame) == [1, 2, 3]
    assert [source["file"] for source in store.meta["sources"]] == ["reference.db", "validation_ids.txt"]


def test_memory_does_not_grow_with_the_number_of_rows(tmp_path, monkeypatch) -> None:
    monkeypatch.setattr(iso17, "CHUNK_ROWS", 64)

    def peak(count: int) -> int:
        path = tmp_path / f"{count}.db"
        write(path, count)
        tracemalloc.start()
        assert sum(len(chunk) for chunk in read_iso17(path, np.arange(1, count, 2))) == count // 2
        _, highest = tracemalloc.get_traced_memory()
        tracemalloc.stop()
        return highest

    peak(10)  # imports
    assert peak(1024) < 1.2 * peak(256)
