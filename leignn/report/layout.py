"""Columns and special rows of the tables."""

from dataclasses import dataclass

import pandas as pd

QUANTITIES = {"energy_mev": "Energy", "forces_mev_per_ang": "Forces"}
EXTRAS = ("energy_count", "forces_cosine", "efwt_percent")
SPLITS = {"id": "ID", "ood_ads": "OOD Ads.", "ood_cat": "OOD Cat.", "ood_both": "OOD Both"}
ISO17 = {"test_within": "Known isomers", "test_other": "Unknown isomers"}
MD17 = {
    "aspirin": "Aspirin",
    "azobenzene": "Azobenzene",
    "benzene": "Benzene",
    "ethanol": "Ethanol",
    "malonaldehyde": "Malonaldehyde",
    "naphthalene": "Naphthalene",
    "paracetamol": "Paracetamol",
    "salicylic": "Salicylic acid",
    "toluene": "Toluene",
    "uracil": "Uracil",
}
TITLES = SPLITS | ISO17 | MD17


@dataclass(frozen=True)
class Layout:
    """What a table shows.

    Attributes:
        groups: groups of columns, an energy and a force error each, and their titles: the test splits of
            one data set, or the members of one (data sets with the same ``published_as``).
        members: the groups are members, each with the one test split ``test``.
        reference: data set whose published rows stand beside data that compare with none.
        improvement: the last row is the improvement of LEIGNN over Vanilla, instead of the correlation of
            ranks with the published.
    """

    groups: dict[str, str]
    reference: str
    members: bool = False
    improvement: bool = False

    @property
    def cells(self) -> list[str]:
        """Names of the columns with errors."""
        return [f"{group}_{quantity}" for group in self.groups for quantity in QUANTITIES]

    @property
    def columns(self) -> list[str]:
        """Names of all columns, in order."""
        names = "dataset dataset_title stand_in scale model status n_seeds parameters source".split()
        for cell in self.cells:
            names += [cell, f"{cell}_stderr", f"{cell}_published", f"{cell}_difference"]
            names += [f"{cell}_rank", f"{cell}_published_rank"]
        return names + [f"{group}_{extra}" for group in self.groups for extra in EXTRAS]


LAYOUTS = {
    "table1": Layout(SPLITS, "OC20-200K"),
    "table2": Layout(SPLITS, "OC20-200K", improvement=True),
    "oc20_50k": Layout(SPLITS, "OC20-50K"),
    "md17": Layout(MD17, "MD17", members=True),
    "iso17": Layout(ISO17, "ISO17"),
}
TRIVIAL = "Mean energy, zero forces"
IMPROVEMENT = "Improvement"
RANK_CORRELATION = "Rank correlation"
NOT_RUN = "not run"  # a model's status; the scale of a data set without any run
SPECIAL_ROWS = (TRIVIAL, IMPROVEMENT, RANK_CORRELATION)  # no models: neither ranked nor compared


def groups_of(table: pd.DataFrame) -> dict[str, str]:
    """The groups of columns that a table has, and their titles."""
    first = next(iter(QUANTITIES))
    names = [name.removesuffix(f"_{first}") for name in table if name.endswith(f"_{first}")]
    return {name: TITLES.get(name, name) for name in names}


def cells_of(table: pd.DataFrame) -> list[str]:
    """The columns with errors that a table has."""
    return [f"{group}_{quantity}" for group in groups_of(table) for quantity in QUANTITIES]
