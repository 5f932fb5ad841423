"""Where a setting is another than its source's, and why (key ``deviations``): ``docs/deviations.md``."""

from leignn.config.base import Strict


class Deviation(Strict):
    """A setting that differs from the source it is taken from."""

    setting: str
    """which"""
    theirs: str
    """as the source has it"""
    ours: str
    """as it is here"""
    reason: str
    """why"""
    seen: str
    """file of the source in which it was read, or `not seen`"""
