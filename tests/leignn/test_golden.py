"""The check of the models against the published code's numbers."""

from pathlib import Path

import numpy as np
import pytest

from leignn.errors import InputError
from leignn.golden import compare_with_golden, main

GOLDEN = Path(__file__).parents[1] / "golden"


@pytest.mark.parametrize("name", ["leignn", "vanilla", "vanilla_nmu"])
def test_golden_numbers(name) -> None:
    found_name, errors = compare_with_golden(GOLDEN / f"{name}.npz")
    assert found_name == name
    assert max(errors.values()) < 1e-10, errors


def test_check_reference_fails_on_wrong_numbers(tmp_path, capsys) -> None:
    golden = dict(np.load(GOLDEN / "vanilla.npz"))
    golden["forces"] = golden["forces"] * (1 + 1e-9)
    np.savez(tmp_path / "wrong.npz", **golden)
    arguments = type("Arguments", (), {"file": tmp_path / "wrong.npz"})
    assert main(arguments) == 1
    assert "forces" in capsys.readouterr().out


def test_a_file_that_is_not_golden_is_refused(tmp_path) -> None:
    np.savez(tmp_path / "other.npz", pos=np.zeros(3))
    with pytest.raises(InputError, match="other.npz has no array"):
        compare_with_golden(tmp_path / "other.npz")
    with pytest.raises(InputError, match="missing.npz"):
        compare_with_golden(tmp_path / "missing.npz")
