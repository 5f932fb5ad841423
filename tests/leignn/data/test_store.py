"""The store's writer: whole arrays from a stream, whatever the order; memory that frames do not add to."""

import errno
import tracemalloc
from collections.abc import Iterator

import numpy as np
import pytest

from leignn.data import store as writer
from leignn.data.store import PER_ATOM, PER_STRUCTURE, write_store
from leignn.data.structure import Structure
from leignn.errors import InputError


def structure(system: str, frame: int, rng: np.random.Generator) -> Structure:
    natoms = int(rng.integers(1, 5))
    return Structure(
        pos=rng.normal(size=(natoms, 3)),
        atomic_numbers=rng.integers(1, 90, natoms).astype(np.uint8),
        cell=rng.normal(size=(3, 3)),
        pbc=rng.random(3) < 0.5,
        tags=rng.integers(0, 3, natoms).astype(np.int8),
        fixed=rng.random(natoms) < 0.5,
        energy=float(rng.normal()) if rng.random() < 0.9 else np.nan,
        forces=rng.normal(size=(natoms, 3)).astype(np.float32),
        system_id=system,
        frame=frame,
    )


def systems(names: list[str], count: int, order: str) -> list[Structure]:
    """Structures of systems that follow each other, take turns, or come in no order at all."""
    rng = np.random.default_rng(0)
    keys = [(name, frame) for name in names for frame in range(-2, count - 2)]
    if order == "interleaved":
        keys.sort(key=lambda key: key[1])
    elif order == "shuffled":
        keys = [keys[i] for i in rng.permutation(len(keys))]
    return [structure(*key, rng) for key in keys]


def in_chunks(found: list[Structure], size: int) -> Iterator[list[Structure]]:
    yield from (found[start : start + size] for start in range(0, len(found), size))


@pytest.mark.parametrize("reference", [None, "last_frame"])
@pytest.mark.parametrize("order", ["consecutive", "interleaved", "shuffled"])
def test_files_are_what_numpy_saves_of_the_whole(tmp_path, monkeypatch, order, reference) -> None:
    monkeypatch.setattr(writer, "BLOCK", 7)
    found = systems(["b", "a", "", "a longer näme"], 9, order)
    write_store(tmp_path / "store", in_chunks(found, 5), {}, reference)
    energy = np.array([s.energy for s in found])
    if reference:
        energy -= [
            max((t for t in found if t.system_id == s.system_id), key=lambda t: t.frame).energy for s in found
        ]
    arrays = {name: np.concatenate([getattr(s, name) for s in found]) for name in PER_ATOM}
    arrays |= {name: np.array([getattr(s, name) for s in found]) for name in PER_STRUCTURE}
    arrays |= {"energy": energy, "offsets": np.cumsum([0] + [len(s.pos) for s in found])}
    for name, array in arrays.items():
        np.save(tmp_path / "whole.npy", array)
        assert (tmp_path / "store" / f"{name}.npy").read_bytes() == (tmp_path / "whole.npy").read_bytes(), (
            name
        )
    files = {path.name for path in (tmp_path / "store").iterdir()}
    assert files == {"store.json", *(f"{name}.npy" for name in arrays)}
    counts = writer.Store(tmp_path / "store").meta["counts"]
    assert counts["with_energy"] == np.isfinite(energy).sum() < counts["structures"] == len(found)
    assert counts["atoms"] == len(arrays["pos"])


@pytest.mark.parametrize("order", ["consecutive", "interleaved", "shuffled"])
def test_a_frame_that_is_there_twice(tmp_path, order) -> None:
    found = systems(["b", "a", "c"], 9, order)
    for place in (0, len(found) // 2, len(found)):
        twice = [*found[:place], found[11], *found[place:]]
        name = f"frame {found[11].frame} of system {found[11].system_id} occurs more than once"
        with pytest.raises(InputError, match=name):
            write_store(tmp_path / "store", in_chunks(twice, 5), {})
    assert not list(tmp_path.iterdir())


def test_an_array_that_cannot_be_written_keeps_the_number_of_its_error(tmp_path, small_files) -> None:
    """A full disk is known to the command line by this number."""
    with small_files(), pytest.raises(OSError) as caught:
        write_store(tmp_path / "store", [systems(["a"], 1000, "consecutive")], {})
    assert caught.value.errno == errno.EFBIG
    assert not list(tmp_path.iterdir())


def test_memory_does_not_grow_with_the_number_of_frames(tmp_path, monkeypatch) -> None:
    monkeypatch.setattr(writer, "BLOCK", 256)
    one = structure("", 0, np.random.default_rng(0))

    def peak(count: int) -> int:
        def chunks() -> Iterator[list[Structure]]:
            for start in range(0, count, 256):
                yield [
                    Structure(**vars(one) | {"system_id": f"system{frame % 3}", "frame": frame})
                    for frame in range(start, start + 256)
                ]

        tracemalloc.start()
        write_store(tmp_path / "store", chunks(), {}, "last_frame")
        _, highest = tracemalloc.get_traced_memory()
        tracemalloc.stop()
        return highest

    peak(256)  # imports
    assert peak(4 * 4096) - peak(4096) < 2 * 3 * 4096  # 2 bytes a frame; a column would take 8
