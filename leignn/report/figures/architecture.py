"""Draw Figure 2: the architecture of a LEIGNN, read off the model itself.

Modules, sizes and parameters come from an instance of the model, the shapes from one call of it, the
words under each phase's name from its docstring: what the figure says is what the code does.
"""

import argparse
import copy
import textwrap
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import matplotlib.pyplot as plt
import torch
from ase.build import molecule
from matplotlib.axes import Axes
from matplotlib.patches import FancyArrowPatch, FancyBboxPatch
from torch import Tensor, nn

from leignn.arguments import output_file
from leignn.data.frames import collate
from leignn.data.structure import Structure
from leignn.errors import RunFailedError
from leignn.model import LEIGNN
from leignn.report.drawing.example import load_leignn
from leignn.report.drawing.style import COLOURS, save_figure, save_gap

# Where the figure shows each of the model's modules: all of them must be here.
PHASES = {
    "Input": ("atom_emb", "radial_basis", "vn_emb"),
    "Global message distributing": ("global_scalar_layers.mlp_node", "global_vector_layers.mlp_node"),
    "Local message passing": ("message_layers.x_proj", "message_layers.rbf_proj"),
    "Local message updating": ("update_layers.vec_proj", "update_layers.xvec_proj"),
    "Global message aggregating": ("global_scalar_layers.mlp_vn", "global_vector_layers.mlp_vn"),
    "Output": ("out_energy", "out_forces"),
}


@dataclass(frozen=True)
class Part:
    """One module of the model, or its like in all layers: what it is, what it returned."""

    name: str  # as the model names it, without the number of the layer
    content: str  # its own modules and their sizes
    shape: str  # of its result; "" for one that is used without being called
    parameters: int  # of all layers together


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--checkpoint", type=Path, required=True, help="RUN/checkpoint.pt of LEIGNN")
    parser.add_argument("--output", type=output_file, required=True, help="figure (.svg)")


def main(args: argparse.Namespace) -> None:
    try:
        trained = load_leignn(args.checkpoint)
    except RunFailedError as error:
        save_gap(str(error), args.output)
        return
    draw(trained.potential, f"{trained.config.title}, scale {trained.config.scale}", args.output)


def trace(model: LEIGNN) -> dict[str, Part]:
    """Every part of ``model`` by name; N atoms, E edges, B structures in the shapes.

    Raises:
        ValueError: a module has no place in the figure, or is not the same in every layer.
    """
    model = copy.deepcopy(model).double()
    alike: dict[str, list[nn.Module]] = {}
    for name, child in model.named_children():
        layers = child if isinstance(child, nn.ModuleList) else None
        named = (
            [p for layer in layers for p in layer.named_children()] if layers is not None else [("", child)]
        )
        for part, module in named:
            alike.setdefault(f"{name}.{part}".rstrip("."), []).append(module)
    if missing := set(alike) - {name for names in PHASES.values() for name in names}:
        raise ValueError(f"the figure has no place for {sorted(missing)[0]}")

    shapes: dict[nn.Module, tuple[int, ...]] = {}

    def keep(module: nn.Module, _: Any, output: Tensor) -> None:
        shapes[module] = tuple(output.shape)

    hooks = [m.register_forward_hook(keep) for modules in alike.values() for m in modules]
    # The lone atom has no edges: no two of N, E and B are equal.
    structures = [Structure.from_atoms(molecule(name)) for name in ("CH3CH2OH", "H2O", "H")]
    batch = collate(structures, None, torch.float64)
    model(batch)
    for hook in hooks:
        hook.remove()
    rows = {len(batch.pos): "N", batch.edge_index.shape[1]: "E", len(structures): "B"}

    parts = {}
    for name, modules in alike.items():
        seen = {(_content(m), shapes[m]) for m in modules if m in shapes}
        if len(seen) > 1:
            raise ValueError(f"{name} is not the same in every layer: {sorted(map(str, seen))}")
        shape = next(iter(seen))[1] if seen else ()
        parts[name] = Part(
            name=name,
            content=_content(modules[0]),
            shape=" × ".join([rows.get(n, str(n)) if not i else str(n) for i, n in enumerate(shape)]),
            parameters=sum(p.numel() for module in modules for p in module.parameters()),
        )
    return parts


def _content(module: nn.Module) -> str:
    if isinstance(module, nn.Linear):
        return f"Linear {module.in_features}→{module.out_features}"
    if isinstance(module, nn.Embedding):
        return f"Embedding {module.num_embeddings} × {module.embedding_dim}"
    return ", ".join(map(_content, module.children())) or type(module).__name__


def _words(model: LEIGNN) -> dict[str, list[str]]:
    """What the code says of each phase: the first sentence of its docstring."""
    described: dict[str, list[Any]] = {
        "Local message passing": [type(model.message_layers[0])],
        "Local message updating": [type(model.update_layers[0])],
    }
    if model.global_phases:
        pair: list[Any] = [type(model.global_scalar_layers[0]), type(model.global_vector_layers[0])]
        described["Global message distributing"] = [layer.distribute for layer in pair]
        described["Global message aggregating"] = [layer.aggregate for layer in pair]
    return {name: [_sentence(item) for item in items] for name, items in described.items()}


def _sentence(item: Any) -> str:
    return item.__doc__.strip().splitlines()[0].split(";")[0].rstrip(".")


# Left, bottom, width, height of each box, in inches.
BOXES = {
    "Input": (0.15, 3.35, 2.0, 2.1),
    "Global message distributing": (2.75, 3.35, 3.0, 2.1),
    "Local message passing": (6.15, 3.35, 3.0, 2.1),
    "Local message updating": (6.15, 0.95, 3.0, 2.0),
    "Global message aggregating": (2.75, 0.95, 3.0, 2.0),
    "Output": (9.75, 0.95, 1.7, 2.0),
}
WIDTH, HEIGHT = 11.55, 6.2


def draw(model: LEIGNN, caption: str, output: Path) -> None:
    """Draw the phases as a cycle, with the model's parts in them."""
    parts, words = trace(model), _words(model)
    figure = plt.figure(figsize=(WIDTH, HEIGHT))
    axis = figure.add_axes((0, 0, 1, 1))
    axis.set(xlim=(0, WIDTH), ylim=(0, HEIGHT))
    axis.set_axis_off()
    axis.add_patch(
        FancyBboxPatch(
            (2.6, 0.7), 6.7, 5.0, boxstyle="round,pad=0,rounding_size=0.12", fill=False, ls="--", ec="0.4"
        )
    )
    layers = len(model.message_layers)
    axis.text(2.65, 5.77, f"{layers} layers, one after the other", fontsize=9, color="0.25")
    colours = dict(
        zip(PHASES, ("#EEEEEE", "#FBE3D4", "#D9E9F5", "#D5EFE6", "#F8E8F1", "#EEEEEE"), strict=True)
    )
    for phase, names in PHASES.items():
        held = [parts[name] for name in names if name in parts]
        _box(axis, BOXES[phase], colours[phase], phase, words.get(phase, []), held)
    _arrows(axis, model)
    graph, total = model.graph, sum(part.parameters for part in parts.values())
    axis.text(
        0.15,
        0.3,
        f"{caption}: {total:,} parameters, counted over all layers. N atoms, E edges (up to "
        f"{graph.max_neighbors} nearest neighbours within {graph.cutoff:g} Å), B structures; "
        "scalars x and s, vectors v and w.",
        fontsize=7.8,
        color="0.35",
    )
    save_figure(figure, output)


def _box(
    axis: Axes,
    place: tuple[float, float, float, float],
    colour: str,
    title: str,
    words: list[str],
    parts: list[Part],
) -> None:
    left, bottom, width, height = place
    style = {"fc": colour, "ec": "0.3"} if parts else {"fill": False, "ec": "0.6", "ls": ":"}
    axis.add_patch(
        FancyBboxPatch((left, bottom), width, height, boxstyle="round,pad=0,rounding_size=0.08", **style)
    )
    y = bottom + height - 0.1
    axis.text(left + 0.1, y, title, fontsize=9, fontweight="bold", va="top")
    y -= 0.25
    columns = int(width * 17.5)
    for text, size, ink, indent in _lines(words, parts):
        for line in textwrap.wrap(text, columns - round(8 * indent), break_long_words=False):
            axis.text(left + 0.1 + indent, y, line, fontsize=size, color=ink, va="top")
            y -= 0.0185 * size
        y -= 0.025
    if not parts:
        axis.text(left + 0.1, y, "not in this model", fontsize=7.5, color="0.4", va="top")


def _lines(words: list[str], parts: list[Part]) -> list[tuple[str, float, str, float]]:
    """Text, size, colour and indent of everything below a box's title."""
    lines = [(sentence, 7.2, COLOURS[1], 0.0) for sentence in words]
    for part in parts:
        lines.append((part.name, 7.5, "black", 0.0))
        lines.append((part.content, 7.0, "0.2", 0.1))
        counted = f"{part.parameters:,} parameters" if part.parameters else "no parameters"
        lines.append((f"{part.shape}; {counted}" if part.shape else counted, 7.0, "0.2", 0.1))
    return lines


def _arrows(axis: Axes, model: LEIGNN) -> None:
    def arrow(
        start: tuple[float, float], end: tuple[float, float], text: str, side: tuple[float, float]
    ) -> None:
        axis.add_patch(FancyArrowPatch(start, end, arrowstyle="-|>", mutation_scale=12, lw=1.3, color="0.2"))
        middle = ((start[0] + end[0]) / 2 + side[0], (start[1] + end[1]) / 2 + side[1])
        axis.text(*middle, text, fontsize=8.5, ha="center", va="center")

    if model.global_phases:
        arrow((2.15, 4.4), (2.75, 4.4), "x, v\ns, w", (-0.08, 0.27))
        arrow((5.75, 4.4), (6.15, 4.4), "x, v", (0, 0.14))
        arrow((7.65, 3.35), (7.65, 2.95), "x, v", (0.28, 0))
        arrow((6.15, 1.95), (5.75, 1.95), "x, v", (0, 0.14))
        arrow((4.25, 2.95), (4.25, 3.35), "x, v, s, w: next layer", (0.85, 0))
    else:
        arrow((2.15, 4.4), (6.15, 4.4), "x, v", (-1.75, 0.14))
        arrow((7.3, 3.35), (7.3, 2.95), "x, v", (-0.28, 0))
        arrow((8.0, 2.95), (8.0, 3.35), "x, v: next layer", (0.6, 0))
    arrow((9.15, 1.95), (9.75, 1.95), "x, v", (0.08, 0.14))
