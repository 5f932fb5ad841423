"""Draw Figure 3: how pairwise messages add up to the force on an atom, from a layer of a trained LEIGNN."""

import argparse
from dataclasses import dataclass
from pathlib import Path

import matplotlib.pyplot as plt
import numpy as np
import torch
from ase.data import chemical_symbols
from matplotlib.axes import Axes
from torch import Tensor, nn

from leignn.batch import Batch
from leignn.errors import RunFailedError
from leignn.model import LEIGNN
from leignn.report.drawing import example
from leignn.report.drawing.example import Example, load_example
from leignn.report.drawing.projection import draw_arrows, draw_atoms, draw_lines
from leignn.report.drawing.style import COLOURS, empty_panel, note, number, save_figure, save_gap

ARROW = 2.2  # Å that the longest message is drawn
MARKERS = "osD^vP*X"
PUSH, PULL = COLOURS[4], COLOURS[1]  # light and dark also in grey


@dataclass(frozen=True)
class Messages:
    """What one atom i hears in the first layer, in one channel, and where its force comes from.

    Vectors are zero before the first layer, so that the messages there are the second term of Eq. (2)
    alone: a magnitude φ(x_j)·g(d_ji) along the unit vector u_ji from the neighbour j to i.
    """

    atom: int
    channel: int
    neighbours: np.ndarray  # (k,) atoms j, nearest first
    vectors: np.ndarray  # (k, 3) from i to j, Å
    messages: np.ndarray  # (k, 3) Δv of i by each edge alone
    total: np.ndarray  # (3,) Δv of i by the whole layer
    magnitudes: np.ndarray  # (k,) φ·g, negative where i is drawn towards j
    phases: dict[str, np.ndarray]  # name → (3,) share in the predicted force, eV/Å
    force: np.ndarray  # (3,) predicted, eV/Å


def add_arguments(parser: argparse.ArgumentParser) -> None:
    example.add_arguments(parser)


def main(args: argparse.Namespace) -> None:
    try:
        shown = load_example(args)
    except RunFailedError as error:
        save_gap(str(error), args.output)
        return
    draw(shown, measure_messages(shown), args.output)


@torch.no_grad()
def measure_messages(shown: Example) -> Messages:
    """Take apart the prediction for the free atom with the largest force.

    The channel is the one whose messages in the first layer give that atom most of its force. Eq. (2) is
    a sum over edges: every message is what the first layer returns where that edge is the only one.
    """
    model = shown.trained.potential
    batch = shown.batch(shown.structure)
    forces, vectors = _vectors_by_layer(model, batch)
    before, after = vectors[model.message_layers[0]]

    free = np.flatnonzero(~shown.structure.fixed)
    atom = int(free[torch.linalg.vector_norm(forces[free], dim=1).argmax()])
    total = (after - before)[atom]  # (3, F)
    channel = int((total.norm(dim=0) * model.out_forces.weight[0].abs()).argmax())

    (source, target), between = model.edges(batch)
    edges = torch.nonzero(target == atom).squeeze(1)
    messages = []
    for edge in edges.tolist():
        alone = shown.batch(shown.structure)
        alone.edge_index, alone.cell_offsets = batch.edge_index[:, [edge]], batch.cell_offsets[[edge]]
        alone.neighbors = torch.tensor([1])
        before, after = _vectors_by_layer(model, alone)[1][model.message_layers[0]]
        messages.append((after - before)[atom, :, channel])
    heard = torch.stack(messages)
    directions = -between[edges] / between[edges].norm(dim=1, keepdim=True)  # from j to i
    return Messages(
        atom=atom,
        channel=channel,
        neighbours=source[edges].numpy(),
        vectors=between[edges].numpy(),
        messages=heard.numpy(),
        total=total[:, channel].numpy(),
        magnitudes=(heard * directions).sum(dim=1).numpy(),
        phases={
            name: model.out_forces(change[atom]).squeeze(1).numpy()
            for name, change in _phases(model, vectors)
        },
        force=forces[atom].numpy(),
    )


def _vectors_by_layer(model: LEIGNN, batch: Batch) -> tuple[Tensor, dict[nn.Module, tuple[Tensor, Tensor]]]:
    """Forces (N, 3), and the vectors (N, 3, F) before and after each passing and updating."""
    found = {}

    def keep(layer: nn.Module, inputs: tuple[Tensor, ...], output: tuple[Tensor, Tensor]) -> None:
        found[layer] = inputs[1], output[1]

    hooks = [layer.register_forward_hook(keep) for layer in [*model.message_layers, *model.update_layers]]
    forces = model(batch)["forces"]
    for hook in hooks:
        hook.remove()
    return forces, found


def _phases(model: LEIGNN, vectors: dict[nn.Module, tuple[Tensor, Tensor]]) -> list[tuple[str, Tensor]]:
    """What every phase adds to the vectors (N, 3, F): their sum is what the forces are read from."""
    found: list[tuple[str, Tensor]] = []
    last: Tensor | float = 0.0  # before the first layer
    for layer, modules in enumerate(zip(model.message_layers, model.update_layers, strict=True), 1):
        (before, passed), (_, updated) = (vectors[module] for module in modules)
        if model.global_phases and layer > 1:
            found.append((f"layer {layer}: distributing", before - last))
        found.append((f"layer {layer}: passing", passed - before))
        found.append((f"layer {layer}: updating", updated - passed))
        last = updated
    return found


def draw(shown: Example, found: Messages, output: Path) -> None:
    """Draw the four panels."""
    figure, axes = plt.subplots(2, 2, figsize=(11, 8.6))
    figure.subplots_adjust(left=0.065, right=0.985, top=0.965, bottom=0.1, wspace=0.3, hspace=0.32)
    # The plane in which the messages spread most; the sum lies in it as far as a plane can hold it.
    axes_of_spread = np.linalg.svd(np.vstack([found.messages, found.total]))[2]
    view = axes_of_spread * [[1], [1], [np.linalg.det(axes_of_spread)]]
    _draw_neighbours(axes[0, 0], shown, found, view)
    _draw_sum(axes[0, 1], found, view)
    _draw_magnitudes(axes[1, 0], shown, found)
    _draw_phases(axes[1, 1], shown, found)
    figure.text(0.5, 0.012, shown.caption, fontsize=7.8, color="0.35", ha="center")
    save_figure(figure, output)


def _symbol(shown: Example, atom: int) -> str:
    return chemical_symbols[shown.structure.atomic_numbers[atom]]


def _colours(found: Messages) -> list[str]:
    return [PUSH if magnitude > 0 else PULL for magnitude in found.magnitudes]


def _draw_neighbours(axis: Axes, shown: Example, found: Messages, view: np.ndarray) -> None:
    empty_panel(axis, "a", f"Messages to atom i ({_symbol(shown, found.atom)}) from its neighbours")
    numbers = shown.structure.atomic_numbers
    origin = np.zeros((len(found.vectors), 3))
    draw_lines(axis, origin, found.vectors, view, color="0.8", lw=0.6)
    draw_atoms(axis, found.vectors, numbers[found.neighbours], view, size=0.4)
    draw_atoms(axis, origin[:1], numbers[[found.atom]], view, size=0.4)
    scale = ARROW / np.linalg.norm(found.messages, axis=1).max()
    draw_arrows(axis, origin, scale * found.messages, view, color=_colours(found), width=0.006)
    for rank, place in enumerate(found.vectors @ view.T, 1):
        axis.annotate(
            str(rank), place[:2], xytext=(8, 5), textcoords="offset points", fontsize=6.5, color="0.3"
        )
    axis.autoscale_view()
    pushes = int((found.magnitudes > 0).sum())
    note(
        axis,
        f"Layer 1, channel {found.channel}: each of {len(found.neighbours)} messages is (φ·g) u, "
        f"along the edge: {pushes} push i away from the neighbour (orange), "
        f"{len(found.neighbours) - pushes} draw it near (blue). "
        "Neighbours are numbered by distance.",
        width=80,
    )


def _draw_sum(axis: Axes, found: Messages, view: np.ndarray) -> None:
    empty_panel(axis, "b", "Their sum, head to tail")
    ends = np.cumsum(found.messages, axis=0)
    starts = ends - found.messages
    draw_arrows(axis, starts, found.messages, view, color=_colours(found), width=0.005)
    draw_arrows(axis, np.zeros((1, 3)), found.total[None], view, color="0.2", width=0.012, zorder=5)
    size = np.linalg.norm(found.messages, axis=1)
    for rank in np.flatnonzero(size > 0.2 * size.max()):
        middle = ((starts + ends)[rank] / 2) @ view.T
        axis.annotate(
            str(rank + 1), middle[:2], xytext=(4, 4), textcoords="offset points", fontsize=6.5, color="0.3"
        )
    seen = np.vstack([starts, ends]) @ view.T
    axis.update_datalim(seen[:, :2])
    axis.margins(0.1)
    axis.autoscale_view()
    total, error = found.total, np.abs(found.messages.sum(axis=0) - found.total).max()
    note(
        axis,
        f"Black: Δv of atom i by the whole layer, ({', '.join(number(c, '.4f') for c in total)}). "
        f"The messages' sum differs by {number(error, '.0e')} at most.",
        width=80,
    )


def _draw_magnitudes(axis: Axes, shown: Example, found: Messages) -> None:
    axis.set_title("c   Magnitude φ(xⱼ)·g(dⱼᵢ) of each message", loc="left", fontsize=9.5, fontweight="bold")
    distances = np.linalg.norm(found.vectors, axis=1)
    symbols = np.array([_symbol(shown, j) for j in found.neighbours])
    for marker, symbol in zip(MARKERS, dict.fromkeys(symbols), strict=False):
        of = symbols == symbol
        colours = np.array(_colours(found))[of]
        axis.scatter(distances[of], found.magnitudes[of], c=colours, marker=marker, s=28, zorder=3)
        axis.scatter([], [], c="0.4", marker=marker, s=28, label=f"neighbour {symbol}")
    axis.axhline(0, color="0.5", lw=0.8)
    axis.set(xlabel="distance dⱼᵢ (Å)", ylabel=f"φ·g, channel {found.channel}")
    axis.legend(frameon=False, fontsize=8)
    axis.grid(alpha=0.25)
    axis.spines[["top", "right"]].set_visible(False)


def _draw_phases(axis: Axes, shown: Example, found: Messages) -> None:
    axis.set_title(
        f"d   The force on atom i ({_symbol(shown, found.atom)}), phase by phase",
        loc="left",
        fontsize=9.5,
        fontweight="bold",
    )
    direction = found.force / np.linalg.norm(found.force)
    along = [share @ direction for share in found.phases.values()]
    ends = np.cumsum(along)
    names = list(found.phases)
    for row, (share, end) in enumerate(zip(along, ends, strict=True)):
        axis.barh(row, share, left=end - share, color=PUSH if share > 0 else PULL, height=0.6)
        axis.annotate(
            number(share, "+.3f"),
            (max(end, end - share), row),
            xytext=(3, 0),
            textcoords="offset points",
            fontsize=7.5,
            va="center",
        )
    axis.barh(len(names), ends[-1], color="black", height=0.6)
    axis.annotate(
        number(ends[-1], "+.3f"),
        (max(ends[-1], 0), len(names)),
        xytext=(3, 0),
        textcoords="offset points",
        fontsize=7.5,
        va="center",
    )
    axis.set_yticks(range(len(names) + 1), [*names, "force"], fontsize=8)
    axis.invert_yaxis()
    axis.margins(x=0.15)
    axis.axvline(0, color="0.5", lw=0.8)
    axis.set_xlabel("share along the predicted force (eV/Å)")
    axis.spines[["top", "right"]].set_visible(False)
    reference = shown.structure.forces[found.atom]
    if np.isfinite(reference).all():
        axis.axvline(reference @ direction, color=COLOURS[2], lw=1.4, linestyle="--", label="reference")
        axis.legend(frameon=False, fontsize=8, loc="best")
