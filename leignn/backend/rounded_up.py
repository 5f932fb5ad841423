"""Numbers of rows, atoms or edges rounded up, so that batches of nearly one size have the very same."""


def rounded_up(count: int, digits: int) -> int:
    """``count`` rounded up to so many binary digits: of five, at most a sixteenth more."""
    step = 1 << max(count.bit_length() - digits, 0)
    return -(-count // step) * step
