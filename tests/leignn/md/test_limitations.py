"""The table of the measured limitations: rows of all runs, of one that failed too, and their figure."""

import shutil

import ase.io
import pandas as pd
from ase.build import bulk

from leignn import cli
from leignn.config.run import load_run_config
from leignn.resources import config_file
from leignn.trained import save_failure


def test_table_and_figure(untrained, tmp_path, capsys) -> None:
    failed = tmp_path / "schnet"
    shutil.copytree(untrained["schnet"], failed)
    save_failure(failed / "checkpoint.pt", load_run_config(failed), "loss NaN at step 3")
    runs = untrained | {"schnet": failed}
    ase.io.write(tmp_path / "starts.extxyz", bulk("Cu", cubic=True))
    for command in (
        ["measure-drift", "schnet", "--starts", str(tmp_path / "starts.extxyz"), "--duration", "10"],
        ["measure-drift", "leignn", "--starts", str(tmp_path / "starts.extxyz"), "--duration", "10"],
        ["measure-separation", "vanilla_nmu", "--separations", "5", "20"],
    ):
        name, model, *options = command
        output = [
            "--checkpoint",
            str(runs[model] / "checkpoint.pt"),
            "--output",
            str(tmp_path / f"{model}.csv"),
        ]
        assert cli.main([name, *options, *output]) == 0
    files = [tmp_path / f"{model}.csv" for model in ("schnet", "leignn", "vanilla_nmu")]
    table = tmp_path / "limitations.csv"
    join = ["join-limitations", "--output", str(table), "--rows"]
    assert cli.main([*join, *map(str, files)]) == 0
    lines = [line for file in files for line in file.read_text().splitlines()[1:]]
    assert table.read_text().splitlines()[1:] == lines
    rows = pd.read_csv(table)
    assert list(rows["experiment"]) == ["nve_drift"] * 4 + ["pair_energy", "pair_forces"] * 2
    assert rows["status"][0] == "failed: loss NaN at step 3" and (rows["status"][1:] == "ok").all()
    assert rows["value"][1:].notna().all() and set(rows["stand_in"]) == {True}
    figure = tmp_path / "limitations.svg"
    plot = ["plot-limitations", "--declaration", str(config_file("results/limitations.yaml"))]
    assert cli.main([*plot, "--table", str(table), "--output", str(figure)]) == 0
    text = figure.read_text()
    assert "Vanilla + NMU" in text and "meV/atom/ps" in text and "SchNet" not in text

    (tmp_path / "other.csv").write_text("a,b\n1,2\n")
    assert cli.main([*join, str(files[0]), str(tmp_path / "other.csv")]) == 2
    assert "other.csv: its columns are ['a', 'b']" in capsys.readouterr().err
    table.write_text(table.read_text().replace("pair_energy", "pear_energy"))
    assert cli.main([*plot, "--table", str(table), "--output", str(figure)]) == 2
    assert "pear_energy" in capsys.readouterr().err
