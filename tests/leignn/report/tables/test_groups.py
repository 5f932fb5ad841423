"""Members of a family and test splits as groups of columns."""

import json

import pandas as pd
import pytest
import yaml
from made_runs import declared, make_run, member, table_of

from leignn.errors import InputError
from leignn.report.runs import TRIVIAL
from leignn.report.tables.markdown import to_markdown


def test_molecules_share_a_row(tmp_path) -> None:
    """rMD17's molecules are columns; what is published for MD17 stands in a block of its own, not run."""
    runs = [
        member(tmp_path, molecule, model, title, energy=energy)
        for molecule, model, title, energy in (
            ("aspirin", "leignn", "LEIGNN", 60.0),
            ("aspirin", "mace", "MACE", 13.2),
            ("ethanol", "leignn", "LEIGNN", 30.0),
            ("aspirin", "trivial", TRIVIAL, 1000.0),
        )
    ]
    table = table_of(runs, "md17").reset_index()
    revised = table[table["dataset"] == "rMD17"].set_index("model")
    assert revised.loc["LEIGNN", "aspirin_forces_mev_per_ang"] == 30.0
    assert revised.loc["LEIGNN", "ethanol_energy_mev"] == 30.0
    assert pd.isna(revised.loc["LEIGNN", "uracil_energy_mev"])
    assert revised.loc["LEIGNN", "n_seeds"] == 1 and revised.loc["LEIGNN", "status"] == "ok"
    assert revised.loc["MACE", "aspirin_forces_mev_per_ang_published"] == 6.6
    assert revised.loc["MACE", "aspirin_forces_mev_per_ang_difference"] == pytest.approx(0.0)
    assert pd.isna(revised.loc["MACE", "ethanol_energy_mev"])
    assert revised.loc["NequIP", "status"] == "not run" and "2101.03164" in revised.loc["NequIP", "source"]
    assert revised["aspirin_energy_mev_rank"].isna().all()  # one seed each: no error tells them apart
    original = table[table["dataset"] == "MD17"]
    assert set(original["scale"]) == {"not run"} and "SchNet" in set(original["model"])
    assert original.filter(regex="_(energy_mev|ang)$").isna().all(axis=None)
    markdown = to_markdown(table, declared("md17"))
    assert "MD17: published values" in markdown and "Nothing was run" in markdown
    assert "NequIP: Batzner et al." in markdown
    row = next(
        line
        for line in markdown.splitlines()
        if line.startswith("| NequIP | [2.3] [8.5]".replace("] [", "] | ["))
    )
    assert "[0.04]" in row


def test_what_is_no_molecule_and_what_is_one_twice(tmp_path) -> None:
    with pytest.raises(InputError, match="data is no member of a data set"):
        table_of([make_run(tmp_path, "leignn", "LEIGNN")], "md17")
    once = member(tmp_path, "uracil", "leignn", "LEIGNN")
    twice = member(tmp_path / "b", "uracil", "leignn", "LEIGNN")
    config = yaml.safe_load((twice / "config.yaml").read_text()) | {"dataset": "another"}
    (twice / "config.yaml").write_text(yaml.safe_dump(config))
    with pytest.raises(InputError, match="another and set_uracil are the same column 'uracil'"):
        table_of([once, twice], "md17")


def test_the_two_tests_of_iso17(tmp_path) -> None:
    split = json.loads((make_run(tmp_path, "a", "A") / "metrics.json").read_text())["splits"]["id"]
    splits = {"test_within": split, "test_other": split | {"forces_mae_mev_per_ang": 94.5}}
    run = make_run(tmp_path, "schnet", "SchNet", published_as="ISO17", splits=splits)
    row = table_of([run], "iso17").loc["SchNet"]
    assert row["test_other_forces_mev_per_ang_difference"] == pytest.approx(0.0)
    assert row["test_within_energy_mev"] == 100.0
