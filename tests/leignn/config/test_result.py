"""The declarations of results: those that ship, and what is wrong with others."""

import pytest
import yaml

from leignn.config.result import Result, load_results
from leignn.errors import InputError
from leignn.evaluation.metrics import METRICS
from leignn.report.tables.columns import printed
from leignn.report.tables.published import load_published
from leignn.report.tables.special import SPECIAL_ROWS
from leignn.resources import config_file, config_files

HEAD = {"title": "T. Mine", "caption": "It.", "order": 1, "category": "Tables"}
RESULTS = load_results(config_files("results").values())
BUILT = [name for name, result in RESULTS.items() if result.table and result.table.built]


def test_the_papers_tables_and_figures_are_declared() -> None:
    assert {"table1", "table2", "table3"} <= set(BUILT)
    figures = [result.short_title for result in RESULTS.values() if result.figure]
    assert [title for title in figures if title.startswith("Figure")] == [f"Figure {n}" for n in range(1, 6)]


@pytest.mark.parametrize("name", BUILT)
def test_columns_and_published_values_fit(name) -> None:
    """Every metric is computed, every number that is printed has a direction and a published column."""
    table = RESULTS[name].table
    metrics = {column.metric for column in table.columns.values() if column.metric}
    assert metrics <= set(METRICS)
    assert all(place.column.best for place in printed(table))
    published = load_published(config_file(f"published/{name}.csv"), table)
    assert table.published_for in set(published["dataset"])
    assert published[[place.name for place in printed(table)]].notna().any(axis=None)
    assert not set(published["model"]) & set(SPECIAL_ROWS)


@pytest.mark.parametrize(
    ("table", "message"),
    [
        ({"columns": {"e": {"metric": "m"}}}, "published_for is missing"),
        ({"columns": {"e": {"metric": "m"}, "f": {}}}, "some read a metric or an observable, others neither"),
        ({"columns": {"e": {"metric": "m", "observable": "o"}}}, "columns.e: reads a metric and an obs"),
        (
            {"columns": {"e": {"metric": "m"}}, "published_for": "X", "members": True},
            "members without groups",
        ),
        (
            {"columns": {"e": {"observable": "o"}}, "published_for": "X", "groups": {"id": "ID"}},
            "groups: simulations have no test splits",
        ),
        ({"columns": {"e": {"kind": "m"}}}, "unknown key 'table.columns.e.kind'"),
    ],
)
def test_what_contradicts_itself(tmp_path, table, message) -> None:
    path = tmp_path / "mine.yaml"
    path.write_text(yaml.safe_dump(HEAD | {"table": table}))
    with pytest.raises(InputError, match="mine.yaml: ") as caught:
        Result.load(path)
    assert message in str(caught.value)


def test_models_and_data_sets_of_a_scale() -> None:
    result = Result(**HEAD, models={"default": ["a"], "paper": ["b"]}, datasets={"paper": ["c"]})
    assert (result.models_at("mini"), result.models_at("paper")) == (["a"], ["b"])
    assert (result.datasets_at("mini"), result.datasets_at("paper")) == ([], ["c"])
    shown = {"models": {"default": ["a", "b"]}, "datasets": {"default": ["c", "d"]}}
    some = Result(**HEAD, **shown, models_on={"d": ["b"]})
    assert some.runs_at("mini") == [("c", "a"), ("c", "b"), ("d", "b")]
    assert result.short_title == "T"
