"""LMDB files as public packages write them: fairchem-core's graphs, MDSim's, ase-db-backends' databases."""

import os
import pickle
import re
import zlib
from pathlib import Path
from typing import Any

import ase.db
import lmdb
import numpy as np
import pytest
import torch
import yaml
from ase import Atoms
from ase.build import add_adsorbate, fcc111, molecule
from ase.calculators.singlepoint import SinglePointCalculator
from ase.constraints import FixAtoms
from torch_geometric.data import Data

from baselines.fairchem_imports import fairchem_imports
from leignn.cli import main
from leignn.config.dataset import AsePart, Labels, LmdbPart
from leignn.data import lmdb_files
from leignn.data.lmdb_files import chunks_of, read_ase_rows, read_graphs
from leignn.data.store import Store
from leignn.data.structure import Structure
from leignn.errors import InputError

ALL = Labels(energy="all", forces="all")
GRAPHS = {"format": "ocp_lmdb", "path": "raw", "y": "referenced"}
ROWS = {"format": "aselmdb", "path": "raw", "system_id": "sid", "frame": "fid"}


def slabs(count: int) -> list[Atoms]:
    rng = np.random.default_rng(0)
    found = []
    for number in range(count):
        atoms = fcc111("Cu", (2, 2, 2), vacuum=6.0, periodic=True)
        add_adsorbate(atoms, molecule("CO"), 1.8, "ontop")
        atoms.set_tags([0] * 4 + [1] * 4 + [2] * 2)
        atoms.positions += rng.normal(0, 0.05, (10, 3))
        atoms.wrap(eps=0)  # as fairchem-core does
        atoms.set_constraint(FixAtoms(range(4)))
        atoms.calc = SinglePointCalculator(atoms, energy=-50.0 - number, forces=rng.normal(size=(10, 3)))
        atoms.info = {"sid": number // 3, "fid": number % 3}
        found.append(atoms)
    return found


def pickled(file: Path, graphs: list[Any], length: int | None = None, other: bytes | None = None) -> None:
    """As the writers open and fill it."""
    file.parent.mkdir(exist_ok=True)
    environment = lmdb.open(str(file), map_size=2**40, subdir=False, meminit=False, map_async=True)
    with environment.begin(write=True) as transaction:
        for number, graph in enumerate(graphs):
            transaction.put(f"{number}".encode("ascii"), pickle.dumps(graph, protocol=-1))
        if other is not None:
            transaction.put(b"1", other)
        if length is not None:
            transaction.put(b"length", pickle.dumps(length, protocol=-1))
    environment.close()


def fairchem_graphs(atoms: list[Atoms]) -> list[Data]:
    """By fairchem-core's own converter, completed as its preprocess_ef.py does."""
    with fairchem_imports():
        from fairchem.core.preprocessing import AtomsToGraphs

        convert = AtomsToGraphs(
            max_neigh=50,
            radius=6,
            r_energy=True,
            r_forces=True,
            r_fixed=True,
            r_distances=False,
            r_edges=False,
        ).convert
        graphs = [convert(frame) for frame in atoms]
    for graph, frame in zip(graphs, atoms, strict=True):
        graph.tags = torch.LongTensor(frame.get_tags())
        graph.sid, graph.fid = frame.info["sid"], frame.info["fid"]
        graph.energy -= 1.5
    return graphs


def open_catalyst_graphs(atoms: list[Atoms]) -> list[Data]:
    """With the names that Open Catalyst's LMDBs had before: y and force, of floats."""
    graphs = fairchem_graphs(atoms)
    for graph in graphs:
        graph.y, graph.force = graph.energy, graph.forces
        del graph.energy, graph.forces
        graph.atomic_numbers = graph.atomic_numbers.float()
        graph.sid = torch.LongTensor([graph.sid])
    return graphs


def mdsim_graph(number: int) -> Data:
    """By the lines of MDSim's preprocessing: y of shape (1,), sid 0, the number in the trajectory as fid."""
    return Data(
        cell=7.0 * torch.eye(3)[None],
        pos=2.0 * torch.eye(3) + number / 100,
        atomic_numbers=torch.tensor([3, 15, 16]),
        natoms=torch.tensor([3]),
        y=torch.tensor([-350.0 - number]),
        force=torch.full((3, 3), number / 10),
        fixed=torch.zeros(3),
        sid=0,
        fid=np.int64(number * 7),
    )


def build(folder: Path, workers: int = 1, **part: Any) -> int:
    content = {
        "base": "mdsim",
        "title": "t",
        "level": "none",
        "source": {"files": True},
        "labels": {"energy": "all", "forces": "all"},
        "parts": {"all": part},
        "splits": {"rule": "random", "seed": 0, "counts": {"train": 2, "val": 1, "test": 1}},
    }
    (folder / "t.yaml").write_text(yaml.safe_dump(content))
    paths = ["--dataset", folder / "t.yaml", "--raw", folder, "--output", folder / "store"]
    return main(["build-store", "--part", "all", "--workers", str(workers), *map(str, paths)])


def read(files: list[Path], part: LmdbPart | AsePart) -> list[Structure]:
    """Without the pool, whose processes take seconds to start."""
    reader = read_graphs if isinstance(part, LmdbPart) else read_ase_rows
    return [s for chunk in chunks_of(files) for s in reader(chunk, part, ALL, "data")]  # type: ignore[operator]


def compare(store: Store, atoms: list[Atoms], reference: float) -> None:
    """Up to the float32 of graphs."""
    assert len(store) == len(atoms)
    for number, expected in enumerate(atoms):
        found = store[number]
        np.testing.assert_allclose(found.pos, expected.positions, atol=1e-5)
        np.testing.assert_allclose(found.cell, expected.cell.array, atol=1e-5)
        np.testing.assert_array_equal(found.atomic_numbers, expected.numbers)
        np.testing.assert_array_equal(found.tags, expected.get_tags())
        np.testing.assert_array_equal(np.flatnonzero(found.fixed), range(4))
        np.testing.assert_allclose(found.forces, expected.get_forces(apply_constraint=False), atol=1e-6)
        assert found.energy == pytest.approx(expected.get_potential_energy() - reference, abs=1e-5)
        assert (found.system_id, found.frame) == (str(expected.info["sid"]), expected.info["fid"])
        assert found.pbc.all()


@pytest.mark.parametrize("graphs_of", [fairchem_graphs, open_catalyst_graphs])
def test_a_folder_of_graphs(tmp_path, graphs_of) -> None:
    atoms = slabs(11)
    graphs = graphs_of(atoms)
    pickled(tmp_path / "raw" / "data.0000.lmdb", graphs[:4], 4)
    pickled(tmp_path / "raw" / "data.0001.lmdb", graphs[4:], 7)
    assert build(tmp_path, **GRAPHS) == 0
    store = Store(tmp_path / "store")
    compare(store, atoms, 1.5)
    assert store.meta["y"] == "referenced"
    assert [Path(s["file"]).name for s in store.meta["sources"]] == ["data.0000.lmdb", "data.0001.lmdb"]


def test_more_frames_than_a_chunk(tmp_path) -> None:
    """Keys are read by their numbers: LMDB has them in the order of their text."""
    pickled(tmp_path / "raw" / "data.lmdb", [mdsim_graph(n) for n in range(300)], 299)
    assert build(tmp_path, workers=2, format="ocp_lmdb", path="raw/data.lmdb", y="total") == 0
    store = Store(tmp_path / "store")  # all 300, though MDSim's writer says one less
    assert store.frame.tolist() == list(range(0, 2100, 7))
    assert store.energy.tolist() == [-350.0 - n for n in range(300)]
    assert set(store.system_id) == {"0"} and len(store) > 2 * lmdb_files.CHUNK_FRAMES


def rows(file: Path, atoms: list[Atoms]) -> None:
    file.parent.mkdir(exist_ok=True)
    with ase.db.connect(file, type="aselmdb") as database:
        for frame in atoms:
            info = frame.info
            database.write(frame, key_value_pairs={"fid": info["fid"]}, data={"sid": info["sid"]})


def test_ase_databases(tmp_path) -> None:
    atoms = slabs(12)
    rows(tmp_path / "raw" / "data.0000.aselmdb", atoms[:5])
    rows(tmp_path / "raw" / "data.0001.aselmdb", atoms[5:])
    with ase.db.connect(tmp_path / "raw" / "data.0001.aselmdb", type="aselmdb") as database:
        database.delete([3])
    assert build(tmp_path, workers=2, **ROWS) == 0
    compare(Store(tmp_path / "store"), atoms[:7] + atoms[8:], 0.0)


class Command:
    def __reduce__(self) -> tuple:
        return os.system, ("touch pwned",)


def refused(capsys, folder: Path, code: int, *words: str) -> None:
    assert code == 2
    message = capsys.readouterr().err.strip()
    assert len(message.splitlines()) == 1, message
    for word in words:
        assert word in message, message
    assert not (folder / "store").exists()


def changed(**changes: Any) -> Data:
    graph = mdsim_graph(1)
    for name, value in changes.items():
        setattr(graph, name, value)
    return graph


@pytest.mark.parametrize(
    ("graph", "words"),
    [
        (Command(), "posix.system"),
        (changed(extra=Command()), "posix.system"),
        (changed(pos=None), "has no pos"),
        (changed(y=None), "has no y or energy"),
        (changed(energy=torch.tensor(1.0)), "both y and energy"),
        (changed(natoms=torch.tensor([4])), "natoms 4 and 3"),
        (changed(pos=torch.zeros(2, 3)), "pos has shape (2, 3), not (3, 3)"),
        (changed(fixed=torch.full((3,), 0.5)), "fixed is 0.5"),
        (changed(atomic_numbers=torch.tensor([3, 300, 1])), "atomic_numbers: 300 is no uint8"),
        (changed(force=torch.full((3, 3), torch.nan)), "has no forces"),
        (changed(pos=torch.zeros(3, 3)), "0 Å apart"),
        (changed(sid=[1, 2]), "sid has shape"),
        ([1, 2], "is no graph"),
        (7, "Geometric but int"),
    ],
)
def test_graphs_that_are_refused(tmp_path, monkeypatch, graph, words) -> None:
    monkeypatch.chdir(tmp_path)
    files = [tmp_path / "raw" / f"data.000{number}.lmdb" for number in range(2)]
    pickled(files[0], [mdsim_graph(0)])
    pickled(files[1], [mdsim_graph(2), graph])
    where = "frame 7" if "forces" in words or "apart" in words else "key '1'"
    with pytest.raises(InputError, match=f"data.0001.lmdb: {where}.*{re.escape(words)}") as found:
        read(files, LmdbPart(**GRAPHS))
    assert "\n" not in str(found.value)
    assert not (tmp_path / "pwned").exists()


def test_a_command_is_refused_by_the_command_line(tmp_path, monkeypatch, capsys) -> None:
    monkeypatch.chdir(tmp_path)
    pickled(tmp_path / "raw" / "data.lmdb", [mdsim_graph(0), changed(extra=Command())])
    refused(capsys, tmp_path, build(tmp_path, **GRAPHS), "data.lmdb: key '1' asks for posix.system")
    assert not (tmp_path / "pwned").exists()


def test_a_hostile_length(tmp_path, monkeypatch, capsys) -> None:
    monkeypatch.chdir(tmp_path)
    pickled(tmp_path / "raw" / "data.lmdb", [mdsim_graph(0)], Command())
    refused(capsys, tmp_path, build(tmp_path, **GRAPHS), "data.lmdb: key 'length' asks for posix.system")
    assert not (tmp_path / "pwned").exists()


def test_files_that_lack_frames(tmp_path, capsys) -> None:
    pickled(tmp_path / "raw" / "data.lmdb", [mdsim_graph(n) for n in range(3)], 5)
    refused(capsys, tmp_path, build(tmp_path, **GRAPHS), "data.lmdb has 3 frames, and says that it has 5")
    environment = lmdb.open(str(tmp_path / "raw" / "data.lmdb"), subdir=False)
    with environment.begin(write=True) as transaction:
        transaction.delete(b"length")
        transaction.delete(b"1")
    environment.close()
    refused(capsys, tmp_path, build(tmp_path, **GRAPHS), "data.lmdb has 2 frames, and says that it has 3")


@pytest.mark.parametrize("kept", [0.0, 0.01, 0.5, 0.99])
@pytest.mark.parametrize("kind", ["lmdb", "aselmdb"])
def test_files_that_are_cut_off(tmp_path, capsys, kind, kept) -> None:
    file = tmp_path / "raw" / f"data.{kind}"
    if kind == "lmdb":
        pickled(file, [mdsim_graph(n) for n in range(50)], 50)
    else:
        rows(file, slabs(20))
    content = file.read_bytes()
    file.write_bytes(content[: int(kept * len(content))])
    refused(capsys, tmp_path, build(tmp_path, **(GRAPHS if kind == "lmdb" else ROWS)), f"data.{kind}")


def test_no_lmdb_at_all(tmp_path, capsys) -> None:
    (tmp_path / "raw").mkdir()
    refused(capsys, tmp_path, build(tmp_path, **GRAPHS), "holds no file *.lmdb")
    (tmp_path / "raw" / "data.lmdb").write_bytes(10000 * b"x")
    refused(capsys, tmp_path, build(tmp_path, **GRAPHS), "data.lmdb is damaged or no LMDB")


@pytest.mark.parametrize(
    ("row", "words"),
    [
        (b"no zlib", "key '1' is no row"),
        (zlib.compress(b"no json"), "key '1' is no row"),
        (zlib.compress(b"{}"), "row 1 is no structure"),
        (zlib.compress(b"[1]"), "row 1 is no structure"),
        (zlib.compress(b" " * (10**5 + 1)), "larger than"),
        (zlib.compress(b'{"__ase_objtype__": "os.system"}'), "key '1' is no row"),
    ],
)
def test_rows_that_are_refused(tmp_path, monkeypatch, row, words) -> None:
    monkeypatch.setattr(lmdb_files, "LARGEST_ROW", 10**5)
    file = tmp_path / "raw" / "data.aselmdb"
    rows(file, slabs(2))
    environment = lmdb.open(str(file), subdir=False, map_size=2**30)
    with environment.begin(write=True) as transaction:
        transaction.put(b"1", row)
    environment.close()
    with pytest.raises(InputError, match=f"data.aselmdb: .*{words}"):
        read([file], AsePart(**ROWS))


def test_y_has_to_be_declared(tmp_path, capsys) -> None:
    pickled(tmp_path / "raw" / "data.lmdb", [mdsim_graph(0)])
    refused(capsys, tmp_path, build(tmp_path, format="ocp_lmdb", path="raw"), "y")
