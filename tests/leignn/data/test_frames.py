"""Frames that a manifest lists."""

import pandas as pd
import pytest

from leignn.data.frames import Frames
from leignn.errors import InputError


def test_empty_or_missing_manifest(copper, tmp_path) -> None:
    pd.DataFrame(columns=["part", "index", "system_id", "frame"]).to_csv(tmp_path / "empty.csv", index=False)
    with pytest.raises(InputError, match="lists no frame"):
        Frames(copper[0], tmp_path / "empty.csv", None)
    with pytest.raises(InputError, match="missing.csv"):
        Frames(copper[0], tmp_path / "missing.csv", None)
