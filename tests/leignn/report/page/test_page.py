"""The results page: what it holds, and how it behaves in a browser (headless Chromium)."""

import html
import json
import re
import shutil
import subprocess

import pandas as pd
import pytest
from made_runs import build_arguments, make_run

from leignn.cli import main
from leignn.config.claims import Claims
from leignn.report.runs import TRIVIAL
from leignn.resources import config_file

CHROMIUM = next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None)
ENERGIES = {"LEIGNN": 100.0, "SchNet": 90.0, "PaiNN": 1000.0}

SPEED = """
title: "Speed of <script>1</script> #1"
caption: It is fast.
order: 1
category: Tables
table:
  columns:
    dataset: {type: text}
    scale: {type: text}
    model: {type: text}
    seed: {type: whole}
    train_ms: {title: time of a step, unit: ms}
    hidden: {shown: csv}
    empty: {}
    torch: {type: text}
"""

# Before the page: what goes wrong is kept. After it: a visit, whose findings become the text of #visit.
WATCH = """<script>
window.faults = [];
addEventListener("error", (event) => faults.push(String(event.message)));
for (const level of ["error", "warn"]) console[level] = (...words) => faults.push(words.join(" "));
</script>"""
VISIT = """<script>
addEventListener("load", async () => {
  const found = {};
  const links = [...document.querySelectorAll("a")].map((a) => a.getAttribute("href"));
  found.outside = links.filter((href) => !href.startsWith("#"));
  found.broken = links.filter((href) => !document.getElementById(href.slice(1)));
  found.loaded = performance.getEntriesByType("resource").map((entry) => entry.name);
  const ids = [...document.querySelectorAll("[id]")].map((element) => element.id);
  found.twice = ids.filter((id, place) => ids.indexOf(id) !== place);

  const table = document.querySelector("#result-table1").parentElement.querySelector("table");
  const buttons = [...table.querySelectorAll("th[aria-sort] button")];
  const button = buttons.find((one) => one.innerText.startsWith("Energy"));
  const look = () => [
    [...table.tBodies[0].rows].map((row) => row.cells[0].innerText.trim()),
    [...table.querySelectorAll("[aria-sort]")].map((th) => th.getAttribute("aria-sort")),
  ];
  button.focus();
  found.focused = document.activeElement === button && button.tabIndex === 0;
  found.orders = [];
  for (let click = 0; click < 2; click++) { button.click(); found.orders.push(look()); }
  table.querySelector("th button").click();
  found.orders.push(look());

  // What is folded or waits to be asked for; then the paper's numbers are asked for.
  const seen = (element) => element.getClientRects().length > 0;
  found.folded = [...document.querySelectorAll("details.topic, details.plain")].map((one) => one.open);
  const ask = table.parentElement.parentElement.querySelector(".show-paper");
  const papers = [...table.querySelectorAll(".paper")];
  found.paper = [ask.checked, papers.length, papers.filter(seen).length];
  ask.click();
  found.paper.push(papers.filter(seen).length);
  const forces = (one) => one.innerText.startsWith("Forces");
  const head = [...table.querySelectorAll("th.paper button")].find(forces);
  head.click();
  found.paperOrder = [...table.tBodies[0].rows].map((row) => row.cells[head.dataset.column].dataset.sort);

  for (const details of document.querySelectorAll("details.plain")) details.open = true;
  const published = document.querySelector("#result-md17").parentElement.querySelector("table");
  published.querySelectorAll("th button")[1].click();
  found.published = [...published.tBodies[0].rows].map((row) => row.cells[1].dataset.sort);
  const box = published.parentElement;
  box.scrollLeft = 300;
  box.scrollIntoView();
  const label = published.tBodies[0].rows[0].cells[0], first = label.getBoundingClientRect();
  const above = document.elementFromPoint(first.left + 5, first.top + first.height / 2);
  found.sticky = [box.scrollLeft, first.left - box.getBoundingClientRect().left, label.contains(above)];

  const cell = table.querySelector("td a.cell");
  cell.click();
  await new Promise((done) => setTimeout(done, 200));
  const run = document.getElementById(cell.getAttribute("href").slice(1));
  found.run = {
    open: run.open,
    focused: document.activeElement === run.querySelector("summary"),
    titles: [...run.querySelectorAll("h3")].map((title) => title.innerText),
    shown: run.querySelector("svg polyline").getBoundingClientRect().width > 50,
  };
  for (const details of document.querySelectorAll("details")) details.open = true;
  document.body.style.width = "320px";  // narrower than headless windows can be
  found.window = innerWidth;
  found.wider = document.body.scrollWidth - document.body.clientWidth;
  found.faults = window.faults;
  const text = document.createElement("pre");
  text.id = "visit";
  text.textContent = JSON.stringify(found);
  document.body.append(text);
});
</script>"""


@pytest.fixture(scope="module")
def page(tmp_path_factory) -> str:
    """A page of a built table, two others, claims, two figures, and two files that were not made."""
    folder = tmp_path_factory.mktemp("page")
    runs = [
        make_run(folder, title.lower(), title, seed=seed, energy=energy + 0.5 * seed)
        for title, energy in ENERGIES.items()
        for seed in (0, 1)
    ]
    runs.append(make_run(folder, "trivial", TRIVIAL, energy=500.0))
    results = folder / "results"
    table = str(results / "table1.csv")
    assert main(build_arguments("table1", runs, results / "table1.csv")) == 0
    assert main(build_arguments("md17", [], results / "md17.csv")) == 0
    (folder / "speed.yaml").write_text(SPEED)
    figure = "title: A&B\ncaption: <i>\norder: 2\ncategory: x\nfigure: true\n"
    (folder / "speed_again.yaml").write_text(figure)
    speed = {
        "dataset": "data",
        "scale": "mini",
        "model": ["LEIGNN", "LEIGNN", "<b>SchNet</b>"],
        "seed": [0, 1, 0],
        "train_ms": [2.5, 3.5, 12.0],
        "hidden": 7,
        "empty": None,
        "torch": "2.0",
    }
    pd.DataFrame(speed).to_csv(results / "speed.csv", index=False)
    names = ("claims", "table1", "table3", "md17", "figure5", "learning_curves")
    declared = [config_file(f"results/{name}.yaml") for name in names]
    declarations = [str(path) for path in (*declared, folder / "speed.yaml", folder / "speed_again.yaml")]
    tables = [str(path) for path in config_file("results/table1.yaml").parent.glob("*.yaml")]
    claims = ["--claims", str(config_file("published/claims.yaml")), "--declarations", *tables]
    claims += ["--tables", table, "--output", str(results / "claims.csv")]
    assert main(["check-claims", *claims]) == 0
    folders = [str(run) for run in runs]
    curves = str(results / "learning_curves.svg")
    assert main(["plot-learning-curves", "--runs", *folders, "--output", curves]) == 0
    shutil.copy(curves, results / "speed_again.svg")
    arguments = ["--declarations", *declarations, "--folder", str(results), "--runs", *folders]
    assert main(["render-page", *arguments, "--output", str(results / "index.html")]) == 0
    return (results / "index.html").read_text()


def section_of(page: str, name: str) -> str:
    found = page[page.index(f'<section aria-labelledby="{name}">') :]
    return found[: found.index("</section>")]


def test_the_answer_comes_first_then_the_scorecard_then_tables(page) -> None:
    parts = re.findall(r'<section aria-labelledby="([\w-]+)"', page)
    assert parts[:3] == ["answer", "scorecard", "result-speed"] and parts[-1] == "runs"
    answer = section_of(page, "answer")
    claims = Claims.load(config_file("published/claims.yaml")).claims
    paper = [claim for claim in claims if not claim.ours]
    assert len(paper) < len(claims)
    count = rf"Of {len(paper)} claims of the paper, this run confirms <strong>\d+</strong>, refutes"
    assert re.search(count, answer)
    assert "7 trainings of 4 models, 2 seeds, at scale mini" in answer and "Some &lt;data&gt;" in answer
    lines = re.findall(r"<li><a href=\"#result-(\w+)\">[^<]+</a>: ([^<]+)", answer)
    assert [name for name, _ in lines] == ["speed", "table1", "table3", "md17"]
    words = dict(lines)
    assert words["table1"].startswith("3 models on Some &lt;data&gt;; best: SchNet in 8 of 8 columns")
    assert words["speed"].startswith("2 rows measured") and words["md17"].startswith("not run")


def test_the_answers_numbers_are_those_of_the_papers_claims(page) -> None:
    """The counts at the top and in the bar; the topics' summaries count this project's own claims too."""
    answer = section_of(page, "answer")
    shown = [int(n) for n in re.findall(r"<strong>(\d+)</strong>", answer)[:3]]
    claims = Claims.load(config_file("published/claims.yaml")).claims
    verdicts = re.findall(r'<td role="cell" data-sort="([\w ]+)"><span class="verdict', page)
    ours = sum(claim.ours for claim in claims)  # of tables that this page has no runs of
    assert shown == [
        verdicts.count("true"),
        verdicts.count("false"),
        verdicts.count("undecided") + verdicts.count("not run") - ours,
    ]
    assert len(verdicts) == len(claims) and sum(shown) == len(claims) - ours
    summaries = re.findall(r"<summary>.*?</summary>", section_of(page, "scorecard"), re.DOTALL)
    counts = [
        int(n) for text in summaries for n in re.findall(r">(\d+) (?:true|false|undecided|not run)<", text)
    ]
    assert sum(counts) == len(verdicts) and len(summaries) > 5


def test_what_was_not_run_is_one_line_with_its_command(page) -> None:
    table3 = section_of(page, "result-table3")
    assert re.search(r"Not run: <code>snakemake --cores all \S+/results/table3.csv</code>", table3)
    assert "<table" not in table3 and "figure5.svg</code>" in section_of(page, "result-figure5")
    md17 = section_of(page, "result-md17")
    command = r"snakemake \S+ all \S+/md17.csv --config scale=paper &#39;also=\[md17\]&#39;"
    assert re.search(f"Not run: <code>{command}</code>", md17)
    assert md17.index("<details") < md17.index("<table") and md17.count("<details") == md17.count("<table")
    rows = re.findall(r"<tr class.*?</tr>", md17, re.DOTALL)
    assert rows and all(re.search(r'<span class="">\d', row) for row in rows)  # none without a number


def test_a_table_is_shown_as_declared_and_leads_to_its_runs(page) -> None:
    section = page[page.index('id="result-speed"') : page.index('id="result-speed_again"')]
    assert re.search(r'href="#run-data-mini-leignn-seed0">2.5<', section)
    assert re.search(r'href="#run-data-mini-leignn-seed1">3.5<', section)
    assert "time of a step (ms)" in section and "hidden" not in section and "empty" not in section
    assert "torch: 2.0." in section


def test_titles_are_text(page) -> None:
    assert "&lt;b&gt;SchNet&lt;/b&gt;" in page and "<b>SchNet" not in page
    assert "A&amp;B" in page and "&lt;i&gt;" in page and "<script>1" not in page


def test_results_stand_in_their_order(page) -> None:
    found = re.findall(r'<h2 id="result-(\w+)"', page)
    assert found == ["speed", "speed_again", "table1", "table3", "md17", "figure5", "learning_curves"]


def test_scorecard(page) -> None:
    cards = page[page.index('id="scorecard"') : page.index('id="result-speed"')]
    assert "<q>LEIGNN has a similar computational cost to PaiNN_Direct</q>" in cards
    row = cards[cards.index("outperforms other baseline models") :]
    row = row[: row.index("</tr>")]
    assert "✗ false" in row and "on the stand-in" in row and "by its own numbers: ✓ true" in row
    assert "undecided within 2 standard errors" in row and 'href="#result-table1"' in row


def test_every_seed_is_one_link_from_the_first(page) -> None:
    first = page[page.index('id="run-data-mini-leignn-seed0"') :]
    assert 'Other seeds: <a href="#run-data-mini-leignn-seed1">1</a>' in first[: first.index("</details>")]


@pytest.fixture(scope="module")
def visit(page, tmp_path_factory) -> dict:
    """What a visit to the page in Chromium found, and its console."""
    if CHROMIUM is None:
        pytest.skip("no Chromium is installed")
    folder = tmp_path_factory.mktemp("browser")
    watched = page.replace("<head>", f"<head>{WATCH}", 1).replace("</body>", f"{VISIT}</body>", 1)
    (folder / "page.html").write_text(watched)
    options = [
        "--headless",
        "--no-sandbox",
        "--disable-gpu",
        "--enable-logging=stderr",
        "--window-size=390,800",
    ]
    options += [f"--user-data-dir={folder / 'profile'}", "--virtual-time-budget=5000", "--dump-dom"]
    command = [CHROMIUM, *options, (folder / "page.html").as_uri()]
    done = subprocess.run(command, capture_output=True, text=True, timeout=120)
    dom = re.search(r'<pre id="visit">(.*?)</pre>', done.stdout, re.DOTALL)
    assert dom, done.stderr[-2000:]
    console = [line for line in done.stderr.splitlines() if "CONSOLE" in line]
    return json.loads(html.unescape(dom[1])) | {"console": console}


def test_it_loads_nothing_and_without_a_fault(visit) -> None:
    assert visit["faults"] == [] and visit["console"] == []
    assert visit["loaded"] == [] and visit["outside"] == []
    assert visit["broken"] == [] and visit["twice"] == []


def test_headings_sort(visit) -> None:
    """Numbers by value, not by their digits; models without a number last, and after them no models."""
    (up, states), (down, again), (names, last) = visit["orders"]
    assert up[:3] == ["SchNet", "LEIGNN", "PaiNN"] and down[:3] == ["PaiNN", "LEIGNN", "SchNet"]
    assert up[-1] == down[-1] == names[-1] == TRIVIAL
    assert names[:-1] == sorted(names[:-1], key=str.casefold)
    assert states.count("ascending") == 1 and again.count("descending") == 1
    assert states.count("none") == again.count("none") == len(states) - 1
    assert last[0] == "ascending" and visit["focused"]


def test_topics_and_published_values_are_folded(visit) -> None:
    assert len(visit["folded"]) > 5 and not any(visit["folded"])


def test_the_papers_numbers_of_other_data_stand_apart_when_asked_for(page, visit) -> None:
    checked, there, before, after = visit["paper"]
    assert not checked and before == 0 and after == there > 8
    values = [float(value) for value in visit["paperOrder"] if value]
    assert values == sorted(values) and len(values) > 5
    grid = section_of(page, "result-table1")
    assert 'title="published"' not in grid[: grid.index("<details")]  # none below a measured number


def test_published_values_sort_too(visit) -> None:
    values = [float(value) for value in visit["published"] if value]
    assert values == sorted(values) and len(set(values)) > 3
    assert visit["published"][len(values) :] == [""] * (len(visit["published"]) - len(values))


def test_the_first_column_stays_while_a_wide_table_scrolls(visit) -> None:
    scrolled, moved, on_top = visit["sticky"]
    assert scrolled == 300 and abs(moved) <= 1 and on_top


def test_a_cell_opens_its_run(visit) -> None:
    run = visit["run"]
    assert run["open"] and run["focused"] and run["shown"]
    assert run["titles"] == ["Repeat it", "Learning curve", "Configuration", "Log", "Provenance"]


def test_a_phone_scrolls_tables_and_not_the_page(visit) -> None:
    assert visit["window"] <= 500 and visit["wider"] <= 0
