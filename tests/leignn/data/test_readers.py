"""Readers on their own: OC20's text as published, damaged files, memory."""

import io
import lzma
import tracemalloc
from pathlib import Path

import ase.io
import numpy as np
import pytest
from ase.build import bulk
from ase.calculators.singlepoint import SinglePointCalculator

from leignn.config.dataset import AsePart, Labels, Part, RowsPart, ShardedPart
from leignn.data import extxyz, readers
from leignn.data.structure import Structure
from leignn.errors import InputError

ALL = Labels(energy="all", forces="all")
RAW = ShardedPart(format="oc20_raw", path="raw")
EXTXYZ = AsePart(format="ase", path="md.extxyz")

# A frame as Open Catalyst's shards have them; numbers made up. F under move_mask: does not move.
OC20_FRAME = """4
Lattice="7.0 0.0 0.0 0.5 8.0 0.0 0.0 0.0 30.0" Properties=species:S:1:pos:R:3:move_mask:L:1:tags:I:1:\
forces:R:3 energy=-20.25 free_energy=-20.5 pbc="T T T"
Pt       0.1      0.2     10.0        F        0       0.5      -0.5       1.0
Zr       2.1      2.2     12.0        T        1      0.25       0.0      -1.0
O        2.0      2.0     14.0        T        2       0.0       0.0       0.0
H        2.5      2.5    -14.5        T        2       0.0      0.75       0.0
"""


def read(part: Part, root: Path, workers: int = 1) -> list[Structure]:
    return [structure for chunk in readers.read_part(part, ALL, root, workers) for structure in chunk]


def write_shard(folder: Path, frames: bytes, labels: bytes) -> None:
    folder.mkdir()
    (folder / "0.extxyz.xz").write_bytes(lzma.compress(frames))
    (folder / "0.txt.xz").write_bytes(lzma.compress(labels))


def test_oc20_text(tmp_path) -> None:
    write_shard(tmp_path / "raw", 2 * OC20_FRAME.encode(), b"random12,frame7,-18.0\nrandom12,9,-18.5\n")
    first, second = read(RAW, tmp_path)
    assert (first.system_id, first.frame, first.energy) == ("random12", 7, -2.25)
    assert (second.system_id, second.frame, second.energy) == ("random12", 9, -1.75)
    assert first.atomic_numbers.tolist() == [78, 40, 8, 1]
    assert first.fixed.tolist() == [True, False, False, False]
    assert first.tags.tolist() == [0, 1, 2, 2]
    assert first.pos[3].tolist() == [2.5, 2.5, -14.5]
    assert first.forces[0].tolist() == [0.5, -0.5, 1.0]  # a fixed atom keeps its DFT force
    assert first.cell.tolist() == [[7, 0, 0], [0.5, 8, 0], [0, 0, 30]]
    assert first.pbc.all()


def md(count: int) -> str:
    rng = np.random.default_rng(0)
    text = io.StringIO()
    for number in range(count):
        atoms = bulk("Cu", cubic=True)
        atoms.positions += rng.normal(0, 0.1, (4, 3))
        atoms.calc = SinglePointCalculator(atoms, energy=float(number), forces=rng.normal(size=(4, 3)))
        ase.io.write(text, atoms, format="extxyz")
    return text.getvalue()


@pytest.mark.parametrize("suffix", ["", ".xz"])
def test_chunks_change_nothing(tmp_path, monkeypatch, suffix) -> None:
    """Frames come whole and in order, however the text is cut and whoever parses it."""
    text = md(40).encode()
    part = AsePart(format="ase", path=f"md.a.extxyz{suffix}")
    (tmp_path / part.path).write_bytes(lzma.compress(text) if suffix else text)
    for characters, workers in ((1, 2), (3000, 2), (2**20, 1)):
        monkeypatch.setattr(extxyz, "CHUNK_CHARACTERS", characters)
        found = read(part, tmp_path, workers)
        assert [s.energy for s in found] == list(range(40)) == [s.frame for s in found]
        assert {s.system_id for s in found} == {"md.a"}
        assert all(len(s.pos) == 4 for s in found)


def test_memory_does_not_grow_with_the_number_of_frames(tmp_path, monkeypatch) -> None:
    monkeypatch.setattr(extxyz, "CHUNK_CHARACTERS", 2**14)
    text = md(50)

    def peak(repeats: int) -> int:
        (tmp_path / "md.extxyz").write_text(repeats * text)
        tracemalloc.start()
        count = sum(len(chunk) for chunk in readers.read_part(EXTXYZ, ALL, tmp_path, 1))
        _, highest = tracemalloc.get_traced_memory()
        tracemalloc.stop()
        assert count == 50 * repeats
        return highest

    peak(2)  # imports
    assert peak(60) < 1.3 * peak(6)


@pytest.mark.parametrize(
    ("natoms", "words"), [("-1", "'-1'"), ("0", "'0'"), ("4.5", "'4.5'"), ("999999999999", "cut off")]
)
def test_wrong_number_of_atoms(tmp_path, natoms, words) -> None:
    text = md(2)
    (tmp_path / "md.extxyz").write_text(text + text.replace("4", natoms, 1))
    with pytest.raises(InputError, match=rf"md.extxyz: frame 2 .*{words}"):
        read(EXTXYZ, tmp_path)


def test_unknown_symbol(tmp_path) -> None:
    (tmp_path / "md.extxyz").write_text(md(1) + md(1).replace("Cu", "Qq", 1))
    with pytest.raises(InputError, match="frame 1 .*unknown element or key 'Qq'"):
        read(EXTXYZ, tmp_path)


def test_labels_of_a_shard_that_are_no_text(tmp_path) -> None:
    write_shard(tmp_path / "raw", OC20_FRAME.encode(), b"\xff\xfe,0,1.0\n")
    with pytest.raises(InputError, match="0.txt.xz is truncated or corrupt"):
        read(RAW, tmp_path)


def test_a_folder_where_a_file_should_be(tmp_path) -> None:
    (tmp_path / "md.extxyz").mkdir()
    with pytest.raises(InputError, match="md.extxyz does not exist or is no file"):
        readers.raw_files(EXTXYZ, tmp_path)


def test_a_frame_key_that_is_no_number(tmp_path) -> None:
    (tmp_path / "md.extxyz").write_text(md(1).replace("energy=", 'step="1 2 3" energy='))
    with pytest.raises(InputError, match="frame 0 has no usable 'step'"):
        read(EXTXYZ.model_copy(update={"frame": "step"}), tmp_path)


def npz(path: Path, **changes) -> None:
    arrays = {
        "nuclear_charges": np.array([8, 1, 1]),
        "coords": np.zeros((4, 3, 3)),
        "energies": np.zeros(4),
        "forces": np.zeros((4, 3, 3)),
        "old_indices": np.arange(4),
    }
    np.savez(path, **(arrays | changes))


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"nuclear_charges": np.array([300, 1, 1])}, "nuclear_charges: 300 is no uint8"),
        ({"nuclear_charges": np.array([8, 1])}, r"coords has shape \(4, 3, 3\), not \(4, 2, 3\)"),
        ({"forces": np.zeros((4, 2, 3))}, r"forces has shape \(4, 2, 3\)"),
        ({"energies": np.zeros(3)}, r"energies has shape \(3,\)"),
        ({"energies": np.array([1, "a", None, 2], dtype=object)}, "damaged or no npz"),
        ({"energies": np.array([0, np.nan, 0, 0])}, "frame 1 .*no energy"),
    ],
)
def test_npz_that_is_no_rmd17(tmp_path, changes, words) -> None:
    npz(tmp_path / "water.npz", **changes)
    with pytest.raises(InputError, match=f"water.npz.*{words}"):
        read(RowsPart(format="rmd17_npz", path="water.npz"), tmp_path)


@pytest.mark.parametrize("content", [b"", b"no zip", None])
def test_damaged_npz(tmp_path, content) -> None:
    npz(tmp_path / "water.npz")
    whole = (tmp_path / "water.npz").read_bytes()
    (tmp_path / "water.npz").write_bytes(whole[: len(whole) // 2] if content is None else content)
    with pytest.raises(InputError, match="water.npz is damaged"):
        read(RowsPart(format="rmd17_npz", path="water.npz"), tmp_path)
