"""Tables, figure and page from results files: hand-computed cells, honest gaps, links that resolve."""

import json
import re
from html.parser import HTMLParser
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import yaml
from made_runs import make_run

from leignn.cli import main
from leignn.errors import InputError
from leignn.report.layout import LAYOUTS, RANK_CORRELATION, TRIVIAL
from leignn.report.render import to_markdown
from leignn.report.results import load_run, load_runs, load_table
from leignn.report.tables import build_table, load_published
from leignn.training.callbacks import RunLog

PUBLISHED = Path(__file__).parents[3] / "config" / "published"
CELLS = LAYOUTS["table1"].cells


def table_of(runs: list[Path], name: str = "table1") -> pd.DataFrame:
    published = load_published(PUBLISHED / f"{name}.csv", name)
    return build_table(load_runs(runs), published, name).set_index("model")


def test_seeds_are_averaged_and_compared_with_the_paper(tmp_path) -> None:
    runs = [
        make_run(tmp_path, "leignn", "LEIGNN", seed, energy, "OC20-200K")
        for seed, energy in enumerate([100.0, 110.0, 126.0])
    ]
    row = table_of(runs).loc["LEIGNN"]
    assert row["id_energy_mev"] == pytest.approx(112.0)
    assert row["id_energy_mev_stderr"] == pytest.approx(np.std([100, 110, 126], ddof=1) / np.sqrt(3))
    assert row["n_seeds"] == 3
    assert row["id_energy_mev_published"] == 415
    assert row["id_energy_mev_difference"] == pytest.approx(112.0 - 415)


def test_a_stand_in_is_never_compared(tmp_path) -> None:
    table = table_of([make_run(tmp_path, "leignn", "LEIGNN")])
    assert table.loc["LEIGNN", "ood_cat_forces_mev_per_ang_published"] == 43.9
    assert table.filter(like="_difference").isna().all(axis=None)


def test_every_row_of_the_paper_is_there_and_what_was_not_run_is_empty(tmp_path) -> None:
    runs = [make_run(tmp_path, "trivial", TRIVIAL), make_run(tmp_path, "mine", "Mine")]
    table = table_of(runs)
    paper = ["CGCNN", "SchNet", "MACE", "PaiNN", "PaiNN_Direct", "DimeNet++", "GemNet-dT", "LEIGNN"]
    assert list(table.index) == [TRIVIAL, *paper, "Mine", RANK_CORRELATION]
    assert table.loc[paper, CELLS].isna().all(axis=None)
    assert set(table.loc[paper, "status"]) == {"not run"}
    assert table.loc[[TRIVIAL, "Mine"], CELLS].notna().all(axis=None)


def test_ranks_and_their_correlation(tmp_path) -> None:
    """Four models in another order than the paper's: by hand, rho = 1 - 6 Σd² / (n (n² - 1))."""
    titles = {"schnet": "SchNet", "painn": "PaiNN", "gemnet": "GemNet-dT", "leignn": "LEIGNN"}
    errors = {"schnet": 10.0, "painn": 40.0, "gemnet": 30.0, "leignn": 20.0}
    runs = [make_run(tmp_path, m, t, energy=errors[m]) for m, t in titles.items()]
    runs += [make_run(tmp_path, "mine", "Mine", energy=25.0), make_run(tmp_path, "trivial", TRIVIAL)]
    table = table_of(runs)
    named = ["SchNet", "PaiNN", "GemNet-dT", "LEIGNN", "Mine", TRIVIAL]
    assert list(table.loc[named, "id_energy_mev_rank"].fillna(0)) == [1, 5, 4, 2, 3, 0]
    assert list(table.loc[named[:4], "id_energy_mev_published_rank"]) == [4, 3, 2, 1]
    difference = np.array([1, 4, 3, 2]) - np.array([4, 3, 2, 1])
    by_hand = 1 - 6 * (difference**2).sum() / (4 * 15)
    assert table.loc[RANK_CORRELATION, "id_energy_mev"] == pytest.approx(by_hand)
    assert pd.isna(table_of(runs[:1]).loc[RANK_CORRELATION, "id_energy_mev"])


def test_a_failed_run_says_so(tmp_path) -> None:
    runs = [make_run(tmp_path, "leignn", "LEIGNN", status="failed", message="loss is nan", splits={})]
    row = table_of(runs).loc["LEIGNN"]
    assert row["status"] == "failed: loss is nan"
    assert row[CELLS].isna().all()


def test_a_failed_run_keeps_no_figure_and_no_page_from_being_made(tmp_path) -> None:
    """As ``train --record-failure`` leaves it: a log without rows, metrics without splits."""
    good = make_run(tmp_path, "leignn", "LEIGNN")
    lost = dict.fromkeys(("parameters", "train_structures", "train_seconds", "steps", "best_step"))
    bad = make_run(tmp_path, "schnet", "SchNet", status="failed", message="needs 'x'", splits={}, **lost)
    RunLog.write_empty(tmp_path / "empty.csv")
    (tmp_path / "empty.csv").replace(bad / "log.csv")
    metrics = [str(run / "metrics.json") for run in (good, bad)]
    table, figure, page = (tmp_path / name for name in ("table1.csv", "curves.svg", "index.html"))
    published = str(PUBLISHED / "table1.csv")
    arguments = ["--table", "table1", "--published", published, "--metrics", *metrics]
    assert main(["build-table", *arguments, "--output", str(table)]) == 0
    runs = ["--runs", str(good), str(bad)]
    assert main(["plot-learning-curves", *runs, "--output", str(figure)]) == 0
    shown = ["--tables", str(table), "--figures", str(figure), *runs]
    assert main(["render-page", *shown, "--output", str(page)]) == 0
    text = page.read_text()
    assert "(failed)" in text and "SchNet failed: needs &#39;x&#39;." in text
    assert "SchNet failed: needs 'x'." in table.with_suffix(".md").read_text()


def test_the_papers_improvements_follow_from_its_own_numbers(tmp_path) -> None:
    """Printed in the paper's Table 2: 4.38 %, 1.79 %, … for OC20-200K."""
    runs = [make_run(tmp_path, m, t) for m, t in (("vanilla", "Vanilla"), ("leignn", "LEIGNN"))]
    printed = [4.38, 1.79, 3.28, 2.17, 7.18, 2.44, 6.98, 2.68]
    row = table_of(runs, "table2").loc["Improvement"]
    np.testing.assert_allclose([row[f"{cell}_published"] for cell in CELLS], printed, atol=0.011)


def test_measured_improvement(tmp_path) -> None:
    runs = [
        make_run(tmp_path, m, t, energy=e)
        for m, t, e in (("vanilla", "Vanilla", 80), ("leignn", "LEIGNN", 60))
    ]
    assert table_of(runs, "table2").loc["Improvement", "ood_ads_energy_mev"] == pytest.approx(25.0)


def member(folder: Path, molecule: str, model: str, title: str, family: str = "rMD17", **changes) -> Path:
    """A run on one molecule, with its one test split."""
    run = make_run(folder / molecule, model, title, **changes)
    config, metrics = (
        yaml.safe_load((run / "config.yaml").read_text()),
        json.loads((run / "metrics.json").read_text()),
    )
    config["dataset"] = metrics["dataset"] = f"set_{molecule}"
    config["dataset_info"] |= {"published_as": family, "stand_in": False, "member": molecule}
    metrics["splits"] = {"test": metrics["splits"]["id"]}
    (run / "config.yaml").write_text(yaml.safe_dump(config))
    (run / "metrics.json").write_text(json.dumps(metrics))
    return run


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
    published = load_published(PUBLISHED / "md17.csv", "md17")
    table = build_table(load_runs(runs), published, "md17")
    revised = table[table["dataset"] == "rMD17"].set_index("model")
    assert revised.loc["LEIGNN", "aspirin_forces_mev_per_ang"] == 30.0
    assert revised.loc["LEIGNN", "ethanol_energy_mev"] == 30.0
    assert pd.isna(revised.loc["LEIGNN", "uracil_energy_mev"])
    assert revised.loc["LEIGNN", "n_seeds"] == 1 and revised.loc["LEIGNN", "status"] == "ok"
    assert revised.loc["MACE", "aspirin_forces_mev_per_ang_published"] == 6.6
    assert revised.loc["MACE", "aspirin_forces_mev_per_ang_difference"] == pytest.approx(0.0)
    assert pd.isna(revised.loc["MACE", "ethanol_energy_mev"])
    assert revised.loc["NequIP", "status"] == "not run" and "2101.03164" in revised.loc["NequIP", "source"]
    assert revised.loc[["MACE", "LEIGNN"], "aspirin_energy_mev_rank"].tolist() == [1, 2]
    original = table[table["dataset"] == "MD17"]
    assert set(original["scale"]) == {"not run"} and "SchNet" in set(original["model"])
    assert original.filter(regex="_(energy_mev|ang)$").isna().all(axis=None)
    markdown = to_markdown(table)
    assert "MD17: published values" in markdown and "Nothing was run" in markdown
    assert "NequIP: Batzner et al." in markdown
    row = next(
        line
        for line in markdown.splitlines()
        if line.startswith("| NequIP | [2.3] [8.5]".replace("] [", "] | ["))
    )
    assert "[0.04]" in row


def test_what_is_no_molecule_and_what_is_one_twice(tmp_path) -> None:
    published = load_published(PUBLISHED / "md17.csv", "md17")
    with pytest.raises(InputError, match="data is no member of a data set"):
        build_table(load_runs([make_run(tmp_path, "leignn", "LEIGNN")]), published, "md17")
    runs = load_runs([member(tmp_path, "uracil", "leignn", "LEIGNN")])
    twice = member(tmp_path / "b", "uracil", "leignn", "LEIGNN")
    config = yaml.safe_load((twice / "config.yaml").read_text()) | {"dataset": "another"}
    (twice / "config.yaml").write_text(yaml.safe_dump(config))
    with pytest.raises(InputError, match="another and set_uracil are the same column 'uracil'"):
        build_table([*runs, load_run(twice)], published, "md17")


@pytest.mark.parametrize("name", ["oc20_50k", "md17", "iso17"])
def test_without_a_run_a_table_shows_what_is_published(tmp_path, name) -> None:
    output = tmp_path / f"{name}.csv"
    published = PUBLISHED / f"{name}.csv"
    assert main(["build-table", "--table", name, "--published", str(published), "--output", str(output)]) == 0
    table, source = load_table(output), pd.read_csv(published)
    models = table[~table["model"].isin((TRIVIAL, RANK_CORRELATION))]
    assert models["model"].tolist() == source["model"].tolist()
    assert set(models["status"]) == {"not run"} and set(table["scale"]) == {"not run"}
    for cell in LAYOUTS[name].cells:
        np.testing.assert_array_equal(models[f"{cell}_published"].to_numpy(), source[cell].to_numpy())
        assert table[cell].isna().all()
    text = output.with_suffix(".md").read_text()
    assert "Nothing was run" in text and "of the paper, which is not at hand" in text
    assert "| LEIGNN |" in text and "**" not in text
    assert output.with_suffix(".tex").read_text().count(r"\toprule") == source["dataset"].nunique()


def test_a_table_that_an_older_version_wrote(tmp_path) -> None:
    run = make_run(tmp_path, "leignn", "LEIGNN")
    table_of([run]).reset_index().drop(columns="id_energy_mev_rank").to_csv(
        tmp_path / "table1.csv", index=False
    )
    with pytest.raises(InputError, match=r"table1.csv has no column 'id_energy_mev_rank': another version"):
        load_table(tmp_path / "table1.csv")


def test_the_two_tests_of_iso17(tmp_path) -> None:
    split = json.loads((make_run(tmp_path, "a", "A") / "metrics.json").read_text())["splits"]["id"]
    splits = {"test_within": split, "test_other": split | {"forces_mae_mev_per_ang": 94.5}}
    run = make_run(tmp_path, "schnet", "SchNet", published_as="ISO17", splits=splits)
    published = load_published(PUBLISHED / "iso17.csv", "iso17")
    row = build_table([load_run(run)], published, "iso17").set_index("model").loc["SchNet"]
    assert row["test_other_forces_mev_per_ang_difference"] == pytest.approx(0.0)
    assert row["test_within_energy_mev"] == 100.0


def test_published_errors_are_in_mev() -> None:
    """Aspirin as the papers of SchNet and PaiNN print it, in kcal/mol and kcal/mol/Å."""
    md17 = load_published(PUBLISHED / "md17.csv", "md17").set_index(["dataset", "model"])
    kcal = 43.3641
    assert md17.loc[("MD17", "SchNet"), "aspirin_energy_mev"] == pytest.approx(0.37 * kcal, abs=0.06)
    assert md17.loc[("MD17", "SchNet"), "aspirin_forces_mev_per_ang"] == pytest.approx(1.35 * kcal, abs=0.06)
    assert md17.loc[("MD17", "PaiNN"), "aspirin_forces_mev_per_ang"] == pytest.approx(0.338 * kcal, abs=0.06)


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


class Page(HTMLParser):
    """Collects identifiers, links and loaded resources."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.ids, self.links, self.loaded, self.rows = [], [], [], 0
        self.feed(text)

    def handle_starttag(self, tag: str, attributes: list) -> None:
        values = dict(attributes)
        self.ids += [values["id"]] if "id" in values else []
        if tag == "a":
            self.links.append(values["href"])
        self.loaded += [values[k] for k in ("src", "srcset", "data") if k in values]
        self.loaded += [values["href"]] if tag in ("link", "image") else []
        self.rows += tag == "tr"


def test_commands_write_tables_figure_and_page(tmp_path) -> None:
    runs = [
        make_run(tmp_path, m, t, energy=e)
        for m, t, e in (
            ("trivial", TRIVIAL, 500),
            ("leignn", "LEIGNN", 100),
            ("vanilla", "Vanilla", 120),
            ("schnet", "SchNet", 110),
        )
    ]
    results = tmp_path / "results"
    for table in ("table1", "table2"):
        metrics = [str(run / "metrics.json") for run in runs]
        published = str(PUBLISHED / f"{table}.csv")
        arguments = [
            "--published",
            published,
            "--metrics",
            *metrics,
            "--output",
            str(results / f"{table}.csv"),
        ]
        assert main(["build-table", "--table", table, *arguments]) == 0
    markdown = (results / "table1.md").read_text()
    assert "| LEIGNN | **100** [415] | **50.0** [43.9]" in markdown
    assert "| SchNet | *110* [975]" in markdown
    assert "not comparable" in markdown and "EMT stand-in" in markdown
    latex = (results / "table1.tex").read_text()
    assert r"\textbf{100} [415]" in latex and r"\underline{110}" in latex and r"PaiNN\_Direct" in latex

    folders = [str(run) for run in runs]
    figure = results / "learning_curves.svg"
    drawn = []
    for _ in range(2):
        assert main(["plot-learning-curves", "--runs", *folders, "--output", str(figure)]) == 0
        drawn.append(figure.read_bytes())
    assert drawn[0] == drawn[1]

    tables = [str(results / f"{t}.csv") for t in ("table1", "table2")]
    arguments = ["--tables", *tables, "--figures", str(figure), "--runs", *folders]
    assert main(["render-page", *arguments, "--output", str(results / "index.html")]) == 0
    text = (results / "index.html").read_text()
    page = Page(text)
    assert not [href for href in page.loaded if not href.startswith("#")]
    assert {href[1:] for href in page.links} <= set(page.ids)
    assert len(page.ids) == len(set(page.ids))
    assert "run-data-mini-leignn-seed0" in page.ids
    assert "EMT stand-in" in text and "Some &lt;data&gt;" in text
    assert not re.search(r"(?:src|url\()\s*=?\s*[\"']?https?:", text)
    assert page.rows > 2 * 10


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda table: table.assign(colour=1), "'colour'"),
        (lambda table: table.drop(columns="status"), "'status' is a required property"),
        (lambda table: table.assign(id_energy_mev="low"), "'low' is not of type 'number'"),
    ],
)
def test_a_table_of_another_schema(tmp_path, capsys, change, message) -> None:
    run = make_run(tmp_path, "leignn", "LEIGNN")
    change(table_of([run]).reset_index()).to_csv(tmp_path / "table1.csv", index=False)
    arguments = ["--tables", str(tmp_path / "table1.csv"), "--runs", str(run)]
    assert main(["render-page", *arguments, "--output", str(tmp_path / "index.html")]) == 2
    error = capsys.readouterr().err
    assert "table1.csv" in error and message in error
    assert not (tmp_path / "index.html").exists()


def test_missing_input_is_one_sentence(tmp_path, capsys) -> None:
    run = make_run(tmp_path, "leignn", "LEIGNN")
    (run / "log.csv").unlink()
    arguments = ["--runs", str(run), "--output", str(tmp_path / "figure.svg")]
    assert main(["plot-learning-curves", *arguments]) == 2
    assert "log.csv" in capsys.readouterr().err
    assert not (tmp_path / "figure.svg").exists()
