"""What is written is what is read, or it is refused."""

import json
import math

import pytest

from leignn.errors import InputError
from leignn.files import read_json, write_json

CONTENT = {"a": [1, 0.1 + 0.2, None], "b": {"c": "Å", "d": 1e-300}, "e": True}


def test_json_comes_back_as_it_was_and_however_it_is_laid_out(tmp_path) -> None:
    path = tmp_path / "a.json"
    write_json(path, CONTENT)
    assert read_json(path) == CONTENT
    path.write_text(json.dumps(dict(reversed(json.loads(path.read_text()).items()))))
    assert read_json(path) == CONTENT
    write_json(path, {1: (math.nan, math.inf)})
    found = read_json(path)
    assert math.isnan(found["1"][0]) and found["1"][1] == math.inf


@pytest.mark.parametrize(
    ("old", "new"), [("1e-300", "2e-300"), ("Å", "A"), ("null", "0"), ("true", "1"), ('"checksum"', '"sum"')]
)
def test_a_changed_json_is_refused(tmp_path, old, new) -> None:
    path = tmp_path / "a.json"
    write_json(path, CONTENT)
    path.write_text(path.read_text().replace("\\u00c5", "Å").replace(old, new))
    with pytest.raises(InputError, match="not what was written"):
        read_json(path)
