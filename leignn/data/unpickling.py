"""Unpickle the PyTorch Geometric objects of foreign LMDB files without running anything of theirs.

Pickles are programs. This reads the few instructions that ``pickle.dumps(Data(...))`` writes, and the only
globals it knows are names for functions of this module, which make NumPy arrays out of bytes: no class or
function of another package is ever looked up, called or built, PyTorch's and NumPy's own included.
"""

import io
import math
import pickle
import struct
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from leignn.errors import InputError

# The instructions of protocols 2 to 5 for numbers, text, bytes, lists, tuples, mappings and objects.
# No sets and no keys but text: hashing nested tuples takes time or stack without bound.
INSTRUCTIONS = (
    *(
        "PROTO FRAME STOP MARK POP POP_MARK NONE NEWTRUE NEWFALSE BININT BININT1 BININT2 LONG1 BINFLOAT"
    ).split(),
    *("BINUNICODE SHORT_BINUNICODE BINUNICODE8 BINBYTES SHORT_BINBYTES BINBYTES8").split(),
    *("EMPTY_LIST EMPTY_DICT EMPTY_TUPLE TUPLE TUPLE1 TUPLE2 TUPLE3").split(),
    *("GLOBAL STACK_GLOBAL BINGET LONG_BINGET BINPUT LONG_BINPUT MEMOIZE").split(),
)
TORCH_MAGIC, TORCH_PROTOCOL = 0x1950A86A20F9469CFC6C, 1001  # of torch.save before its zip files
TORCH_TYPES = {
    "BoolStorage": "?",
    "ByteStorage": "u1",
    "CharStorage": "i1",
    "ShortStorage": "i2",
    "IntStorage": "i4",
    "LongStorage": "i8",
    "HalfStorage": "f2",
    "FloatStorage": "f4",
    "DoubleStorage": "f8",
}
NUMPY_TYPES = ("b1", "i1", "i2", "i4", "i8", "u1", "u2", "u4", "u8", "f2", "f4", "f8")


class _Refused(Exception):  # noqa: N818 (said in a sentence of its own)
    """What a pickle asks for that is not admitted."""


@dataclass(frozen=True)
class _Global:
    """A name in a pickle and what is done in its place."""

    name: str
    make: Callable[..., Any] | None = None

    def __call__(self, *args: Any) -> Any:
        if self.make is None:
            raise _Refused(f"to call {self.name}")
        return self.make(*args)


class _Object:
    """A container of PyTorch Geometric: its attributes, and nothing else of it."""

    def __init__(self) -> None:
        self.state: dict[str, Any] = {}

    def build(self, state: Any) -> None:
        if not isinstance(state, dict):
            raise _Refused("a container whose state is no mapping")
        self.state = state


@dataclass
class _Type:
    """A NumPy type of numbers."""

    code: str
    order: str = "="

    def build(self, state: Any) -> None:
        if not isinstance(state, tuple) or len(state) < 2 or state[1] not in ("<", ">", "|", "="):
            raise _Refused("a NumPy type that is none of plain numbers")
        self.order = state[1]

    @property
    def dtype(self) -> np.dtype:
        return np.dtype(self.order + self.code)


@dataclass
class _Array:
    """A NumPy array, out of the pickle's reach."""

    array: np.ndarray = field(default_factory=lambda: np.empty(0))

    def build(self, state: Any) -> None:
        _, shape, kind, fortran, content = state
        self.array = _filled(content, kind, shape, "F" if fortran else "C")


def load_pickle(content: bytes, where: str) -> Any:
    """The numbers, texts, arrays and mappings of a pickle.

    Args:
        content: the pickle.
        where: what to call it in messages: file and key.

    Returns:
        What was pickled; a PyTorch Geometric ``Data`` of any version as a mapping of its attributes, tensors
        and arrays as NumPy arrays.

    Raises:
        InputError: it is damaged, or asks for any class or function but those; nothing is called.
    """
    try:
        found = _Unpickler(io.BytesIO(content), ADMITTED).load()
    except _Refused as error:
        raise InputError(
            f"{where} asks for {error}, not only for arrays, tensors and PyTorch Geometric's Data: refused"
        ) from None
    except Exception as error:  # whatever wrong arguments of an instruction bring about
        raise InputError(f"{where} is no sound pickle: {' '.join(str(error).split())[:100]}") from error
    if isinstance(found, _Object):
        # PyTorch Geometric 2 keeps attributes in a storage, 1 in the object itself.
        store = found.state.get("_store", found)
        state = store.state if isinstance(store, _Object) else {}
        found = state.get("_mapping", state)
    if isinstance(found, dict):
        return {name: v.array if isinstance(v, _Array) else v for name, v in found.items()}
    if not isinstance(found, int | float | str | _Array):
        raise InputError(f"{where} is no graph, number, text or array")
    return found.array if isinstance(found, _Array) else found


class _Unpickler(pickle._Unpickler):
    """The instructions of :data:`INSTRUCTIONS`; every name is one of ``admitted``."""

    stack: list[Any]  # set by pickle
    append: Callable[[Any], None]
    read: Callable[[int], bytes]
    pop_mark: Callable[[], list[Any]]

    def __init__(self, file: io.BytesIO, admitted: dict[str, _Global], storages: bool = False) -> None:
        super().__init__(file)
        self._admitted, self._storages = admitted, storages

    def find_class(self, module: str, name: str) -> _Global:
        full = f"{module}.{name}"
        if full not in self._admitted:
            raise _Refused(full[:100])
        return self._admitted[full]

    def _other(self) -> None:
        raise _Refused("an instruction that no such pickle has")

    def _reduce(self) -> None:
        args = self.stack.pop()
        made = self.stack[-1]
        if not isinstance(made, _Global):
            raise _Refused(f"to call a {type(made).__name__}")
        self.stack[-1] = made(*args)

    def _build(self) -> None:
        state = self.stack.pop()
        inst = self.stack[-1]
        if not isinstance(inst, _Object | _Type | _Array):
            raise _Refused(f"to change a {type(inst).__name__}")
        inst.build(state)

    def _set_item(self) -> None:
        value = self.stack.pop()
        key = self.stack.pop()
        self._set(self.stack[-1], [key, value])

    def _set_items(self) -> None:
        items = self.pop_mark()
        self._set(self.stack[-1], items)

    def _set(self, mapping: Any, items: list[Any]) -> None:
        if not isinstance(mapping, dict):
            raise _Refused(f"to change a {type(mapping).__name__}")
        for key, value in zip(items[::2], items[1::2], strict=True):
            if not isinstance(key, str):
                raise _Refused(f"a key that is a {type(key).__name__}")
            mapping[key] = value

    def _append(self) -> None:
        value = self.stack.pop()
        self._extend(self.stack[-1], [value])

    def _appends(self) -> None:
        values = self.pop_mark()
        self._extend(self.stack[-1], values)

    def _extend(self, target: Any, values: list[Any]) -> None:
        if not isinstance(target, list):
            raise _Refused(f"to change a {type(target).__name__}")
        target.extend(values)

    def _bytes(self) -> None:
        (size,) = struct.unpack("<Q", self.read(8))
        content = self.read(min(size, 2**62))
        if len(content) != size:
            raise EOFError("it is cut off")
        self.append(content)

    def _persistent(self) -> None:
        """A storage: ("storage", type, key, location, size, None), as ``torch.save`` names it."""
        if not self._storages:
            self._other()
        kind, made, key, _, size, *rest = self.stack.pop()
        if kind != "storage" or not isinstance(made, _Global) or rest not in ([], [None]):
            raise _Refused("a storage of another form")
        self.append((made, key, size))


_DISPATCH: dict[int, Callable[[Any], None]] = {
    **dict.fromkeys(range(256), _Unpickler._other),
    **{
        code: pickle._Unpickler.dispatch[code] for code in (getattr(pickle, name)[0] for name in INSTRUCTIONS)
    },
    pickle.REDUCE[0]: _Unpickler._reduce,
    pickle.NEWOBJ[0]: _Unpickler._reduce,
    pickle.BUILD[0]: _Unpickler._build,
    pickle.SETITEM[0]: _Unpickler._set_item,
    pickle.SETITEMS[0]: _Unpickler._set_items,
    pickle.APPEND[0]: _Unpickler._append,
    pickle.APPENDS[0]: _Unpickler._appends,
    pickle.BYTEARRAY8[0]: _Unpickler._bytes,
    pickle.BINPERSID[0]: _Unpickler._persistent,
}
_Unpickler.dispatch = _DISPATCH


def _filled(content: Any, kind: Any, shape: Any, order: Any) -> np.ndarray:
    """An array of bytes that are there: nothing is allocated by what a pickle says alone."""
    if not isinstance(kind, _Type) or not isinstance(content, bytes) or order not in ("C", "F"):
        raise _Refused("an array of no plain numbers")
    sizes = _sizes(shape)
    if math.prod(sizes) * kind.dtype.itemsize != len(content):
        raise ValueError(f"an array of shape {sizes} has {len(content)} bytes")
    return np.frombuffer(content, kind.dtype).reshape(sizes, order=order)


def _sizes(values: Any) -> tuple[int, ...]:
    values = values if isinstance(values, tuple) else (values,)
    if len(values) > 8 or not all(type(value) is int and 0 <= value < 2**40 for value in values):
        raise ValueError("sizes are not what an array has")
    return values


def _numpy_type(code: Any, *_: Any) -> _Type:
    if code not in NUMPY_TYPES:
        raise _Refused(f"an array of type {str(code)[:20]!r}")
    return _Type(code)


def _empty_array(*_: Any) -> _Array:
    return _Array()  # numpy's _reconstruct(ndarray, (0,), b"b"): its state comes next


def _array_of_buffer(content: Any, kind: Any, shape: Any, order: Any) -> _Array:
    return _Array(_filled(content, kind, shape, order))


def _scalar(kind: Any, content: Any) -> _Array:
    return _Array(_filled(content, kind, (), "C"))


def _encoded(text: str, encoding: Any) -> bytes:
    """Bytes in a pickle of protocol 2."""
    if encoding != "latin1":
        raise _Refused(f"the encoding {str(encoding)[:20]!r}")
    return text.encode("latin1")


def _storage(content: Any) -> _Array:
    """What ``torch.save`` wrote of one storage: four pickles, the keys, and the numbers' bytes."""
    if not isinstance(content, bytes):
        raise _Refused("a storage that is no bytes")
    file = io.BytesIO(content)

    def load() -> Any:
        return _Unpickler(file, STORAGES, storages=True).load()

    if (load(), load()) != (TORCH_MAGIC, TORCH_PROTOCOL) or load().get("little_endian") is not True:
        raise ValueError("a storage is of another version")
    made, key, size = load()
    if load() != [key] or struct.unpack("<q", file.read(8)) != (size,):
        raise ValueError("a storage is not one")
    return _Array(_filled(file.read(), _Type(made()), (size,), "C"))


def _tensor(storage: Any, offset: Any, size: Any, stride: Any, *_: Any) -> _Array:
    """``torch._utils._rebuild_tensor_v2``: a view into a storage, which has to hold all of it."""
    if not isinstance(storage, _Array) or storage.array.ndim != 1:
        raise _Refused("a tensor without a storage")
    (start,), sizes, strides = _sizes(offset), _sizes(size), _sizes(stride)
    array = storage.array
    last = start + sum((n - 1) * step for n, step in zip(sizes, strides, strict=True))
    if math.prod(sizes) and (math.prod(sizes) > len(array) or last >= len(array)):
        raise ValueError(f"a tensor of shape {sizes} is larger than its storage")
    if not math.prod(sizes):
        return _Array(np.empty(sizes, array.dtype))
    step = array.itemsize
    return _Array(np.lib.stride_tricks.as_strided(array[start:], sizes, [n * step for n in strides]).copy())


def _named(**functions: Callable[..., Any] | None) -> dict[str, _Global]:
    return {name: _Global(name, function) for name, function in functions.items()}


STORAGES = _named(**{f"torch.{name}": lambda code=code: code for name, code in TORCH_TYPES.items()})
ADMITTED = _named(
    **{
        "torch_geometric.data.data.Data": _Object,
        "torch_geometric.data.storage.GlobalStorage": _Object,
        "torch_geometric.data.data.DataEdgeAttr": None,  # classes that a Data of version 2 refers to
        "torch_geometric.data.data.DataTensorAttr": None,
        "torch._utils._rebuild_tensor_v2": _tensor,
        "torch.storage._load_from_bytes": _storage,
        "collections.OrderedDict": lambda: {},
        "numpy.ndarray": None,
        "numpy.dtype": _numpy_type,
        "_codecs.encode": _encoded,
    },
    **{
        f"numpy.{core}.{name}": function
        for core in ("core", "_core")
        for name, function in {
            "multiarray._reconstruct": _empty_array,
            "multiarray.scalar": _scalar,
            "numeric._frombuffer": _array_of_buffer,
        }.items()
    },
)
