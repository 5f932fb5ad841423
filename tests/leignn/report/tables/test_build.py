"""Tables from made-up runs: hand-computed cells, honest gaps."""

import numpy as np
import pandas as pd
import pytest
from made_runs import declared, make_run, table_of

from leignn.report.runs import TRIVIAL
from leignn.report.tables.cells import cells
from leignn.report.tables.columns import printed
from leignn.report.tables.notes import about
from leignn.report.tables.special import RANK_CORRELATION

CELLS = [place.name for place in printed(declared("table1"))]


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
    runs = [make_run(tmp_path, m, t, seed, errors[m] + seed) for m, t in titles.items() for seed in (0, 1)]
    runs += [make_run(tmp_path, "mine", "Mine", seed, 25.0 + seed) for seed in (0, 1)]
    runs.append(make_run(tmp_path, "trivial", TRIVIAL))
    table = table_of(runs)
    named = ["SchNet", "PaiNN", "GemNet-dT", "LEIGNN", "Mine", TRIVIAL]
    assert list(table.loc[named, "id_energy_mev_rank"].fillna(0)) == [1, 5, 4, 2, 3, 0]
    assert list(table.loc[named[:4], "id_energy_mev_published_rank"]) == [4, 3, 2, 1]
    difference = np.array([1, 4, 3, 2]) - np.array([4, 3, 2, 1])
    by_hand = 1 - 6 * (difference**2).sum() / (4 * 15)
    assert table.loc[RANK_CORRELATION, "id_energy_mev"] == pytest.approx(by_hand)
    assert pd.isna(table_of(runs[:1]).loc[RANK_CORRELATION, "id_energy_mev"])


def test_ranks_only_where_two_standard_errors_tell_apart(tmp_path) -> None:
    """One seed has no rank; 10 ± 1 and 12 ± 1 share the first, and neither is marked; 20 ± 1 is third."""
    found = {"schnet": ("SchNet", 9, 11), "leignn": ("LEIGNN", 11, 13), "painn": ("PaiNN", 19, 21)}
    runs = [
        make_run(tmp_path, model, title, seed, float(energy))
        for model, (title, *energies) in found.items()
        for seed, energy in enumerate(energies)
    ]
    table = table_of([*runs, make_run(tmp_path, "mace", "MACE", energy=1.0)])
    named = ["SchNet", "LEIGNN", "PaiNN"]
    assert list(table.loc[named, "id_energy_mev_stderr"]) == pytest.approx([1.0, 1.0, 1.0])
    assert list(table.loc[named, "id_energy_mev_rank"]) == [1, 1, 3]
    assert list(table.loc[[*named, "MACE"], "n_seeds"]) == [2, 2, 2, 1]
    assert pd.isna(table.loc["MACE", "id_energy_mev_rank"])
    shown = cells(table.reset_index(), printed(declared("table1")))["id_energy_mev"]
    assert [shown[title].rank for title in (*named, "MACE")] == [0, 0, 0, 0]
    assert (shown["SchNet"].measured, shown["MACE"].measured) == ("10.0 ± 1.0", "1.0")
    apart = cells(table.drop(index="LEIGNN").reset_index(), printed(declared("table1")))["id_energy_mev"]
    assert apart["SchNet"].rank == 1


def test_how_the_rows_were_trained_is_said(tmp_path) -> None:
    runs = [
        make_run(tmp_path, "leignn", "LEIGNN", seed, steps=20, train_seconds=s)
        for seed, s in ((0, 1.0), (1, 4.0))
    ]
    runs.append(make_run(tmp_path, "mace", "MACE", steps=10, train_seconds=9.0))
    table = table_of(runs)
    assert (table.loc["LEIGNN", "steps"], table.loc["LEIGNN", "train_seconds"]) == (20, 2.5)
    said = about(table.reset_index(), declared("table1"))
    assert "mean seconds MACE 9, LEIGNN 2" in said and "20 neighbours" in said
    assert "10 steps of" in said and "20 steps of" in said


def test_a_failed_run_says_so(tmp_path) -> None:
    runs = [make_run(tmp_path, "leignn", "LEIGNN", status="failed", message="loss is nan", splits={})]
    row = table_of(runs).loc["LEIGNN"]
    assert row["status"] == "failed: loss is nan"
    assert row[CELLS].isna().all()


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


def test_the_improvement_has_the_error_of_both(tmp_path) -> None:
    """100 (1 - a / b) with a = 60 ± 1, b = 80 ± 2: 100 a / b times the relative errors in quadrature."""
    seeds = (("vanilla", "Vanilla", (78, 82)), ("leignn", "LEIGNN", (59, 61)))
    runs = [make_run(tmp_path, m, t, n, float(e)) for m, t, values in seeds for n, e in enumerate(values)]
    row = table_of(runs, "table2").loc["Improvement"]
    assert row["id_energy_mev"] == pytest.approx(25.0)
    assert row["id_energy_mev_stderr"] == pytest.approx(75 * np.hypot(1 / 60, 2 / 80))
