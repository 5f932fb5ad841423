"""Open Catalyst's shards: N.extxyz.xz with, beside each, the systems, frames and reference energies."""

import lzma
import math
from collections.abc import Iterator
from pathlib import Path

import numpy as np

from leignn.data.extxyz import Text, open_text, texts
from leignn.data.structure import as_type
from leignn.errors import InputError
from leignn.files import by_number


def shards(folder: Path) -> list[Path]:
    """The shards below a folder, by their numbers.

    Raises:
        InputError: there is none.
    """
    found = [p for p in folder.rglob("*.extxyz*") if p.name.endswith((".extxyz", ".extxyz.xz"))]
    if not found:
        raise InputError(f"{folder} holds no shard N.extxyz.xz")
    return sorted(found, key=by_number)


def labels_file(shard: Path) -> Path:
    """The file with systems, frames and reference energies (eV) beside a shard."""
    return shard.with_name(shard.name.replace(".extxyz", ".txt"))


def shard_texts(folder: Path) -> Iterator[Text]:
    """OC20 shards: N.extxyz.xz with a line system_id,frame,reference_energy a frame in N.txt.xz."""
    for shard in shards(folder):
        labels_path = labels_file(shard)
        labels = _oc20_labels(labels_path)
        count = 0
        for chunk in texts(shard):
            count = chunk.first + chunk.count
            if count > len(labels):
                break
            chunk.labels = labels[chunk.first : count]
            yield chunk
        if count != len(labels):
            more = "more" if count > len(labels) else f"{count}"
            raise InputError(f"{labels_path} has {len(labels)} lines, {shard.name} has {more} frames")


def _oc20_labels(path: Path) -> list[tuple[str, int, float]]:
    labels = []
    try:
        with open_text(path) as file:
            for number, line in enumerate(file):
                try:
                    system_id, frame, reference = line.strip().split(",")
                    number_of_frame = int(as_type(int(frame.removeprefix("frame")), np.int64, (), "frame"))
                    energy = float(reference)
                    if not math.isfinite(energy):
                        raise ValueError(reference)
                    labels.append((system_id, number_of_frame, energy))
                except (ValueError, InputError) as error:
                    raise InputError(
                        f"{path}: line {number + 1} is no system_id,frame,reference_energy: "
                        f"{line.strip()[:60]!r}"
                    ) from error
    except (EOFError, lzma.LZMAError, UnicodeDecodeError) as error:
        where = f"after line {len(labels)}"
        raise InputError(f"{path} is truncated or corrupt {where}: {error}") from error
    return labels
