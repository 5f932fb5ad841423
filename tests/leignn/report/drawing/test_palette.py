"""One colour and line a model: the same in every figure, told apart also by colour-blind readers."""

import itertools
import re
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import yaml
from made_runs import make_run

from leignn.config.result import load_results
from leignn.report.drawing.palette import LOOKS, look
from leignn.report.figures.complexity import plot_complexity
from leignn.report.figures.learning_curves import plot_learning_curves
from leignn.report.figures.limitations import plot_limitations
from leignn.report.runs import TRIVIAL, load_runs
from leignn.resources import config_files

# How linear sRGB is seen without one kind of cone: Machado et al., IEEE TVCG 15, 1291 (2009).
SIGHT = {
    "all cones": np.eye(3),
    "protanopia": [
        [0.152286, 1.052583, -0.204868],
        [0.114503, 0.786281, 0.099216],
        [-0.003882, -0.048116, 1.051998],
    ],
    "deuteranopia": [
        [0.367322, 0.860646, -0.227968],
        [0.280085, 0.672501, 0.047413],
        [-0.011820, 0.042940, 0.968881],
    ],
}
XYZ = [
    [0.4124564, 0.3575761, 0.1804375],
    [0.2126729, 0.7151522, 0.0721750],
    [0.0193339, 0.1191920, 0.9503041],
]
WHITE = [0.95047, 1.0, 1.08883]
CLEAR = 15  # CIE 1976 colour difference; 2.3 is just noticeable for patches side by side


def lab(colour: str, sight: str) -> np.ndarray:
    """CIE L*a*b* of an sRGB colour (IEC 61966-2-1, D65) as somebody sees it."""
    rgb = np.array([int(colour[i : i + 2], 16) for i in (1, 3, 5)]) / 255
    linear = np.where(rgb <= 0.04045, rgb / 12.92, ((rgb + 0.055) / 1.055) ** 2.4)
    ratio = np.array(XYZ) @ np.clip(np.array(SIGHT[sight]) @ linear, 0, 1) / WHITE
    f = np.where(ratio > 216 / 24389, np.cbrt(ratio), (24389 / 27 * ratio + 16) / 116)
    return np.array([116 * f[1] - 16, 500 * (f[0] - f[1]), 200 * (f[1] - f[2])])


def titles(names: list[str]) -> list[str]:
    files = config_files("models")
    return [yaml.safe_load(files[name].read_text())["title"] for name in names]


def test_every_model_that_ships_has_a_look_of_its_own() -> None:
    shipped = titles([name for name in config_files("models") if name != "trivial"])
    assert set(shipped) <= set(LOOKS)
    assert len({look(title) for title in LOOKS}) == len(LOOKS)


@pytest.mark.parametrize("sight", SIGHT)
def test_models_of_one_result_are_told_apart(sight) -> None:
    """By the line, or by a colour that is clearly another; and every colour is seen on white."""
    results = load_results(list(config_files("results").values()))
    shown = [titles([m for m in result.models_at("mini") if m != "trivial"]) for result in results.values()]
    assert max(map(len, shown)) >= 8
    for members in shown:
        for one, two in itertools.combinations(members, 2):
            apart = np.linalg.norm(lab(look(one).colour, sight) - lab(look(two).colour, sight))
            assert look(one).line != look(two).line or apart > CLEAR, (one, two, apart)
        for title in members:
            assert np.linalg.norm(lab(look(title).colour, sight) - lab("#FFFFFF", sight)) > CLEAR


def test_a_variant_has_its_models_colour_and_a_new_model_always_the_same() -> None:
    assert look("LEIGNN (plain)").colour == look("LEIGNN, as written").colour == look("LEIGNN").colour
    assert look("LEIGNN (plain)") != look("LEIGNN")
    assert look("Pairs") == look("Pairs") and look("Pairs").line not in {"-", "--", ":"}


def drawn_colours(svg: Path, colours: set[str]) -> set[str]:
    return set(re.findall("|".join(colours), svg.read_text().upper()))


def test_a_model_has_its_colour_in_every_figure(tmp_path) -> None:
    """Whatever other models stand before it."""
    models = ["SchNet", "LEIGNN", "PaiNN"]
    colours = {look(title).colour for title in models}
    runs = load_runs([make_run(tmp_path, t.lower(), t) for t in models])
    others = load_runs([make_run(tmp_path / "more", t.lower(), t) for t in ("MACE", "LEIGNN")])
    plot_learning_curves(runs, tmp_path / "curves.svg")
    plot_learning_curves(others, tmp_path / "others.svg")
    every = {shown.colour for shown in LOOKS.values()}
    assert drawn_colours(tmp_path / "curves.svg", every) == colours
    assert drawn_colours(tmp_path / "others.svg", every) == {look("MACE").colour, look("LEIGNN").colour}

    limits = {"experiment": "nve_drift", "direct_forces": True, "timestep_fs": [1.0, 2.0] * 3}
    limits |= {"model": np.repeat(models, 2), "value": 1.0, "stderr": 0.1, "dataset": "d", "stand_in": True}
    plot_limitations(pd.DataFrame(limits | {"scale": "mini", "separation_ang": 5.0}), tmp_path / "l.svg")
    assert drawn_colours(tmp_path / "l.svg", every) == colours

    limits |= {"experiment": "pair_energy", "separation_ang": [5.0, 9.0] * 3, "scale": "mini"}
    limits |= {"model": np.repeat(["LEIGNN", "Vanilla + NMU", "Vanilla"], 2)}
    plot_limitations(pd.DataFrame(limits), tmp_path / "pairs.svg")
    assert drawn_colours(tmp_path / "pairs.svg", every) == {look("LEIGNN").colour}
    dashes = re.findall(r"stroke-dasharray: ([\d., ]+)", (tmp_path / "pairs.svg").read_text())
    assert len(set(dashes)) == 2  # of one family: told apart by the line, the first is solid

    rows = []
    for title in models:
        for point, size in (("training structures", 40), ("atoms", 16), ("atoms", 64), ("neighbors", 20)):
            numbers = dict.fromkeys(
                ("train_ms", "train_ms_low", "train_ms_high", "inference_ms", "inference_ms_low",
                 "inference_ms_high", "parameters", "inference_gflop", "opcounter_gmac", "train_memory_mb",
                 "inference_memory_mb", "train_ratio", "inference_ratio"), 2.0,
            )  # fmt: skip
            rows.append({"title": title, "point": point, "atoms": size, "neighbors": 20.0, **numbers})
    table = pd.DataFrame(rows).assign(
        device="cpu",
        hardware="a CPU",
        threads=1,
        scale="mini",
        published_ratio=np.nan,
        status="ok",
        model="m",
        form="only",
    )
    plot_complexity(table, tmp_path / "c.svg")
    assert drawn_colours(tmp_path / "c.svg", every) == colours


def test_each_panel_of_learning_curves_has_its_own_models(tmp_path) -> None:
    runs = [make_run(tmp_path, "leignn", "LEIGNN"), make_run(tmp_path, "trivial", TRIVIAL)]
    runs += [make_run(tmp_path, "leignn", "LEIGNN", seed=1)]
    plot_learning_curves(load_runs(runs), tmp_path / "curves.svg")
    svg = (tmp_path / "curves.svg").read_text()
    assert svg.count(f">{TRIVIAL}<") == 2 and svg.count(">LEIGNN<") == 2 and "2 seeds" in svg


def test_where_the_trivial_predictor_was_not_run_its_errors_stand_for_it(tmp_path) -> None:
    """Those of the test split, which scoring leaves with every run."""
    plot_learning_curves(load_runs([make_run(tmp_path, "leignn", "LEIGNN")]), tmp_path / "curves.svg")
    svg = (tmp_path / "curves.svg").read_text()
    assert svg.count(">Zero forces, test split<") == svg.count(">Mean energy, test split<") == 1
    assert TRIVIAL not in svg
