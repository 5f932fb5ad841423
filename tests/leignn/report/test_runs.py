"""What is wrong with a run's files is one sentence."""

import pytest
from made_runs import make_run, table_of

from leignn.cli import main
from leignn.errors import InputError
from leignn.report.runs import load_run, load_runs


def test_bad_metrics_files(tmp_path) -> None:
    run = make_run(tmp_path, "leignn", "LEIGNN", schema=2)
    with pytest.raises(InputError, match=r"metrics.json: schema"):
        load_run(run)
    run = make_run(tmp_path, "schnet", "SchNet", colour="red")
    with pytest.raises(InputError, match="'colour' was unexpected"):
        load_run(run)
    run = make_run(tmp_path, "vanilla", "Vanilla", splits={})
    with pytest.raises(InputError, match="no split 'id'"):
        table_of([run])
    good = make_run(tmp_path, "cgcnn", "CGCNN")
    with pytest.raises(InputError, match="same run"):
        load_runs([good, good])
    (good / "metrics.json").write_text("{")
    with pytest.raises(InputError, match="cannot be read"):
        load_run(good)


@pytest.mark.parametrize("name", ["metrics.json", "provenance.json", "log.csv"])
def test_a_number_changed_by_hand_is_refused(tmp_path, name) -> None:
    run = make_run(tmp_path, "leignn", "LEIGNN")
    path = run / name
    path.write_text(path.read_text().replace("200.0", "20.0").replace("abc", "abd"))
    with pytest.raises(InputError, match=rf"{name} is not what was written"):
        load_run(run).log()


def test_missing_input_is_one_sentence(tmp_path, capsys) -> None:
    run = make_run(tmp_path, "leignn", "LEIGNN")
    (run / "log.csv").unlink()
    arguments = ["--runs", str(run), "--output", str(tmp_path / "figure.svg")]
    assert main(["plot-learning-curves", *arguments]) == 2
    assert "log.csv" in capsys.readouterr().err
    assert not (tmp_path / "figure.svg").exists()
