"""A results CSV is held against its declaration when it is read."""

import pytest
from made_runs import declared, make_run, table_of

from leignn.errors import InputError
from leignn.report.tables.read import read_table


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda t: t.assign(colour=1), "has a column 'colour', which its declaration does not name"),
        (lambda t: t.drop(columns="status"), "has no column 'status': another version wrote it"),
        (lambda t: t.drop(columns="id_energy_mev_rank"), "has no column 'id_energy_mev_rank'"),
        (lambda t: t.assign(id_energy_mev="low"), "row 1, id_energy_mev: 'low' is not a number"),
        (lambda t: t.assign(stand_in=2), "row 1, stand_in: 2 is not a boolean"),
    ],
)
def test_a_table_that_is_not_as_declared(tmp_path, change, message) -> None:
    path = tmp_path / "table1.csv"
    table = table_of([make_run(tmp_path, "leignn", "LEIGNN")]).reset_index()
    table.to_csv(path, index=False)
    assert len(read_table(path, declared("table1"))) == len(table)
    change(table).to_csv(path, index=False)
    with pytest.raises(InputError, match=f"table1.csv.*{message}"):
        read_table(path, declared("table1"))


def test_texts_of_a_few_kinds(tmp_path) -> None:
    path = tmp_path / "claims.csv"
    names = list(declared("claims").columns)
    path.write_text(",".join(names) + "\n" + ",".join("true" if n == "verdict" else "" for n in names) + "\n")
    assert read_table(path, declared("claims"))["verdict"].tolist() == ["true"]
    path.write_text(path.read_text().replace("true", "maybe"))
    with pytest.raises(InputError, match="verdict: 'maybe' is not one of true, false, undecided, not run"):
        read_table(path, declared("claims"))
