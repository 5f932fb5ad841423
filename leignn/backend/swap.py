"""Exchange the modules of a LEIGNN for accelerated ones, and back."""

from typing import Any, TypeVar

from torch import nn

from leignn import adaptive_cutoff, conservative, model
from leignn.backend import (
    band,
    embedding,
    global_phases,
    messages,
    products,
    radii,
    smooth_band,
    smooth_messages,
    updating,
)

Module = TypeVar("Module", bound=nn.Module)

ACCELERATED: dict[type[nn.Module], type[nn.Module]] = {
    model.AtomEmbedding: embedding.AtomEmbedding,
    model.RadialBasis: band.RadialBasis,
    model.LocalMessagePassing: messages.LocalMessagePassing,
    model.NovelMessageUpdating: updating.NovelMessageUpdating,
    model.GlobalScalar: global_phases.GlobalScalar,
    model.GlobalVector: global_phases.GlobalVector,
    adaptive_cutoff.AdaptiveCutoff: radii.AdaptiveCutoff,
    conservative.SmoothBasis: smooth_band.SmoothBasis,
    conservative.SmoothMessagePassing: smooth_messages.SmoothMessagePassing,
    nn.Linear: products.Linear,
}
PLAIN = {accelerated: plain for plain, accelerated in ACCELERATED.items()}


def accelerate(potential: Module) -> Module:
    """Let every LEIGNN in ``potential`` compute faster, the same but for rounding.

    Its modules change their class in place: parameters, their names and the modules' states stay. Other
    models stay as they are, and so do subclasses of LEIGNN and of its modules, which may compute
    something else. Hooks are called but on three parts that something compiled contains: ``rbf_proj``,
    ``GlobalScalar.mlp_node`` and, on a GPU, ``atom_emb.embeddings``.

    Returns:
        ``potential`` itself.
    """
    for network in potential.modules():
        if type(network) is model.LEIGNN and all(
            type(layer) is model.LocalMessagePassing for layer in network.message_layers
        ):
            _accelerate(network)
        if type(network) is conservative.ConservativeLEIGNN:
            _accelerate_conservative(network)
    return potential


def plain(potential: Module) -> Module:
    """Undo :func:`accelerate`: every LEIGNN in ``potential`` computes by its equations' own modules.

    Returns:
        ``potential`` itself.
    """
    _exchange(PLAIN, *potential.modules())
    return potential


def _accelerate(network: model.LEIGNN) -> None:
    basis: Any = network.radial_basis
    messages: Any = network.message_layers
    scalars: Any = network.global_scalar_layers if network.global_phases else []
    vectors: Any = network.global_vector_layers if network.global_phases else []
    _exchange(ACCELERATED, network.atom_emb, basis, *messages, *scalars, *vectors)
    # Products with a row for every atom; the first of a scalar's is taken apart by the layer itself.
    products = [message.x_proj for message in messages]
    products += [network.update_layers, *(scalar.mlp_node[1:] for scalar in scalars)]
    products += [vector.mlp_node for vector in vectors]
    for part in products:
        _exchange(ACCELERATED, *part.modules())
    basis.channels = network.out_forces.in_features
    for layers in (messages, vectors):
        for number, layer in enumerate(layers):
            layer.first = number == 0
    for layers in (scalars, vectors):
        for number, layer in enumerate(layers, 1):
            layer.last = number == len(layers)


def _accelerate_conservative(network: conservative.ConservativeLEIGNN) -> None:
    basis: Any = network.radial_basis
    messages: Any = network.message_layers
    _exchange(ACCELERATED, network.radii, basis, *messages)
    for part in (*(message.x_proj for message in messages), network.update_layers):
        _exchange(ACCELERATED, *part.modules())
    basis.channels = network.atom_emb.embeddings.embedding_dim
    for number, layer in enumerate(messages):
        layer.first = number == 0


def _exchange(classes: dict[type[nn.Module], type[nn.Module]], *modules: nn.Module) -> None:
    """Change the class of each of ``modules`` that is in ``classes``."""
    for module in modules:
        if type(module) in classes:
            module.__class__ = classes[type(module)]
