"""Rules by which a data set is split (its key ``splits``), told apart by ``rule``."""

from typing import Annotated, Literal, Self

from pydantic import Discriminator, Field, NonNegativeInt, PositiveInt, model_validator

from leignn.config.base import Strict
from leignn.config.names import Name

OC20_TESTS = ["id", "ood_ads", "ood_cat", "ood_both"]
Fraction = Annotated[float, Field(gt=0, lt=1)]


class _Rule(Strict):
    @property
    def test_splits(self) -> list[str]:
        """Names of the splits that are evaluated, in the tables' order."""
        return ["test"]


class ByParts(_Rule):
    """Every split a part of its own; validation may be a fraction of the training part instead."""

    rule: Literal["parts"]
    """`parts`"""
    seed: NonNegativeInt
    """of what is drawn"""
    train: Name
    """the training part"""
    validation: Name | None = None
    """a part, or"""
    validation_fraction: Fraction | None = None
    """a fraction of the training part"""
    subset: Annotated[float, Field(gt=0, le=1)] = 1.0
    """a random fraction of the training part, taken first"""
    tests: Annotated[list[Name], Field(min_length=1)]
    """parts that are evaluated"""

    @model_validator(mode="after")
    def _one_validation(self) -> Self:
        if (self.validation is None) == (self.validation_fraction is None):
            raise ValueError("either validation (a part) or validation_fraction is needed")
        return self

    @property
    def test_splits(self) -> list[str]:
        return self.tests


class Counts(Strict):
    """Frames of each split."""

    train: PositiveInt
    """frames"""
    val: PositiveInt
    """frames"""
    test: PositiveInt | Literal["rest"]
    """frames, or `rest` for all others"""


class ByCounts(_Rule):
    """Frames at random, or in consecutive blocks: training first, then validation, then test."""

    rule: Literal["random", "consecutive"]
    """`random` or `consecutive`"""
    seed: NonNegativeInt
    """of the order"""
    counts: Counts
    """frames of each split: `train`, `val`, `test` (`rest` for all others)"""


class ByMDSim(_Rule):
    """MDSim's and the authors' random splits of MD trajectories, to the frame."""

    rule: Literal["mdsim"]
    """`mdsim`"""
    seed: NonNegativeInt
    """of the order"""
    test: PositiveInt | Fraction
    """frames, or a fraction"""
    validation: PositiveInt | Fraction
    """frames of the rest, or a fraction of it"""


class Fractions(Strict):
    """Of the systems; ``val`` and ``id`` of those whose kinds are not held out."""

    val: Fraction
    """validation"""
    id: Fraction
    """test systems of known kinds"""
    adsorbates: Fraction
    """systems whose adsorbate is held out"""
    compositions: Fraction
    """systems whose composition is held out"""


class ByOC20(_Rule):
    """Whole systems; adsorbates and compositions are held out, as Open Catalyst does."""

    rule: Literal["oc20"]
    """`oc20`"""
    seed: NonNegativeInt
    """of what is drawn"""
    fractions: Fractions
    """of the systems: `val` and `id` of those whose kinds are not held out, `adsorbates`, `compositions`"""

    @property
    def test_splits(self) -> list[str]:
        return OC20_TESTS


class ByManifest(_Rule):
    """Splits of the user's own."""

    rule: Literal["manifest"]
    """`manifest`"""
    path: str
    """CSV with columns split, system_id, frame and, where frames are in several parts, part"""
    tests: Annotated[list[Name], Field(min_length=1)] = ["test"]
    """names of its test splits"""

    @property
    def test_splits(self) -> list[str]:
        return self.tests


Splits = Annotated[ByParts | ByCounts | ByMDSim | ByOC20 | ByManifest, Discriminator("rule")]
