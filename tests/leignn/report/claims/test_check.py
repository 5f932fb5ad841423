"""The paper's claims against tables made by hand, and against the paper's own numbers."""

from pathlib import Path

import pandas as pd
import pytest
import yaml
from made_runs import declared, table_of

from leignn.cli import main
from leignn.config.claims import Claims
from leignn.config.result import Table
from leignn.errors import InputError
from leignn.report.claims.check import check_claims
from leignn.resources import config_file

PAPER = config_file("published/claims.yaml")
CLAIMED = ["table1", "table2", "table3", "md17", "iso17", "complexity", "beyond", "symmetry"]
TABLES = {"speed": {"groups": ["dataset"], "only": {"point": "training"}}}
TEXTS = ("dataset", "model", "point")
NUMBERS = ("step", "ms", "ms_stderr", "mb", "ms_published", "mb_published")
SPEED = Table(
    columns={name: {"type": "text", "optional": True} for name in TEXTS}
    | {name: {"optional": True} for name in NUMBERS}
    | {"stand_in": {"type": "boolean", "optional": True}}
)


def claim(check: str, **more) -> dict:
    base = {"id": "it", "where": "Section 1", "table": "speed", "check": check, "model": "Fast"}
    return base | {"others": ["Slow"], "columns": ["ms", "mb"]} | more


def checked(tmp_path: Path, claims: list[dict], rows: list[dict] | None) -> list[dict]:
    path = tmp_path / "speed.csv"
    if rows is not None:
        base = {"dataset": "set", "point": "training"}
        pd.DataFrame([base | row for row in rows]).to_csv(path, index=False)
    return held(TABLES, claims, path)


def held(tables: dict, claims: list[dict], path: Path) -> list[dict]:
    return check_claims(Claims(tables=tables, claims=claims), {"speed": SPEED}, [path])


FAST, SLOW = {"model": "Fast", "ms": 2.0, "mb": 10.0}, {"model": "Slow", "ms": 18.0, "mb": 70.0}


@pytest.mark.parametrize(
    ("check", "holds", "fails"),
    [
        ("lower", {}, {"model": "Slow", "others": ["Fast"]}),
        ("ratio", {"between": [5, 10]}, {"between": [8, 10]}),
        ("largest_gain", {"largest": "ms"}, {"largest": "mb"}),  # 88.9 % against 85.7 %
        ("at_most", {"bound": 10}, {"bound": 9.9}),
        ("at_least", {"bound": 2}, {"bound": 2.1}),
    ],
)
def test_every_kind_of_check(tmp_path, check, holds, fails) -> None:
    first, second = checked(tmp_path, [claim(check, **holds), claim(check, **fails)], [FAST, SLOW])
    assert (first["verdict"], second["verdict"]) == ("true", "false")
    assert first["measured"] and first["reason"] == "" and first["published_verdict"] == ""


@pytest.mark.parametrize(
    ("check", "more", "verdicts"),
    [
        # 2 against 18: the margin of 16 is two standard errors of 8, as of two of 5.66 in quadrature
        ("lower", {}, {(0, 7.9): "true", (0, 8.1): "undecided", (5.5, 5.5): "true", (5.8, 5.8): "undecided"}),
        # 9 ± 9 · (error of 18) / 18 lies 4 above 5
        ("ratio", {"between": [5, 20]}, {(0, 3.9): "true", (0, 4.1): "undecided"}),
        ("ratio", {"between": [10, 20]}, {(0, 0.9): "false", (0, 1.1): "undecided"}),
        # 88.89 ± 100 / 9 · (error of 18) / 18 against 85.71, exact
        (
            "largest_gain",
            {"columns": ["ms", "mb"], "largest": "ms"},
            {(0, 2.5): "true", (0, 2.6): "undecided"},
        ),
        ("at_most", {"bound": 3}, {(0.4, 0): "true", (0.6, 0): "undecided", (None, 0): "true"}),
        ("at_least", {"bound": 3}, {(0.4, 0): "false", (0.6, 0): "undecided"}),
    ],
)  # fmt: skip
def test_within_two_standard_errors_nothing_is_decided(tmp_path, check, more, verdicts) -> None:
    for (ours, theirs), verdict in verdicts.items():
        rows = [FAST | {"ms_stderr": ours}, SLOW | {"ms_stderr": theirs}]
        (row,) = checked(tmp_path, [claim(check, **{"columns": ["ms"]} | more)], rows)
        assert row["verdict"] == verdict, (ours, theirs)
        assert "2 standard errors" in row["criterion"] and row["measured"]


def test_a_comparison_of_a_single_seed_is_undecided(tmp_path) -> None:
    rows = [FAST | {"ms_stderr": None}, SLOW | {"ms_stderr": 0.1}]
    (row,) = checked(tmp_path, [claim("lower", columns=["ms"])], rows)
    assert (row["verdict"], row["reason"]) == ("undecided", "")
    assert "1 of them within the errors" in row["measured"]
    for more in ({"check": "ratio", "between": [1, 20]}, {"check": "largest_gain", "largest": "ms"}):
        (row,) = checked(tmp_path, [claim("lower") | more], rows)
        assert row["verdict"] == "undecided"


def test_one_counterexample_that_is_sure_refutes(tmp_path) -> None:
    rows = [FAST | {"ms_stderr": 9.0}, SLOW | {"ms_stderr": 9.0, "mb": 9.0}]
    (row,) = checked(tmp_path, [claim("lower")], rows)
    assert row["verdict"] == "false"


def test_what_was_not_measured_is_not_run_unless_refuted(tmp_path) -> None:
    lower = claim("lower", others=["Slow", "Absent"])
    (row,) = checked(tmp_path, [lower], [FAST, SLOW])
    assert row["verdict"] == "not run" and "Absent was not measured" in row["reason"]
    (row,) = checked(tmp_path, [lower], [FAST, SLOW | {"mb": 9.0}])
    assert row["verdict"] == "false" and "10 against Slow's 9" in row["measured"]
    for empty in ("ms", "mb"):
        for check, more in (
            ("ratio", {"between": [1, 99]}),
            ("at_most", {"bound": 99}),
            ("largest_gain", {"largest": "ms"}),
        ):
            (row,) = checked(tmp_path, [claim(check, **more)], [FAST | {empty: None}, SLOW])
            assert row["verdict"] == "not run", (check, empty)


def test_missing_files_columns_rows_and_requirements(tmp_path) -> None:
    (row,) = checked(tmp_path, [claim("lower")], None)
    assert (row["verdict"], row["reason"]) == ("not run", f"{tmp_path}/speed.csv was not made")
    (row,) = checked(tmp_path, [claim("lower", columns=["gflop"])], [FAST, SLOW])
    assert row["reason"] == f"{tmp_path}/speed.csv has no column gflop"
    (row,) = checked(tmp_path, [claim("lower")], [FAST | {"point": "atoms"}])
    assert row["reason"] == f"{tmp_path}/speed.csv has no rows for it"
    (row,) = checked(tmp_path, [claim("at_most", bound=99, requires={"mb": 50})], [FAST, SLOW])
    assert (row["verdict"], row["reason"]) == ("not run", "mb of Fast is 10, not 50")


def test_each_measurement_has_its_row_and_its_data(tmp_path) -> None:
    there = {"dataset": "other", "stand_in": True}
    rows = [FAST, SLOW, FAST | there | {"ms": 20.0}, SLOW | there, SLOW | {"point": "atoms", "ms": 1.0}]
    found = checked(tmp_path, [claim("lower")], rows)
    assert [(r["dataset"], r["verdict"], r["stand_in"]) for r in found] == [
        ("set", "true", ""),
        ("other", "false", "true"),
    ]


def test_measured_against_published(tmp_path) -> None:
    rows = [FAST | {"ms_published": 3.0, "mb_published": 11.0}]
    rows += [{"model": "Slow", "ms_published": 2.5, "mb_published": 70.0}]
    (row,) = checked(tmp_path, [claim("lower", against="published")], rows)
    assert (row["verdict"], row["published_verdict"]) == ("true", "false")


def test_the_papers_own_numbers_bear_out_some_of_its_claims(tmp_path) -> None:
    """By eye from Tables 1 and 2: GemNet-dT has lower forces; NMU alone raises an energy error."""
    paths = []
    for name in ("table1", "table2"):
        paths.append(tmp_path / f"{name}.csv")
        table_of([], name).reset_index().to_csv(paths[-1], index=False)
    paper = Claims.load(PAPER)
    rows = check_claims(paper, {name: declared(name) for name in CLAIMED}, paths)
    assert {row["verdict"] for row in rows} == {"not run"}
    found = {row["id"]: row["published_verdict"] for row in rows if row["dataset"] == "OC20-200K"}
    assert found == {
        "outperforms-baselines": "false",
        "close-to-gemnet-dt": "true",
        "outperforms-all-but-gemnet-dt": "true",
        "best-energies": "true",
        "forces-but-gemnet-dt": "true",
        "painn-direct-over-painn": "false",
        "better-than-painn-direct": "true",
        "outperforms-ablations": "true",
        "nmu-improves": "false",
        "global-phases-improve": "true",
        "global-phases-help-ood-both-energies": "true",
        "global-phases-help-ood-both-forces": "true",
    }
    small = {row["id"]: row["published_verdict"] for row in rows if row["dataset"] == "OC20-50K"}
    assert small["global-phases-help-ood-both-energies"] == "false"  # OOD Cat. gains more there


def test_the_command(tmp_path, capsys) -> None:
    out = tmp_path / "claims.csv"
    declarations = [str(config_file(f"results/{name}.yaml")) for name in CLAIMED]
    given = ["--declarations", *declarations, "--output", str(out)]
    command = ["check-claims", "--claims", str(PAPER), *given, "--tables", str(tmp_path / "table1.csv")]
    assert main(command) == 0
    table = pd.read_csv(out, keep_default_na=False)
    paper = yaml.safe_load(PAPER.read_text())
    assert list(table["id"]) == [claim["id"] for claim in paper["claims"]]
    assert table["id"].is_unique and set(table["verdict"]) == {"not run"}
    (tmp_path / "bad.yaml").write_text("tables: {}\nclaims: [{id: it, colour: red}]\n")
    assert main(["check-claims", "--claims", str(tmp_path / "bad.yaml"), *given]) == 2
    assert "bad.yaml" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"check": "ratio"}, "it: ratio needs `between`"),
        ({"check": "lower", "others": []}, "it: lower needs `others`"),
        ({"check": "largest_gain", "largest": "gb"}, "it: largest_gain needs"),
        ({"check": "at_most"}, "it: at_most needs `bound`"),
    ],
)
def test_a_claim_without_what_its_check_needs(change, message) -> None:
    with pytest.raises(InputError, match=message):
        Claims.checked({"claims": [claim("lower") | change]}, "claims.yaml")
