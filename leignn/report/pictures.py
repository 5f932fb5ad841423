"""Renew the pictures in the README: Figures 1 to 5, smaller, and the page in a browser, if there is one.

For a checkout, after the workflow; the README says which runs they show, and of which code.
"""

import argparse
import re
import shutil
import subprocess
import tempfile
from pathlib import Path

from PIL import Image

from leignn.arguments import output_folder
from leignn.config.result import load_results
from leignn.errors import InputError
from leignn.files import replacing, write_text
from leignn.report.page.answer import what_was_run
from leignn.report.runs import Run, load_runs
from leignn.resources import config_file

FIGURES = ("figure1", "figure2", "figure3", "complexity", "figure5")
BLOCK = re.compile(r"(<!-- pictures, generated -->\n).*?(<!-- end -->)", re.DOTALL)
PLACES = re.compile(r'(?<=\s)(d|x|y)="([^"]*)"')  # coordinates; nothing that is read
NUMBER, DECIMALS = re.compile(r"-?[0-9]+\.[0-9]+"), 2  # of a point
BROWSERS = ("chromium", "chromium-browser", "google-chrome")
WINDOW, COLOURS = (1280, 1080), 64


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--folder", type=Path, required=True, help="results/, with the figures and the page")
    parser.add_argument("--runs", type=Path, nargs="+", required=True, help="run folders")
    parser.add_argument("--readme", type=Path, required=True, help="README.md")
    parser.add_argument(
        "--output", type=output_folder, required=True, help="folder of the pictures, beside the README"
    )


def main(args: argparse.Namespace) -> None:
    for name in FIGURES:
        write_text(args.output / f"{name}.svg", smaller(args.folder / f"{name}.svg"))
    browser = next(filter(None, map(shutil.which, BROWSERS)), None)
    if browser:
        photograph(browser, args.folder / "index.html", args.output / "page.png")
    else:
        print(f"No browser ({', '.join(BROWSERS)}) was found: the picture of the page is as it was.")
    text = args.readme.read_text(encoding="utf-8")
    if not BLOCK.search(text):
        raise InputError(f"{args.readme}: no line says <!-- pictures, generated -->")
    folder = args.output.resolve().relative_to(args.readme.resolve().parent).as_posix()
    block = readme_block(folder, load_runs(args.runs), (args.output / "page.png").exists())
    write_text(args.readme, BLOCK.sub(lambda marks: marks[1] + block + marks[2], text))


def smaller(figure: Path) -> str:
    """An SVG with its coordinates rounded to what the eye can see, and without metadata.

    Raises:
        InputError: it cannot be read.
    """
    try:
        svg = figure.read_text(encoding="utf-8")
    except (OSError, ValueError) as error:
        raise InputError(f"{figure} cannot be read: {error}") from error
    svg = re.sub(r"\s*<metadata>.*?</metadata>", "", svg, flags=re.DOTALL)

    def rounded(number: re.Match[str]) -> str:
        return f"{float(number[0]):.{DECIMALS}f}".rstrip("0").rstrip(".")

    return PLACES.sub(lambda place: f'{place[1]}="{NUMBER.sub(rounded, place[2])}"', svg)


def photograph(browser: str, page: Path, picture: Path) -> None:
    """The top of a page as PNG, of few colours.

    Raises:
        InputError: the browser made no picture.
    """
    with tempfile.TemporaryDirectory() as folder, replacing(picture) as temporary:
        taken = Path(folder) / "page.png"
        options = ["--headless", "--no-sandbox", "--disable-gpu", "--hide-scrollbars"]
        options += [f"--window-size={WINDOW[0]},{WINDOW[1]}", f"--user-data-dir={folder}/profile"]
        command = [browser, *options, f"--screenshot={taken}", page.resolve().as_uri()]
        done = subprocess.run(command, capture_output=True, text=True, timeout=120)
        if not taken.exists():
            raise InputError(f"{browser} made no picture of {page}: {done.stderr[-300:]}")
        with Image.open(taken) as image:
            few = image.convert("RGB").quantize(COLOURS, dither=Image.Dither.NONE)
            few.save(temporary, format="PNG", optimize=True)


def readme_block(folder: str, runs: list[Run], page: bool) -> str:
    """The README's part: what was run, the page, and the figures two by two, each a link to itself."""
    results = load_results([config_file(f"results/{name}.yaml") for name in FIGURES])
    parts = [f"{' '.join(what_was_run(runs))} `make docs-figures` renews the pictures.", ""]
    if page:
        parts += [_picture(f"{folder}/page.png", "The results page"), ""]
    cells = [
        f"<td>{_picture(f'{folder}/{name}.svg', result.title)}<br>{result.title}</td>"
        for name, result in sorted(results.items(), key=lambda item: FIGURES.index(item[0]))
    ]
    rows = [f"<tr>{''.join(cells[start : start + 2])}</tr>" for start in range(0, len(cells), 2)]
    return "\n".join([*parts, "<table>", *rows, "</table>", ""])


def _picture(path: str, words: str) -> str:
    return f'<a href="{path}"><img src="{path}" alt="{words}" width="100%"></a>'
