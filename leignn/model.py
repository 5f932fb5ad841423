"""LEIGNN and its two ablations.

Yang et al., *Lightweight equivariant model for efficient machine learning interatomic potentials*.
Equation numbers are the paper's. N atoms, E edges, B structures, F hidden channels, R radial basis
functions. Scalars are (N, F), vectors (N, 3, F). Parameters bear the names of the published
checkpoints, so that these load as they are.
"""

import math
from dataclasses import dataclass
from typing import Literal

import torch
from torch import Tensor, nn
from torch_geometric.data import Batch

from leignn import fast
from leignn.graph import GraphSpec
from leignn.potential import Potential


class ScaledSiLU(nn.Module):
    """SiLU(t)/0.6, of unit variance for normal input (GemNet)."""

    def forward(self, value: Tensor) -> Tensor:
        return nn.functional.silu(value) * (1 / 0.6)


def linear(inputs: int, outputs: int, bias: bool = True) -> nn.Linear:
    """A linear map, Xavier-uniform weights and zero bias."""
    layer = nn.Linear(inputs, outputs, bias=bias)
    nn.init.xavier_uniform_(layer.weight)
    if bias:
        nn.init.zeros_(layer.bias)
    return layer


def sum_to(index: Tensor, values: Tensor, size: int) -> Tensor:
    """Sum ``values`` (E, …) into ``size`` rows by ``index`` (E,)."""
    return values.new_zeros((size, *values.shape[1:])).index_add_(0, index, values)


class AtomEmbedding(nn.Module):
    """One trainable row of F for each atomic number, uniform in ±√3."""

    def __init__(self, hidden_channels: int, num_elements: int) -> None:
        super().__init__()
        self.embeddings = nn.Embedding(num_elements, hidden_channels)
        nn.init.uniform_(self.embeddings.weight, -math.sqrt(3), math.sqrt(3))

    def forward(self, atomic_numbers: Tensor) -> Tensor:
        return self.embeddings(atomic_numbers)


class RadialBasis(nn.Module):
    """Gaussians of the scaled distance under a polynomial envelope.

    e_k(d) = env(d/D) exp(−½ ((d/D − μ_k)/Δ)²), env(t) = 1 − 21 t⁵ + 35 t⁶ − 15 t⁷.
    """

    def __init__(self, num_rbf: int, cutoff: float) -> None:
        super().__init__()
        self.cutoff = cutoff
        self.num_rbf = num_rbf

    def forward(self, distance: Tensor) -> Tensor:
        """(E,) distances in Å to (E, R)."""
        # Made here and not kept: a buffer cast to float64 would keep its float32 rounding.
        return self._values(distance, torch.arange(self.num_rbf, device=distance.device))

    def nonzero(self, distance: Tensor, reach: int) -> tuple[Tensor, Tensor]:
        """The T = 2 · ``reach`` + 1 Gaussians next to each distance: the first (E,) and all values (E, T)."""
        width = min(2 * reach + 1, self.num_rbf)
        nearest = torch.round(distance / self.cutoff * (self.num_rbf - 1)).long()
        first = (nearest - reach).clamp(0, self.num_rbf - width)
        numbers = first.unsqueeze(1) + torch.arange(width, device=distance.device)
        return first, self._values(distance, numbers)

    def _values(self, distance: Tensor, numbers: Tensor) -> Tensor:
        scaled = (distance / self.cutoff).unsqueeze(-1)
        envelope = 1 + scaled**5 * (-21 + scaled * (35 - 15 * scaled))
        envelope = torch.where(scaled < 1, envelope, 0)
        return envelope * torch.exp(-0.5 * (scaled * (self.num_rbf - 1) - numbers) ** 2)


@dataclass(frozen=True)
class Edges:
    """Edges as the equations have them; :class:`leignn.fast.Edges` are the same for the CPU.

    Attributes:
        index: (2, E) source and target.
        basis: (E, R) radial basis.
        direction: (E, 3) unit vectors u_ji from source to target.
    """

    index: Tensor
    basis: Tensor
    direction: Tensor


class LocalMessagePassing(nn.Module):
    """Messages from the neighbours of each atom, Eqs. (1) and (2)."""

    def __init__(self, hidden_channels: int, num_rbf: int) -> None:
        super().__init__()
        self.x_proj = nn.Sequential(
            linear(hidden_channels, hidden_channels // 2),
            ScaledSiLU(),
            linear(hidden_channels // 2, 3 * hidden_channels),
        )
        self.rbf_proj = linear(num_rbf, 3 * hidden_channels)

    def forward(self, x: Tensor, v: Tensor | None, edges: "Edges | fast.Edges") -> tuple[Tensor, Tensor]:
        """Update scalars and vectors.

        Args:
            x: (N, F) scalars.
            v: (N, 3, F) vectors; None where they are zero.
            edges: who sends to whom.
        """
        channels = x.shape[1]
        phi = fast.apply(self.x_proj, x) / math.sqrt(3)
        if isinstance(edges, fast.Edges):
            dv, dx = fast.message_sums(edges, self.rbf_proj.weight, self.rbf_proj.bias, phi, v)
        else:
            dv, dx = self.sums(phi, v, edges)
        dv = dv / math.sqrt(channels)
        return (x + dx) / math.sqrt(2), dv if v is None else v + dv

    def sums(self, phi: Tensor, v: Tensor | None, edges: "Edges") -> tuple[Tensor, Tensor]:
        """Sums over neighbours, (N, 3, F) and (N, F); what :func:`leignn.fast.message_sums` computes too."""
        source, target = edges.index
        gate, radial, scalar = phi.chunk(3, dim=1)
        filter_gate, filter_radial, filter_scalar = self.rbf_proj(edges.basis).chunk(3, dim=1)
        force = radial.index_select(0, source) * filter_radial
        message = force.unsqueeze(1) * edges.direction.unsqueeze(2)
        if v is not None:
            # φ₁(x_j) ⊙ v_j is a property of the source atom alone: formed once an atom, not once an edge.
            gated = (gate.unsqueeze(1) * v).index_select(0, source)
            message = gated * filter_gate.unsqueeze(1) + message
        dx = sum_to(target, scalar.index_select(0, source) * filter_scalar, len(phi))
        return sum_to(target, message, len(phi)), dx


class NodeMessageUpdating(nn.Module):
    """The paper's new message updating (NMU), Eqs. (3) and (4)."""

    def __init__(self, hidden_channels: int) -> None:
        super().__init__()
        self.vec_proj = linear(hidden_channels, 2 * hidden_channels, bias=False)
        self.xvec_proj = nn.Sequential(
            linear(2 * hidden_channels, hidden_channels),
            ScaledSiLU(),
            linear(hidden_channels, 3 * hidden_channels),
        )

    def forward(self, x: Tensor, v: Tensor) -> tuple[Tensor, Tensor]:
        """Update scalars (N, F) and vectors (N, 3, F) within each atom."""
        a, b = fast.apply(self.vec_proj, v).chunk(2, dim=-1)
        norm = torch.sqrt((b * b).sum(1) + 1e-8)
        s1, s2, s3 = fast.apply(self.xvec_proj, torch.cat([x, norm], dim=1)).chunk(3, dim=1)
        return x + s2 / math.sqrt(2) + x * torch.tanh(s3), v + s1.unsqueeze(1) * a


class PaiNNUpdating(NodeMessageUpdating):
    """PaiNN's update (Schütt et al. 2021), which the ablation "Vanilla" keeps."""

    def forward(self, x: Tensor, v: Tensor) -> tuple[Tensor, Tensor]:
        """Update scalars (N, F) and vectors (N, 3, F) within each atom."""
        a, b = fast.apply(self.vec_proj, v).chunk(2, dim=-1)
        inner = (a * b).sum(1) / math.sqrt(x.shape[1])
        norm = torch.sqrt((b * b).sum(1) + 1e-8)
        s1, s2, s3 = fast.apply(self.xvec_proj, torch.cat([x, norm], dim=1)).chunk(3, dim=1)
        return x + (s1 + s2 * inner) / math.sqrt(2), v + s3.unsqueeze(1) * a


class GlobalScalar(nn.Module):
    """The global scalar's two phases, Eqs. (5) and (7)."""

    def __init__(self, hidden_channels: int) -> None:
        super().__init__()
        self.mlp_node = self._mlp(hidden_channels)
        self.mlp_vn = self._mlp(hidden_channels)

    @staticmethod
    def _mlp(channels: int) -> nn.Sequential:
        return nn.Sequential(
            linear(2 * channels, channels), ScaledSiLU(), linear(channels, channels), ScaledSiLU()
        )

    def distribute(self, x: Tensor, s: Tensor, structure: Tensor) -> Tensor:
        """x_i + MLP_n([x_i, s_b]); x (N, F), s (B, F), structure (N,)."""
        return x + fast.apply_joined(self.mlp_node, x, s, structure)

    def aggregate(self, mean_x: Tensor, s: Tensor) -> Tensor:
        """s_b + MLP_g([mean_i x_i, s_b]); both (B, F)."""
        return s + self.mlp_vn(torch.cat([mean_x, s], dim=1))


class GlobalVector(nn.Module):
    """The global vector's two phases, Eqs. (6) and (8)."""

    def __init__(self, hidden_channels: int) -> None:
        super().__init__()
        self.mlp_node = linear(hidden_channels, hidden_channels, bias=False)
        self.mlp_vn = linear(hidden_channels, hidden_channels, bias=False)

    def distribute(self, v: Tensor, w: Tensor, structure: Tensor) -> Tensor:
        """v_i + W_n(v_i + w_b); v (N, 3, F), w (B, 3, F), structure (N,)."""
        return v + fast.apply(self.mlp_node, v + w.index_select(0, structure))

    def aggregate(self, mean_v: Tensor, w: Tensor) -> Tensor:
        """w_b + W_g(mean_i v_i + w_b); both (B, 3, F)."""
        return w + self.mlp_vn(mean_v + w)


class LEIGNN(Potential):
    """The lightweight equivariant interaction graph neural network, Eqs. (1) to (9).

    Args:
        hidden_channels: F, channels of scalars and vectors.
        num_layers: L, message-passing layers.
        num_rbf: R, radial basis functions.
        graph: cutoff D in Å, number of neighbours K, and rule.
        num_elements: rows of the embedding; atomic numbers below it are known.
        update: "nmu" (the paper's) or "painn" (ablation "Vanilla").
        global_phases: message distributing and aggregating by a global scalar and vector.
    """

    def __init__(
        self,
        graph: GraphSpec,
        hidden_channels: int = 512,
        num_layers: int = 4,
        num_rbf: int = 128,
        num_elements: int = 118,
        update: Literal["nmu", "painn"] = "nmu",
        global_phases: bool = True,
    ) -> None:
        super().__init__()
        self.graph = graph
        updating = {"nmu": NodeMessageUpdating, "painn": PaiNNUpdating}[update]
        layers = range(num_layers)
        self.atom_emb = AtomEmbedding(hidden_channels, num_elements)
        self.radial_basis = RadialBasis(num_rbf, graph.cutoff)
        self.message_layers = nn.ModuleList(LocalMessagePassing(hidden_channels, num_rbf) for _ in layers)
        self.update_layers = nn.ModuleList(updating(hidden_channels) for _ in layers)
        self.global_phases = global_phases
        if global_phases:
            self.vn_emb = nn.Embedding(1, hidden_channels)
            nn.init.uniform_(self.vn_emb.weight, -math.sqrt(3), math.sqrt(3))
            self.global_scalar_layers = nn.ModuleList(GlobalScalar(hidden_channels) for _ in layers)
            self.global_vector_layers = nn.ModuleList(GlobalVector(hidden_channels) for _ in layers)
        self.out_energy = nn.Sequential(
            linear(hidden_channels, hidden_channels // 2), ScaledSiLU(), linear(hidden_channels // 2, 1)
        )
        self.out_forces = linear(hidden_channels, 1, bias=False)

    def forward(self, batch: Batch) -> dict[str, Tensor]:
        """Predict ``energy`` (B,) eV and direct ``forces`` (N, 3) eV/Å; see :class:`Potential`."""
        edge_index, vector = self.edges(batch)
        distance = torch.linalg.vector_norm(vector, dim=1)
        direction = -vector / distance.clamp(min=1e-9).unsqueeze(1)
        structure, natoms = batch.batch, batch.natoms
        x = self.atom_emb(batch.atomic_numbers)
        channels = x.shape[1]
        if fast.chosen(distance, len(distance) * channels, fast.LEAST) and not distance.requires_grad:
            taps, values = self.radial_basis.nonzero(distance, fast.REACH[distance.dtype])
            edges = fast.Edges(edge_index, direction, taps, values, len(x))
        else:
            edges = Edges(edge_index, self.radial_basis(distance), direction)

        v = None  # zero before the first messages, and so are the global vectors
        if self.global_phases:
            s = self.vn_emb.weight.expand(len(natoms), -1)
            w = x.new_zeros(len(natoms), 3, channels)

        for layer, message in enumerate(self.message_layers):
            if self.global_phases:
                x = self.global_scalar_layers[layer].distribute(x, s, structure)
                if v is not None:
                    v = self.global_vector_layers[layer].distribute(v, w, structure)
            x, v = message(x, v, edges)
            x, v = self.update_layers[layer](x, v)
            # Nothing reads the global state after the last layer.
            if self.global_phases and layer + 1 < len(self.message_layers):
                share = 1 / natoms.to(x.dtype)
                s = self.global_scalar_layers[layer].aggregate(
                    sum_to(structure, x, len(natoms)) * share[:, None], s
                )
                w = self.global_vector_layers[layer].aggregate(
                    sum_to(structure, v, len(natoms)) * share[:, None, None], w
                )

        # Under autocast the last products are bfloat16: their sums and the results are not.
        atom_energy = self.out_energy(x).squeeze(1).to(x.dtype)
        forces = self.out_forces(v).squeeze(2).to(v.dtype)
        return {"energy": sum_to(structure, atom_energy, len(natoms)), "forces": forces}


def load_published(model: LEIGNN, state: dict[str, Tensor]) -> None:
    """Load a checkpoint of the authors' code (a state dict or EMA shadow weights) into ``model``.

    Raises:
        RuntimeError: names or shapes do not fit the model's hyperparameters.
    """
    state = {name.removeprefix("module."): value for name, value in state.items()}
    state.pop("radial_basis.rbf.offset", None)  # the centres, fixed by the number of functions
    model.load_state_dict(state)
