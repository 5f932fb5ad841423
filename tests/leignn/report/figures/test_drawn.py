"""Figures 1 to 3: what they show is what the code computes."""

import dataclasses
import re
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import torch
from ase import Atoms
from ase.data import atomic_numbers
from made_runs import run_config
from scipy.spatial.transform import Rotation

from baselines.schnet import SchNet
from leignn.cli import main
from leignn.data.frames import collate
from leignn.data.store import write_store
from leignn.data.structure import Structure
from leignn.graph import GraphSpec
from leignn.model import LEIGNN
from leignn.report.drawing.example import Example
from leignn.report.drawing.geometry import (
    angle,
    cis_and_trans,
    dihedral,
    hexagon_and_triangles,
    indistinguishable,
)
from leignn.report.drawing.symmetry import measure_symmetry
from leignn.report.figures.architecture import draw, trace
from leignn.report.figures.messages import measure_messages
from leignn.report.page.grid import grids_of
from leignn.report.tables.read import declared_table, read_table
from leignn.resources import config_file
from leignn.trained import TrainedPotential, load_trained, save_failure

BOND, CUTOFF = 2.5, 3.75
MODEL = {"hidden_channels": 16, "num_layers": 3, "num_rbf": 8}


def trained(graph: GraphSpec, **changes) -> TrainedPotential:
    torch.manual_seed(3)
    potential = LEIGNN(graph, **MODEL | changes)
    config = run_config(hyperparameters=MODEL | changes, graph=dataclasses.asdict(graph))
    return TrainedPotential(potential, config, 0.0, range(1, 119)).eval().requires_grad_(False)


def structure_of(pos: np.ndarray, symbol: str = "C") -> Structure:
    n = len(pos)
    return Structure(
        pos=pos,
        atomic_numbers=np.full(n, atomic_numbers[symbol], dtype=np.uint8),
        cell=np.zeros((3, 3)),
        pbc=np.zeros(3, dtype=bool),
        tags=np.zeros(n, dtype=np.int8),
        fixed=np.zeros(n, dtype=bool),
        energy=np.nan,
        forces=np.full((n, 3), 0.1, dtype=np.float32),
        system_id="made",
    )


def test_geometry_against_ase() -> None:
    pos = np.random.default_rng(0).normal(size=(4, 3))
    atoms = Atoms("C4", positions=pos)
    assert angle(pos, 0, 1, 2) == pytest.approx(atoms.get_angle(0, 1, 2), abs=1e-5)
    torsion = atoms.get_dihedral(0, 1, 2, 3)
    assert dihedral(pos, 0, 1, 2, 3) == pytest.approx(min(torsion, 360 - torsion), abs=1e-5)


@pytest.mark.parametrize(
    ("pair", "told_apart_by"), [(hexagon_and_triangles, "angles"), (cis_and_trans, "dihedrals")]
)
def test_refinement_says_what_tells_a_pair_apart(pair, told_apart_by) -> None:
    one, two = pair(BOND)
    levels = ["distances", "angles", "dihedrals"]
    first = levels.index(told_apart_by)
    found = [indistinguishable(one, two, CUTOFF, level) for level in levels]
    assert found == [number < first for number in range(3)]
    turned = one[::-1] @ Rotation.from_rotvec([1, 2, 3]).as_matrix().T
    assert all(indistinguishable(one, turned, CUTOFF, level) for level in levels)


def test_a_network_of_distances_agrees_and_leignn_does_not() -> None:
    """SchNet, with random weights, cannot tell the first pair apart; vectors can, and the second too."""
    graph = GraphSpec(CUTOFF, 20)
    torch.manual_seed(0)
    schnet = SchNet(graph, 16, 16, 3, 10).double()
    leignn = LEIGNN(graph, **MODEL).double()
    for pair in (hexagon_and_triangles, cis_and_trans):
        batches = [collate([structure_of(pos)], None, torch.float64) for pos in pair(BOND)]
        one, two = (float(schnet(batch)["energy"].detach()) for batch in batches)
        assert one == pytest.approx(two, abs=1e-10)
        one, two = (float(leignn(batch)["energy"].detach()) for batch in batches)
        assert abs(one - two) > 1e-6


def test_symmetry_is_exact_with_the_same_edges_and_broken_by_ties() -> None:
    rotation = Rotation.from_rotvec([0.3, -1, 0.7]).as_matrix()
    pos = np.array([[0.0, 0, 0], [2, 0, 0], [-2, 0, 0], [0, 2, 0], [0, -2, 0], [0, 0, 2], [0, 0, -2]])
    tied = measure_symmetry(Example(trained(GraphSpec(2.5, 4)).double(), structure_of(pos)), rotation)
    assert tied.carried_energy_change < 1e-12 and tied.carried_force_change < 1e-12
    assert tied.changed_edges and tied.rebuilt_force_change > 1e-6
    whole = measure_symmetry(Example(trained(GraphSpec(2.5, 6)).double(), structure_of(pos)), rotation)
    assert whole.changed_edges == 0 and whole.rebuilt_force_change < 1e-12


@pytest.fixture
def shown() -> Example:
    rng = np.random.default_rng(5)
    structure = structure_of(rng.uniform(-2.5, 2.5, (9, 3)))
    structure.atomic_numbers[:4] = 8
    return Example(trained(GraphSpec(6.0, 20)).double(), structure)


def test_messages_add_up_to_the_layers_vector_and_to_the_force(shown) -> None:
    """Against Eq. (2), written out for one atom and one channel."""
    found = measure_messages(shown)
    model = shown.trained.potential
    batch = shown.batch(shown.structure)
    forces = model(batch)["forces"].numpy()
    assert found.atom == np.linalg.norm(forces, axis=1).argmax()
    np.testing.assert_allclose(found.messages.sum(axis=0), found.total, atol=1e-12)
    np.testing.assert_allclose(sum(found.phases.values()), forces[found.atom], atol=1e-12)

    layer, width, c = model.message_layers[0], MODEL["hidden_channels"], found.channel
    s = torch.zeros(1, width, dtype=torch.float64) + model.vn_emb.weight
    x = model.atom_emb(batch.atomic_numbers)
    x = model.global_scalar_layers[0].distribute(x, s, batch.batch)
    for j, vector, message, magnitude in zip(
        found.neighbours, found.vectors, found.messages, found.magnitudes, strict=True
    ):
        np.testing.assert_allclose(
            vector, shown.structure.pos[j] - shown.structure.pos[found.atom], atol=1e-12
        )
        length = np.linalg.norm(vector)
        basis = model.radial_basis(torch.tensor([length]))
        phi = layer.x_proj(x[[j]])[0, width + c] / 3**0.5
        g = layer.rbf_proj(basis)[0, width + c]
        assert magnitude == pytest.approx(float(phi * g) / width**0.5, abs=1e-12)
        np.testing.assert_allclose(message, -magnitude * vector / length, atol=1e-12)


def text_of(svg: Path) -> str:
    return " ".join(re.findall(r">([^<>]+)</(?:text|tspan)>", svg.read_text()))


def test_architecture_is_read_off_the_model(tmp_path) -> None:
    graph = GraphSpec(6.0, 20)
    models = {
        "leignn": LEIGNN(graph, **MODEL),
        "wider": LEIGNN(graph, 24, 2, 12),
        "vanilla": LEIGNN(graph, **MODEL, update="painn", global_phases=False),
    }
    texts = {}
    for name, model in models.items():
        draw(model, name, tmp_path / f"{name}.svg")
        texts[name] = text_of(tmp_path / f"{name}.svg")
        parts = trace(model)
        total = sum(p.numel() for p in model.parameters())
        assert sum(part.parameters for part in parts.values()) == total
        assert f"{total:,} parameters" in texts[name]
    assert "Linear 16→8, ScaledSiLU, Linear 8→48" in texts["leignn"] and "3 layers" in texts["leignn"]
    assert "Linear 24→12, ScaledSiLU, Linear 12→72" in texts["wider"] and "2 layers" in texts["wider"]
    assert "NMU" in texts["leignn"] and "NMU" not in texts["vanilla"]
    assert "not in this model" in texts["vanilla"] and "not in this model" not in texts["leignn"]
    assert trace(models["wider"])["update_layers.xvec_proj"].shape == "N × 72"
    models["leignn"].extra = torch.nn.Linear(2, 2)
    with pytest.raises(ValueError, match="no place for extra"):
        draw(models["leignn"], "", tmp_path / "other.svg")


@pytest.fixture
def arguments(tmp_path, shown) -> list[str]:
    """Arguments of the commands, for a data set of one structure."""
    write_store(tmp_path / "stores" / "all", [[shown.structure]], {})
    (tmp_path / "splits").mkdir()
    rows = pd.DataFrame({"part": ["all"], "index": [0], "system_id": ["made"], "frame": [0]})
    rows.to_csv(tmp_path / "splits" / "test.csv", index=False)
    trained(GraphSpec(6.0, 20)).save(tmp_path / "checkpoint.pt")
    data = ["--stores", str(tmp_path / "stores"), "--splits", str(tmp_path / "splits"), "--split", "test"]
    return ["--checkpoint", str(tmp_path / "checkpoint.pt"), *data, "--output", str(tmp_path / "figure.svg")]


def test_commands_draw_the_same_file_again_and_print_their_numbers(tmp_path, arguments, shown) -> None:
    numbers = ["--numbers", str(tmp_path / "symmetry.csv")]
    for command, extra in (("plot-graphs", numbers), ("plot-messages", [])):
        drawn = []
        for _ in range(2):
            assert main([command, *arguments, *extra]) == 0
            drawn.append((tmp_path / "figure.svg").read_bytes())
        assert drawn[0] == drawn[1]
        if command == "plot-graphs":
            text = text_of(tmp_path / "figure.svg")
            row = pd.read_csv(tmp_path / "symmetry.csv").iloc[0]
            assert row["carried_force_change_mev_per_ang"] < 1e-9 and row["stand_in"]
            apart = np.linalg.norm(shown.structure.pos[:, None] - shown.structure.pos, axis=2)
            edges = ((apart > 0) & (apart < 6)).sum()
            assert f"9 atoms, {edges} edges" in text and "120°" in text and "dihedral 180°" in text
            energy = float(shown.trained(shown.batch(shown.structure))["energy"])
            assert f"E = {energy:.6f} eV".replace("-", "−") in text


def test_another_model_is_one_sentence_and_a_failed_run_a_gap(tmp_path, arguments, capsys) -> None:
    checkpoint = tmp_path / "checkpoint.pt"
    config = load_trained(checkpoint).config
    save_failure(checkpoint, config, "the loss is nan")
    taken = {
        "plot-architecture": [*arguments[:2], *arguments[-2:]],
        "plot-messages": arguments,
        "plot-graphs": [*arguments, "--numbers", str(tmp_path / "symmetry.csv")],
    }
    for command in taken:
        assert main([command, *taken[command]]) == 0
        assert "the loss is nan" in text_of(tmp_path / "figure.svg")
    declared = declared_table(config_file("results/symmetry.yaml"))
    (grid,) = grids_of(read_table(tmp_path / "symmetry.csv", declared), declared, [])
    assert grid.rows == []
    numbers = {"hidden_channels": 8, "num_filters": 8, "num_interactions": 1, "num_gaussians": 4}
    other = run_config(potential="baselines.schnet:SchNet", hyperparameters=numbers)
    TrainedPotential(SchNet(GraphSpec(6.0, 20), **numbers), other, 0.0, range(1, 119)).save(checkpoint)
    assert main(["plot-messages", *arguments]) == 2
    assert "holds a SchNet, not a LEIGNN" in capsys.readouterr().err
