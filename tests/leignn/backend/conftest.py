"""Shared by the tests of the compiled models."""

from collections.abc import Iterator

import pytest
import torch


@pytest.fixture
def threads_restored() -> Iterator[None]:
    threads = torch.get_num_threads()
    yield
    torch.set_num_threads(threads)
