"""Published values: what a table shows of them where nothing was run, and their units."""

import numpy as np
import pandas as pd
import pytest
from made_runs import build_arguments, declared, published

from leignn.cli import main
from leignn.errors import InputError
from leignn.report.runs import TRIVIAL
from leignn.report.tables.columns import printed
from leignn.report.tables.published import load_published
from leignn.report.tables.read import read_table
from leignn.report.tables.special import RANK_CORRELATION
from leignn.resources import config_file


@pytest.mark.parametrize("name", ["oc20_50k", "md17", "iso17"])
def test_without_a_run_a_table_shows_what_is_published(tmp_path, name) -> None:
    output = tmp_path / f"{name}.csv"
    assert main(build_arguments(name, [], output)) == 0
    table, source = read_table(output, declared(name)), pd.read_csv(config_file(f"published/{name}.csv"))
    models = table[~table["model"].isin((TRIVIAL, RANK_CORRELATION))]
    assert models["model"].tolist() == source["model"].tolist()
    assert set(models["status"]) == {"not run"} and set(table["scale"]) == {"not run"}
    for cell in (place.name for place in printed(declared(name))):
        np.testing.assert_array_equal(models[f"{cell}_published"].to_numpy(), source[cell].to_numpy())
        assert table[cell].isna().all()
    text = output.with_suffix(".md").read_text()
    assert "Nothing was run" in text and "of the paper, which is not at hand" in text
    assert "| LEIGNN |" in text and "**" not in text
    assert output.with_suffix(".tex").read_text().count(r"\toprule") == source["dataset"].nunique()


def test_published_errors_are_in_mev() -> None:
    """Aspirin as the papers of SchNet and PaiNN print it, in kcal/mol and kcal/mol/Å."""
    md17 = published("md17").set_index(["dataset", "model"])
    kcal = 43.3641
    assert md17.loc[("MD17", "SchNet"), "aspirin_energy_mev"] == pytest.approx(0.37 * kcal, abs=0.06)
    assert md17.loc[("MD17", "SchNet"), "aspirin_forces_mev_per_ang"] == pytest.approx(1.35 * kcal, abs=0.06)
    assert md17.loc[("MD17", "PaiNN"), "aspirin_forces_mev_per_ang"] == pytest.approx(0.338 * kcal, abs=0.06)


def test_a_published_file_holds_what_the_table_prints(tmp_path) -> None:
    """A column that nobody published is empty; one that the table has not is a slip of the pen."""
    path = tmp_path / "mine.csv"
    path.write_text("dataset,model,id_energy_mev,source\nSet,LEIGNN,1.5,here\n")
    found = load_published(path, declared("table1"))
    assert found["id_energy_mev"].tolist() == [1.5] and found["id_forces_mev_per_ang"].isna().all()
    for text, message in (
        ("dataset,model,id_enrgy_mev,source\n", "has a column 'id_enrgy_mev'"),
        ("dataset,model,id_energy_mev\n", "has no column 'source'"),
        ("dataset,model,id_energy_mev,source\nSet,LEIGNN,low,here\n", "id_energy_mev holds a value that is"),
    ):
        path.write_text(text)
        with pytest.raises(InputError, match=message):
            load_published(path, declared("table1"))
