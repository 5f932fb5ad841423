"""Numbers for the eye."""


def significant(value: float, digits: int) -> str:
    """``value`` with so many significant digits, or the whole of it where that has more: never 1.5e+03."""
    return f"{value:,.0f}" if abs(value) >= 10 ** (digits - 1) else f"{value:.{digits}g}"
