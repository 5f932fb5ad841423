"""What is kept with predictions: what they were made from, or why there are none."""

from pathlib import Path

from leignn.data.selection import Selection
from leignn.provenance import sha256

FAILURE = "failure.txt"  # in place of predictions


def made_from(run: Path, stores: Path, manifest: Path, frames: Selection) -> dict[str, str]:
    """SHA-256 of the files that predictions of ``frames`` come from, by what they are."""
    parts = sorted(set(frames.table["part"]))
    files = {"checkpoint": run / "checkpoint.pt", "manifest": manifest}
    files |= {f"store {part}": stores / part / "store.json" for part in parts}
    return {name: sha256(file) for name, file in files.items()}
