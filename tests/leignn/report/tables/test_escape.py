"""Titles with signs that mean something to LaTeX or Markdown, in a table that a user declared."""

import shutil
import subprocess
from pathlib import Path

import pytest
import yaml
from made_runs import make_run

from leignn.cli import main
from leignn.report.tables import latex, markdown

TITLE = 'A&B #1 $x$_y 50 % <script>alert("1")</script> | *it*'
DECLARATION = {
    "title": "Mine",
    "caption": "Mine.",
    "order": 1,
    "category": "Tables",
    "table": {
        "published_for": "Set",
        "split": "id",
        "columns": {"errors": {"title": TITLE, "unit": "Å²", "metric": "energy_mae_mev", "best": "lowest"}},
    },
}


@pytest.fixture
def table(tmp_path) -> Path:
    """A table with such titles of a column and of a model, and the same in a published file."""
    declaration, published = tmp_path / "mine.yaml", tmp_path / "published.csv"
    declaration.write_text(yaml.safe_dump(DECLARATION))
    published.write_text("dataset,model,errors,source\nSet,PaiNN_Direct,2,100 % of us & you\n")
    run = make_run(tmp_path, "mine", TITLE, published_as="Set")
    arguments = ["--declaration", str(declaration), "--published", str(published)]
    arguments += ["--metrics", str(run / "metrics.json"), "--output", str(tmp_path / "mine.csv")]
    assert main(["build-table", *arguments]) == 0
    return tmp_path / "mine.csv"


def test_latex(table) -> None:
    rows = [line for line in table.with_suffix(".tex").read_text().splitlines() if line[0] not in "\\%"]
    title = r"A\&B \#1 \$x\$\_y 50 \% \textless{}script\textgreater{}"
    assert all(title in row for row in (rows[0], rows[-1])) and r"PaiNN\_Direct" in rows[1]
    assert [row.replace(r"\&", "").count("&") for row in rows] == [1, 1, 1]
    assert r"\AA{}$^2$" in rows[0]
    assert latex.escape("a\\b^~{}") == r"a\textbackslash{}b\textasciicircum{}\textasciitilde{}\{\}"


@pytest.mark.skipif(shutil.which("pdflatex") is None, reason="no LaTeX is installed")
def test_latex_compiles(table) -> None:
    head = r"\documentclass{article}\usepackage{booktabs}\begin{document}"
    text = f"{head}\n{table.with_suffix('.tex').read_text()}\n\\end{{document}}\n"
    (table.parent / "whole.tex").write_text(text)
    command = ["pdflatex", "-interaction=nonstopmode", "-halt-on-error", "whole.tex"]
    done = subprocess.run(command, cwd=table.parent, capture_output=True, text=True)
    assert done.returncode == 0, done.stdout[-1000:]


def test_markdown(table) -> None:
    lines = table.with_suffix(".md").read_text().splitlines()
    assert "A&amp;B #1 \\$x\\$\\_y" in lines[0] and "&lt;script&gt;" in lines[0] and "<" not in lines[0]
    assert [line.replace("\\|", "").count("|") for line in lines[:4]] == [3, 3, 3, 3]
    assert "| PaiNN_Direct |" in lines[2] and "\\*it\\*" in lines[3]
    assert "100 % of us &amp; you" in "\n".join(lines)
    assert markdown.escape("_a_b_ [c](d) `e`") == "\\_a_b\\_ \\[c\\](d) \\`e\\`"
