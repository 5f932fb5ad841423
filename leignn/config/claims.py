"""The paper's claims: ``config/published/claims.yaml``."""

from typing import Annotated, Literal

from pydantic import Field

from leignn.config.base import Strict

Bound = Annotated[float, Field(allow_inf_nan=True)]


class Rows(Strict):
    """Which rows of a results CSV count, where its declaration alone does not say it."""

    file: str = ""
    """Name of the results CSV, if it is another."""
    groups: list[str] = []
    """Columns that tell measurements apart; without, the declaration's ``sections``."""
    only: dict[str, str] = {}
    """Column and value of the rows that count."""
    smallest: str = ""
    """The row with the smallest value of this column counts."""
    largest: str = ""
    """Likewise the largest."""
    magnitude: bool = False
    """Signs do not count."""


class Claim(Strict):
    """A sentence that can be true or false, and what makes it true."""

    id: str
    sentence: str = ""
    """The paper's words."""
    reading: str = ""
    """What a table's numbers show and no sentence states."""
    where: str
    """Section or table of the paper."""
    table: str
    """Name of a results CSV, or of one of ``tables``."""
    check: Literal["lower", "ratio", "largest_gain", "at_most", "at_least"]
    model: str
    """Title of a model."""
    others: list[str] = []
    """Titles of those it is compared with."""
    against: Literal["published"] | None = None
    """The others' values are the published ones."""
    columns: Annotated[list[str], Field(min_length=1)]
    between: tuple[Bound, Bound] | None = None
    largest: str = ""
    bound: Bound | None = None
    requires: dict[str, float] = {}
    """Least value of another column of the model."""
    published: str = ""
    """What the sentence itself gives as a number."""


class Claims(Strict):
    """All claims, and the rows that they are held against."""

    tables: dict[str, Rows] = {}
    claims: list[Claim]
