"""The results page: what it holds, and how it behaves in a browser (headless Chromium)."""

import html
import json
import re
import shutil
import subprocess
from pathlib import Path

import pandas as pd
import pytest
from made_runs import make_run

from leignn.cli import main
from leignn.report.layout import TRIVIAL

PUBLISHED = Path(__file__).parents[3] / "config" / "published"
CHROMIUM = next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None)
ENERGIES = {"LEIGNN": 100.0, "SchNet": 90.0, "PaiNN": 1000.0}

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

  const table = document.querySelector("#table-table1").parentElement.querySelector("table");
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
    """A page of two tables, a generic table, claims, a figure, and two files that were not made."""
    folder = tmp_path_factory.mktemp("page")
    runs = [make_run(folder, t.lower(), t, energy=e) for t, e in ENERGIES.items()]
    runs.append(make_run(folder, "leignn", "LEIGNN", seed=1, energy=104.0))
    runs.append(make_run(folder, "trivial", TRIVIAL, energy=500.0))
    results = folder / "results"
    table = str(results / "table1.csv")
    metrics = [str(run / "metrics.json") for run in runs]
    published = str(PUBLISHED / "table1.csv")
    build = ["--table", "table1", "--published", published, "--metrics", *metrics, "--output", table]
    assert main(["build-table", *build]) == 0
    speed = pd.DataFrame(
        {
            "dataset": "data",
            "scale": "mini",
            "model": ["LEIGNN", "SchNet"],
            "n_seeds": 1,
            "train_ms": [2.5, 12.0],
            "train_ms_published": [1.0, None],
            "train_ms_rank": [1, 2],
            "empty": None,
        }
    )
    speed.to_csv(results / "speed.csv", index=False)
    drift = {"dataset": "data", "scale": "mini", "model": "LEIGNN", "seed": [0, 1], "value": [7.5, 8.5]}
    pd.DataFrame(drift).to_csv(results / "drift.csv", index=False)
    claims = ["--claims", str(PUBLISHED / "claims.yaml"), "--tables", table]
    assert main(["check-claims", *claims, "--output", str(results / "claims.csv")]) == 0
    folders = [str(run) for run in runs]
    curves = str(results / "learning_curves.svg")
    assert main(["plot-learning-curves", "--runs", *folders, "--output", curves]) == 0
    copy = results / "curves_again.svg"
    shutil.copy(curves, copy)
    arguments = ["--claims", str(results / "claims.csv"), "--runs", *folders]
    arguments += ["--tables", table, *(str(results / f"{name}.csv") for name in ("speed", "drift", "table3"))]
    arguments += ["--figures", curves, str(copy), str(results / "figure5.svg")]
    assert main(["render-page", *arguments, "--output", str(results / "index.html")]) == 0
    return (results / "index.html").read_text()


def test_gaps_say_what_was_not_run(page) -> None:
    assert "Not run: table3.csv was not made." in page and "Not run: figure5.svg was not made." in page
    assert "results/complexity.csv was not made" in page


def test_any_table_is_shown_with_published_values_and_links_to_its_runs(page) -> None:
    section = page[page.index('id="table-speed"') : page.index('id="table-drift"')]
    assert re.search(
        r'href="#run-data-mini-leignn-seed0">2.5</a><span class="published"[^>]*>1</span>', section
    )
    assert 'best" href="#run-data-mini-leignn-seed0"' in section
    assert "train (ms)" in section and "empty" not in section and "rank" not in section


def test_a_row_of_one_seed_leads_to_that_seed(page) -> None:
    assert re.search(r'href="#run-data-mini-leignn-seed0">7.5<', page)
    assert re.search(r'href="#run-data-mini-leignn-seed1">8.5<', page)


def test_scorecard(page) -> None:
    cards = page[page.index('id="scorecard"') : page.index('id="table-table1"')]
    assert "<q>LEIGNN has a similar computational cost to PaiNN_Direct</q>" in cards
    row = cards[cards.index("outperforms other baseline models") :]
    row = row[: row.index("</tr>")]
    assert "✗ false" in row and "on the stand-in" in row and "by its own numbers: ✓ true" in row
    assert "no tolerance" in row and 'href="#table-table1"' in row


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


def test_a_cell_opens_its_run(visit) -> None:
    run = visit["run"]
    assert run["open"] and run["focused"] and run["shown"]
    assert run["titles"] == ["Repeat it", "Learning curve", "Configuration", "Log", "Provenance"]


def test_a_phone_scrolls_tables_and_not_the_page(visit) -> None:
    assert visit["window"] <= 500 and visit["wider"] <= 0
