import pytest

from leignn.report.significant import significant


@pytest.mark.parametrize(
    ("value", "digits", "text"),
    [
        (1234.5, 3, "1,234"),
        (2499.6, 2, "2,500"),
        (999.6, 3, "1,000"),
        (99.96, 3, "100"),
        (99.6, 3, "99.6"),
        (9.6, 1, "10"),
        (-120.4, 2, "-120"),
        (0.01234, 2, "0.012"),
        (0.0, 3, "0"),
    ],
)
def test_no_number_has_an_exponent_for_its_digits(value, digits, text) -> None:
    assert significant(value, digits) == text
    assert float(text.replace(",", "")) == pytest.approx(value, rel=0.5 * 10 ** (1 - digits))
