"""The pictures in the README: what they lose, what they keep, and that those it names are there."""

import re
import shutil
from pathlib import Path
from xml.etree import ElementTree

import pytest
from made_runs import make_run
from PIL import Image

from leignn.cli import main
from leignn.report.figures.learning_curves import plot_learning_curves
from leignn.report.pictures import BLOCK, BROWSERS, FIGURES, smaller
from leignn.report.runs import load_runs

ROOT = Path(__file__).parents[3]


@pytest.fixture
def results(tmp_path) -> Path:
    runs = load_runs([make_run(tmp_path, "leignn", "LEIGNN")])
    for name in FIGURES:
        plot_learning_curves(runs, tmp_path / "results" / f"{name}.svg")
    (tmp_path / "results" / "index.html").write_text("<h1 style='color: #c00'>The page</h1>")
    (tmp_path / "README.md").write_text("Before.\n<!-- pictures, generated -->\nold\n<!-- end -->\nAfter.\n")
    return tmp_path


def test_a_smaller_figure_has_the_same_elements_texts_and_places(results) -> None:
    figure = results / "results" / "figure1.svg"
    before, after = figure.read_text(), smaller(figure)
    assert len(after) < len(before)
    old, new = (list(ElementTree.fromstring(svg).iter()) for svg in (before, after))
    old = [one for one in old if "svg}" in one.tag and "metadata" not in one.tag]
    assert [one.tag for one in old] == [one.tag for one in new]
    assert [one.text for one in old] == [one.text for one in new]
    for one, other in zip(old, new, strict=True):
        for key in ("d", "x", "y"):
            places, again = (re.findall(r"-?\d+\.?\d*", e.get(key, "")) for e in (one, other))
            assert [float(p) for p in again] == pytest.approx([float(p) for p in places], abs=0.006)


@pytest.mark.skipif(not any(map(shutil.which, BROWSERS)), reason="no browser is installed")
def test_the_command_renews_pictures_and_the_readmes_part(results) -> None:
    folder = results / "docs" / "figures"
    run = next(results.glob("results/runs/*/*/*/*"))
    arguments = ["--folder", str(results / "results"), "--runs", str(run), "--readme"]
    arguments += [str(results / "README.md"), "--output", str(folder)]
    for _ in range(2):  # again: the same
        assert main(["document-figures", *arguments]) == 0
        readme = (results / "README.md").read_text()
        assert readme.startswith("Before.\n<!-- pictures") and readme.endswith("<!-- end -->\nAfter.\n")
        assert "old" not in readme and "Code: abc." in readme and "1 training of 1 model" in readme
        named = re.findall(r'<img src="([^"]+)" alt="[^"]+"', readme)
        assert named == ["docs/figures/page.png", *(f"docs/figures/{name}.svg" for name in FIGURES)]
        assert all((results / name).stat().st_size for name in named)
    with Image.open(folder / "page.png") as page:
        assert page.width == 1280 and {(255, 255, 255), (204, 0, 0)} <= set(page.convert("RGB").getdata())


def test_the_readmes_pictures_exist_and_are_small() -> None:
    readme = (ROOT / "README.md").read_text()
    assert BLOCK.search(readme)
    named = [ROOT / name for name in re.findall(r'<img src="([^"]+)"', readme)]
    assert all(path.is_file() for path in named)
    assert sum(path.stat().st_size for path in named) < 1_000_000
