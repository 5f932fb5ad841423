"""The file of a trained potential: its bytes, a disk that is full, and files that are none."""

import errno

import pytest
import torch

from leignn.errors import InputError
from leignn.trained import load_trained


def test_the_same_content_is_the_same_bytes(random_checkpoint, tmp_path) -> None:
    trained = load_trained(random_checkpoint, "cpu")
    for name in ("a.pt", "b.pt"):
        trained.save(tmp_path / name)
    assert (tmp_path / "a.pt").read_bytes() == (tmp_path / "b.pt").read_bytes()


def test_an_error_of_the_disk_keeps_its_number_and_leaves_nothing(
    random_checkpoint, tmp_path, small_files
) -> None:
    trained = load_trained(random_checkpoint, "cpu")
    with small_files(), pytest.raises(OSError) as caught:
        trained.save(tmp_path / "a.pt")
    assert caught.value.errno == errno.EFBIG
    assert not list(tmp_path.iterdir())


def test_bad_checkpoints(random_checkpoint, tmp_path) -> None:
    config = torch.load(random_checkpoint, weights_only=True)["config"]
    (tmp_path / "a.pt").write_bytes(b"no checkpoint")
    torch.save({"format": 1, "config": config | {"potential": "os:system"}}, tmp_path / "b.pt")
    torch.save({"format": 99}, tmp_path / "c.pt")
    for name, message in (("a", "no checkpoint"), ("b", "not in"), ("c", "format 99"), ("d", "d.pt")):
        with pytest.raises(InputError, match=message):
            load_trained(tmp_path / f"{name}.pt")
