"""What is read back is what was written: arrays of a store, manifests, names in tables."""

from datetime import UTC, datetime

import ase.io
import numpy as np
import pandas as pd
import pytest

from leignn.cli import main
from leignn.data.frames import Frames
from leignn.data.selection import read_manifest
from leignn.data.store import ARRAYS, Store
from leignn.errors import InputError
from leignn.files import read_csv, replacing_folder
from leignn.provenance import process
from tests.leignn.data.test_build import build, frames

HEADER = "part,index,system_id,frame\n"


@pytest.fixture
def stores(tmp_path):
    ase.io.write(tmp_path / "frames.extxyz", frames(6))
    assert build(tmp_path) == 0
    return tmp_path / "store"


@pytest.mark.parametrize("name", ARRAYS)
def test_a_flipped_bit_in_any_array_is_refused(stores, name) -> None:
    Store(stores / "all")  # seen whole in this process; looked at again since the file has changed
    path = stores / "all" / f"{name}.npy"
    content = bytearray(path.read_bytes())
    content[-5] ^= 1
    path.write_bytes(content)
    with pytest.raises(InputError, match=rf"{name}.npy is not what was written"):
        Store(stores / "all")


def test_the_impatient_are_told_of_in_the_provenance(stores, monkeypatch) -> None:
    path = stores / "all" / "pos.npy"
    path.write_bytes(path.read_bytes()[:-1] + b"\x01")
    with pytest.raises(InputError, match="pos.npy is not what was written"):
        Store(stores / "all")
    assert process(datetime.now(UTC))["stores_verified"]
    monkeypatch.setenv("LEIGNN_VERIFY", "0")
    assert len(Store(stores / "all"))
    assert not process(datetime.now(UTC))["stores_verified"]


def test_an_array_that_is_gone_and_a_record_without_checksums(stores) -> None:
    record = stores / "all" / "store.json"
    whole = record.read_text()
    for content in ("[]", "null", '{"schema": 1}', '{"schema": 1, "sha256": {"pos": 3}}', "[" * 100_000):
        record.write_text(content)
        with pytest.raises(InputError, match="store.json"):
            Store(stores / "all")
    record.write_text(whole)
    (stores / "all" / "tags.npy").unlink()
    with pytest.raises(InputError, match=r"tags\.npy"):
        Store(stores / "all")


@pytest.mark.parametrize(
    ("rows", "words"),
    [
        ("all,inf,s0,0\n", "damaged"),
        ("all,,s0,0\n", "damaged"),
        ("all,\x00,s0,0\n", "damaged"),
        ("all,99999999999999999999,s0,0\n", "damaged"),
        ("all,0.5,s0,0\n", "damaged"),
        ("all,-1,s0,0\n", "index -1"),
        ("all,6,s0,0\n", "index 6"),
        ("all,0,s0,0\nall,0,s0,0\n", "twice"),
        ("all,1,s0,0\n", "is not frame 0 of system s0"),
        ("all,0,s1,0\n", "is not frame 0 of system s1"),
        (",0,s0,0\n", "has no part"),
        ("", "no frame"),
    ],
)
def test_a_manifest_that_names_no_frames_of_the_store(stores, tmp_path, rows, words) -> None:
    (tmp_path / "m.csv").write_text(HEADER + rows)
    with pytest.raises(InputError, match=words):
        Frames(stores, tmp_path / "m.csv", None)


@pytest.mark.parametrize("name", ["NA", "nan", "None", "null", "007", "1e5", "N/A"])
def test_systems_may_have_any_name(tmp_path, name) -> None:
    atoms = frames(4)
    for number, frame in enumerate(atoms):
        frame.info = {"fid": number}
    ase.io.write(tmp_path / "frames.extxyz", atoms)
    (tmp_path / f"{name.replace('/', '-')}.extxyz").write_bytes((tmp_path / "frames.extxyz").read_bytes())
    name = name.replace("/", "-")
    parts = {"all": {"format": "ase", "path": f"{name}.extxyz"}}
    lines = [f"{split},{name},{i}" for i, split in enumerate(("train", "train", "val", "test"))]
    (tmp_path / "mine.csv").write_text("\n".join(["split,system_id,frame", *lines]))
    splits = {"rule": "manifest", "path": str(tmp_path / "mine.csv")}
    assert build(tmp_path, parts=parts, splits=splits) == 0
    dataset, out = str(tmp_path / "test_data.yaml"), tmp_path / "splits"
    assert (
        main(["split", "--dataset", dataset, "--stores", str(tmp_path / "store"), "--output", str(out)]) == 0
    )
    found = Frames(tmp_path / "store", out / "train.csv", None)
    assert [found.structure(i).system_id for i in range(2)] == [name, name]
    assert set(read_manifest(out / "train.csv")["system_id"]) == {name}
    arguments = ["--stores", str(tmp_path / "store"), "--manifest", str(out / "test.csv")]
    assert main(["extract-frames", *arguments, "--count", "1", "--output", str(tmp_path / "x.extxyz")]) == 0


def test_names_in_tables_stay_as_they_are_written(tmp_path) -> None:
    pd.DataFrame({"model": ["NA", "nan", None], "error": [1.0, np.nan, 2.0]}).to_csv(
        tmp_path / "t.csv", index=False
    )
    table = read_csv(tmp_path / "t.csv", dtype={"model": str})
    assert table["model"][0] == "NA" and table["model"][1] == "nan" and pd.isna(table["model"][2])
    assert table["error"].isna().tolist() == [False, True, False]


def test_a_store_behind_a_symbolic_link_is_replaced_where_it_lies(tmp_path) -> None:
    ase.io.write(tmp_path / "frames.extxyz", frames(4))
    (tmp_path / "scratch").mkdir()
    (tmp_path / "store").mkdir()
    (tmp_path / "store" / "all").symlink_to(tmp_path / "scratch", target_is_directory=True)
    for count in (4, 6):
        ase.io.write(tmp_path / "frames.extxyz", frames(count))
        assert build(tmp_path) == 0
        assert (tmp_path / "store" / "all").is_symlink()
        assert len(Store(tmp_path / "scratch")) == count
    with replacing_folder(tmp_path / "store" / "all") as folder:
        assert folder.parent == tmp_path
