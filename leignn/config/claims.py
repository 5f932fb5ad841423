"""The paper's claims: ``config/published/claims.yaml``."""

import math
from typing import Annotated, Literal, Self

from pydantic import Field, model_validator

from leignn.config.base import Strict

Bound = Annotated[float, Field(allow_inf_nan=True)]


class Rows(Strict):
    """Which rows of a results CSV count, where its declaration alone does not say it."""

    groups: list[str] = []
    """Columns that tell measurements apart; without, the declaration's ``sections``."""
    only: dict[str, str] = {}
    """Column and value of the rows that count."""


class Claim(Strict):
    """A sentence that can be true or false, and what makes it true."""

    id: str
    sentence: str = ""
    """The paper's words."""
    reading: str = ""
    """What a table's numbers show and no sentence states."""
    ours: bool = False
    """About this project's own models: no claim of the paper, and not counted among them."""
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
    between: tuple[Bound, Bound] = (math.nan, math.nan)
    """For ``ratio``."""
    largest: str = ""
    """For ``largest_gain``: one of ``columns``."""
    bound: Bound = math.nan
    """For ``at_most`` and ``at_least``."""
    requires: dict[str, float] = {}
    """Least value of another column of the model."""
    published: str = ""
    """What the sentence itself gives as a number."""

    @model_validator(mode="after")
    def _has_what_its_check_needs(self) -> Self:
        if self.check in ("lower", "ratio") and not self.others:
            raise ValueError(f"{self.id}: {self.check} needs `others`")
        if self.check == "ratio" and any(map(math.isnan, self.between)):
            raise ValueError(f"{self.id}: ratio needs `between`")
        if self.check == "largest_gain" and (len(self.others) != 1 or self.largest not in self.columns):
            raise ValueError(f"{self.id}: largest_gain needs one of `others`, and `largest` of its columns")
        if self.check in ("at_most", "at_least") and math.isnan(self.bound):
            raise ValueError(f"{self.id}: {self.check} needs `bound`")
        return self


class Claims(Strict):
    """All claims, and the rows that they are held against."""

    tables: dict[str, Rows] = {}
    claims: list[Claim]
