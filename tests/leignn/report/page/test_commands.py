"""Tables, figure and page from the same runs, each by its command; links that resolve."""

import re
from html.parser import HTMLParser

from made_runs import build_arguments, make_run

from leignn.cli import main
from leignn.files import read_json, write_json
from leignn.provenance import sha256
from leignn.report.runs import TRIVIAL
from leignn.resources import config_file
from leignn.training.callbacks import RunLog


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
        make_run(tmp_path, m, t, seed=seed, energy=e + 0.1 * seed)
        for seed in (0, 1)
        for m, t, e in (
            ("trivial", TRIVIAL, 500),
            ("leignn", "LEIGNN", 100),
            ("vanilla", "Vanilla", 120),
            ("schnet", "SchNet", 110),
        )
    ]
    results = tmp_path / "results"
    for table in ("table1", "table2"):
        assert main(build_arguments(table, runs, results / f"{table}.csv")) == 0
    markdown = (results / "table1.md").read_text()
    assert "| LEIGNN | **100 ± 0.05** [415] | **50.0 ± 0.02** [43.9]" in markdown
    assert "| SchNet | *110 ± 0.05* [975]" in markdown
    assert "not comparable" in markdown and "Stand-in: these" in markdown
    latex = (results / "table1.tex").read_text()
    assert (
        r"\textbf{100 $\pm$ 0.05} [415]" in latex
        and r"\underline{110 " in latex
        and r"PaiNN\_Direct" in latex
    )

    folders = [str(run) for run in runs]
    figure = results / "learning_curves.svg"
    drawn = []
    for _ in range(2):
        assert main(["plot-learning-curves", "--runs", *folders, "--output", str(figure)]) == 0
        drawn.append(figure.read_bytes())
    assert drawn[0] == drawn[1]

    shown = [str(config_file(f"results/{name}.yaml")) for name in ("table1", "table2", "learning_curves")]
    arguments = ["--declarations", *shown, "--folder", str(results), "--runs", *folders]
    assert main(["render-page", *arguments, "--output", str(results / "index.html")]) == 0
    text = (results / "index.html").read_text()
    page = Page(text)
    assert not [href for href in page.loaded if not href.startswith("#")]
    assert {href[1:] for href in page.links} <= set(page.ids)
    assert len(page.ids) == len(set(page.ids))
    assert "run-data-mini-leignn-seed0" in page.ids
    assert "Stand-ins." in text and "Some &lt;data&gt;" in text
    assert not re.search(r"(?:src|url\()\s*=?\s*[\"']?https?:", text)
    assert page.rows > 2 * 10


def test_a_failed_run_keeps_no_figure_and_no_page_from_being_made(tmp_path) -> None:
    """As ``train --record-failure`` leaves it: a log without rows, metrics without splits."""
    good = make_run(tmp_path, "leignn", "LEIGNN")
    lost = dict.fromkeys(("parameters", "train_structures", "train_seconds", "steps", "best_step"))
    bad = make_run(tmp_path, "schnet", "SchNet", status="failed", message="needs 'x'", splits={}, **lost)
    RunLog.write_empty(tmp_path / "empty.csv")
    (tmp_path / "empty.csv").replace(bad / "log.csv")
    record = read_json(bad / "provenance.json") | {"files": {"log.csv": sha256(bad / "log.csv")}}
    write_json(bad / "provenance.json", record)
    table, figure, page = (tmp_path / name for name in ("table1.csv", "learning_curves.svg", "index.html"))
    assert main(build_arguments("table1", [good, bad], table)) == 0
    runs = ["--runs", str(good), str(bad)]
    assert main(["plot-learning-curves", *runs, "--output", str(figure)]) == 0
    declared = [str(config_file(f"results/{name}.yaml")) for name in ("table1", "learning_curves")]
    shown = ["--declarations", *declared, "--folder", str(tmp_path), *runs]
    assert main(["render-page", *shown, "--output", str(page)]) == 0
    text = page.read_text()
    assert "(failed)" in text and "SchNet failed: needs &#39;x&#39;." in text
    assert "SchNet failed: needs 'x'." in table.with_suffix(".md").read_text()
