"""Few sizes, none much larger than what is asked for."""

import pytest

from leignn.backend.rounded_up import rounded_up


@pytest.mark.parametrize(("digits", "sizes"), [(5, 16), (6, 32)])
def test_a_sixteenth_or_a_thirty_second_more_at_most(digits, sizes) -> None:
    for count in range(1, 5000):
        found = rounded_up(count, digits)
        assert count <= found < count * (1 + 1 / sizes)
        assert rounded_up(found, digits) == found
    for power in range(digits, 12):
        doubling = range(2**power, 2 ** (power + 1) + 1)
        assert len({rounded_up(count, digits) for count in doubling}) == sizes + 1
