"""How large a data set is, as published (its key ``size``): for a plan before anything is downloaded."""

from typing import Literal

from pydantic import NonNegativeFloat, PositiveFloat, PositiveInt

from leignn.config.base import Strict
from leignn.config.names import Name


class Size(Strict):
    """How large its structures are, and how many there are."""

    atoms: PositiveInt
    """of a structure: the mean, or those of the largest"""
    elements: list[str]
    """of a structure"""
    volume: PositiveFloat
    """Å³ an atom, without vacuum"""
    vacuum: NonNegativeFloat = 0.0
    """Å of it above a slab"""
    periodic: Literal["cell", "none"] = "cell"
    """`cell`, or `none` for molecules"""
    frames: dict[Name, PositiveInt] = {}
    """of each part; of one that is not named the number is unknown"""
