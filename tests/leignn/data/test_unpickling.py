"""Pickles of PyTorch Geometric are read as it reads them; hostile ones are refused and run nothing."""

import os
import pickle
import struct
import tracemalloc
from collections import OrderedDict
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch_geometric.data import Data

from leignn.data.unpickling import load_pickle
from leignn.errors import InputError

WHERE = "data.lmdb: key '3'"


def graph() -> Data:
    return Data(
        pos=torch.rand(5, 3),
        cell=torch.eye(3)[None],
        force=torch.rand(3, 5, dtype=torch.float64).T,  # strides that are not C's
        part=torch.arange(12)[3:9].reshape(2, 3),  # a view into a longer storage
        atomic_numbers=torch.tensor([1.0, 6, 8, 1, 1]),
        natoms=torch.tensor([5]),
        fixed=torch.tensor([True, False, True, True, False]),
        tags=torch.tensor([0, 1, 2, 2, 2], dtype=torch.int8),
        none=torch.empty(0, 3),
        half=torch.rand(4).half(),
        y=-1.5,
        sid="random12",
        fid=np.int64(7),
        array=np.arange(6.0).reshape(2, 3),
        fortran=np.asfortranarray(np.random.default_rng(0).random((2, 3))),
        big=np.arange(3, dtype=">i4"),
    )


@pytest.mark.parametrize("protocol", [2, 3, 4, 5])
def test_the_same_as_the_package_reads(protocol) -> None:
    data = graph()
    found = load_pickle(pickle.dumps(data, protocol), WHERE)
    assert set(found) == set(data.keys())
    for name in data.keys():
        expected = np.asarray(data[name])
        np.testing.assert_array_equal(found[name], expected)
        assert np.asarray(found[name]).dtype == expected.dtype


def test_of_version_1(monkeypatch) -> None:
    """Before PyTorch Geometric 2 the attributes stood in the object itself, beside its own that were None."""
    old = type("Data", (), {"__module__": "torch_geometric.data.data"})
    data = old()
    data.__dict__.update(x=None, edge_attr=None, pos=torch.rand(2, 3), y=2.0)
    monkeypatch.setattr("torch_geometric.data.data.Data", old)
    content = pickle.dumps(data, 4)
    monkeypatch.undo()
    found = load_pickle(content, WHERE)
    assert found["x"] is None and found["y"] == 2.0
    np.testing.assert_array_equal(found["pos"], data.pos)


class Call:
    """Pickled as the call of a function."""

    def __init__(self, function: Any, *args: Any) -> None:
        self.call = (function, args)

    def __reduce__(self) -> tuple:
        return self.call


def saved(value: Any) -> Call:
    """What ``torch.load`` would run if it were let."""
    return Call(torch.storage._load_from_bytes, pickle.dumps(value, 2))


HOSTILE: dict[str, tuple[Any, str]] = {
    "a command": (Call(os.system, "mkdir pwned"), "posix.system"),
    "eval": (Call(eval, "__import__('os').mkdir('pwned')"), "eval"),
    "exec": (Call(exec, "import os; os.mkdir('pwned')"), "exec"),
    "getattr": (Call(getattr, Call(__import__, "os"), "mkdir"), "getattr"),
    "torch.load": (Call(torch.load, "x.pt"), "torch.serialization.load"),
    "a file of torch.save in a storage": (saved(Call(os.mkdir, "pwned")), "mkdir"),
    "a Data in which one attribute calls": (
        Data(pos=torch.rand(2, 3), y=Call(os.mkdir, "pwned")),
        "posix.mkdir",
    ),
    "an array of objects": (np.array([Call(os.mkdir, "pwned")], dtype=object), "posix.mkdir|'O8'"),
    "an array of records": (np.zeros(1, dtype=[("a", "f8")]), "V8"),
    "NumPy's loader": (Call(np.load, "x.npy"), "numpy.load"),
    "a module": (torch.nn.Linear(1, 1), "torch.nn.modules.linear.Linear"),
    "a path": (Path("x"), r"pathlib(._local)?.PosixPath"),  # with it from Python 3.13 on
    "an ordered mapping of calls": (OrderedDict(a=Call(os.getcwd)), "posix.getcwd"),
    "a function of pickle": (Call(pickle.loads, b"x"), "pickle.loads"),
    "a set": ({1}, "an instruction"),
}


@pytest.mark.parametrize("protocol", [2, 3, 4, 5])
@pytest.mark.parametrize("name", list(HOSTILE))
def test_hostile(tmp_path, monkeypatch, name, protocol) -> None:
    monkeypatch.chdir(tmp_path)
    value, words = HOSTILE[name]
    with pytest.raises(
        InputError, match=rf"data.lmdb: key '3' asks for .*({words}|builtin.*set).*: refused"
    ) as found:
        load_pickle(pickle.dumps(value, protocol), WHERE)
    assert "\n" not in str(found.value)
    assert list(tmp_path.iterdir()) == []


def by_hand(*instructions: bytes) -> bytes:
    return b"\x80\x04" + b"".join(instructions) + b"."


DATA = b"ctorch_geometric.data.data\nData\n"
HUGE = struct.pack("<Q", 2**40)


@pytest.mark.parametrize(
    "content",
    [
        by_hand(DATA, b"N}(\x8c\x01aK\x01u\x86b"),  # attributes of the class itself
        by_hand(DATA, b")R(\x8c\x09__class__K\x01\x86b"),
        by_hand(b"\x8e", HUGE),  # bytes, bytearray, text and a frame that say they are a terabyte
        by_hand(b"\x96", HUGE),
        by_hand(b"\x8d", HUGE),
        by_hand(b"\x95", HUGE),
        by_hand(b"Nr\xff\xff\xff\xff"),  # the last place of a memo
        by_hand(b"\x8b", struct.pack("<i", 2**31 - 1)),  # an integer of 2 GB
        by_hand(b"I1", b"0" * 10000, b"\n"),
        by_hand(b"}(", b")" * 1 + b"\x85" * 2 * 10**5, b"K\x01u"),  # hashing it would overflow the stack
        by_hand(b"\x8f(", b")" + b"\x85" * 2 * 10**5, b"\x90"),
        by_hand(b"cnumpy.core.multiarray\n_reconstruct\n(cnumpy\nndarray\nJ\xff\xff\xff\x7f\x85C\x01btR"),
        by_hand(b"cnumpy.core.multiarray\nscalar\n(cnumpy\ndtype\n(\x8c\x02f8tRC\x01at"),
        by_hand(b"\x82\x01"),  # the registry of extensions
        by_hand(b"Px\n"),
        by_hand(b"0"),
        by_hand(b"h\x07"),
        by_hand(b"ios\nmkdir\n"),
        by_hand(b"(ios\nmkdir\n"),
        b"",
        b"\x80\x09.",
        b"cos\nsystem\n(S'mkdir pwned'\ntR.",
    ],
)
def test_made_by_hand(tmp_path, monkeypatch, content) -> None:
    """No instruction costs more time or memory than the file has bytes, or reaches anything."""
    monkeypatch.chdir(tmp_path)
    tracemalloc.start()
    try:
        found = load_pickle(content, WHERE)
    except InputError as error:
        assert str(error).startswith(WHERE) and "\n" not in str(error)
    else:
        assert isinstance(found, dict) or found.size == 0
    assert tracemalloc.get_traced_memory()[1] < 2e8
    tracemalloc.stop()
    assert list(tmp_path.iterdir()) == []


def tensor(size: tuple, stride: tuple, offset: int = 0) -> Call:
    storage = torch.rand(6).untyped_storage()
    typed = torch.storage.TypedStorage(wrap_storage=storage, dtype=torch.float32, _internal=True)
    return Call(torch._utils._rebuild_tensor_v2, typed, offset, size, stride, False, OrderedDict())


@pytest.mark.parametrize(
    "value",
    [
        tensor((10**9, 10**9), (0, 0)),
        tensor((7,), (1,)),
        tensor((2, 3), (3, 2)),
        tensor((6,), (1,), 1),
        tensor((6,), (-1,), 5),
        tensor((2,), (2**62,)),
        tensor((2,), (1, 1)),
        tensor((1,) * 9, (1,) * 9),
    ],
)
def test_tensors_past_their_storage(value) -> None:
    with pytest.raises(InputError, match="key '3' is no sound pickle"):
        load_pickle(pickle.dumps(value, 4), WHERE)


def test_every_cut_and_many_flips_end_in_a_sentence() -> None:
    content = pickle.dumps(graph(), 4)
    rng = np.random.default_rng(0)
    for length in range(0, len(content), 7):
        with pytest.raises(InputError):
            load_pickle(content[:length], WHERE)
    for _ in range(1000):
        damaged = bytearray(content)
        damaged[rng.integers(len(content))] ^= 1 << rng.integers(8)
        try:
            load_pickle(bytes(damaged), WHERE)
        except InputError as error:
            assert "\n" not in str(error)
