"""What all figures share: colours, fonts, and how a figure becomes a file."""

import textwrap
from pathlib import Path
from typing import Any

import matplotlib

matplotlib.use("svg")
import matplotlib.pyplot as plt
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from leignn.files import replacing
from leignn.report.drawing.palette import look

# Okabe and Ito's colours, distinct to colour-blind readers, for what is no model; models: palette.py.
COLOURS = ["#D55E00", "#0072B2", "#009E73", "#CC79A7", "#E69F00", "#56B4E9", "#F0E442", "#000000"]
# Text stays text, and equal input gives an equal file.
matplotlib.rcParams |= {"svg.hashsalt": "leignn", "font.size": 9, "svg.fonttype": "none"}


def line_of(title: str) -> dict[str, Any]:
    """Colour and line of the model called ``title``, as matplotlib's arguments."""
    shown = look(title)
    return {"color": shown.colour, "linestyle": shown.line}


def save_figure(figure: Figure, output: Path) -> None:
    """Write ``figure`` as SVG and close it."""
    with replacing(output) as temporary:
        figure.savefig(temporary, format="svg", metadata={"Date": None})
    plt.close(figure)


def save_gap(reason: str, output: Path) -> None:
    """In place of a figure: why there is none."""
    figure = plt.figure(figsize=(9.5, 0.6))
    figure.text(0.5, 0.5, f"Not drawn: {reason}", ha="center", va="center", wrap=True)
    save_figure(figure, output)


def empty_panel(axis: Axes, letter: str, title: str) -> None:
    """A panel without axes, of equal scale in both directions, with its letter and title."""
    axis.set_axis_off()
    axis.set_aspect("equal", adjustable="datalim")
    axis.set_title(f"{letter}   {title}", loc="left", fontsize=9.5, fontweight="bold")


def note(axis: Axes, text: str, width: int = 62) -> None:
    """Text under a panel, wrapped at ``width`` characters."""
    lines = [line for part in text.splitlines() for line in textwrap.wrap(part, width)]
    box = axis.get_position(original=True)
    axis.figure.text(box.x0, box.y0 - 0.012, "\n".join(lines), fontsize=7.8, va="top", linespacing=1.4)


def number(value: float, form: str) -> str:
    """``value`` formatted, with a true minus sign."""
    return f"{value:{form}}".replace("-", "−")
