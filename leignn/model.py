"""LEIGNN and its two ablations.

Yang et al., *Lightweight equivariant model for efficient machine learning interatomic potentials*.
Equation numbers are the paper's. N atoms, E edges, B structures, F hidden channels, R radial basis
functions. Atom i has a scalar x_i (F) and a vector v_i (3, F), structure b a global scalar s_b and a
global vector w_b of the same shapes. Parameters bear the names of the published checkpoints, so that
these load as they are; the paper's symbol stands beside each.

Plain PyTorch, which differentiates any number of times; :mod:`leignn.backend` computes the same faster.
"""

import math
from collections.abc import Collection
from typing import Literal

import torch
from torch import Tensor, nn

from leignn.batch import Batch
from leignn.components import components
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


def mean_of(structure: Tensor, values: Tensor, natoms: Tensor) -> Tensor:
    """Means of ``values`` (N, …) over the ``natoms`` (B,) atoms of each structure."""
    share = (1 / natoms.to(values.dtype)).view(-1, *[1] * (values.dim() - 1))
    return sum_to(structure, values, len(natoms)) * share


class AtomEmbedding(nn.Module):
    """One trainable row of F for each atomic number, uniform in ±√3."""

    def __init__(self, hidden_channels: int, num_elements: int) -> None:
        super().__init__()
        self.embeddings = nn.Embedding(num_elements, hidden_channels)
        nn.init.uniform_(self.embeddings.weight, -math.sqrt(3), math.sqrt(3))

    def forward(self, atomic_numbers: Tensor) -> Tensor:
        return self.embeddings(atomic_numbers)


def envelope(t: Tensor) -> Tensor:
    """env(t) = 1 − 21 t⁵ + 35 t⁶ − 15 t⁷ of t ≥ 0, zero beyond 1: twice continuously differentiable."""
    return torch.where(t < 1, 1 + t**5 * (-21 + t * (35 - 15 * t)), 0)


class RadialBasis(nn.Module):
    """Gaussians of the scaled distance under a polynomial envelope.

    e_k(d) = env(d/D) exp(−½ ((d/D − μ_k)/Δ)²), env(t) = 1 − 21 t⁵ + 35 t⁶ − 15 t⁷, with R centres μ_k
    from 0 to 1 and their spacing Δ.
    """

    def __init__(self, num_rbf: int, cutoff: float) -> None:
        super().__init__()
        self.cutoff = cutoff  # D
        self.num_rbf = num_rbf  # R

    def forward(self, d: Tensor) -> Tensor:
        """e(d): (E,) distances in Å to (E, R)."""
        # Made here and not kept: a buffer cast to float64 would keep its float32 rounding.
        return self.gaussians(d, torch.arange(self.num_rbf, device=d.device))

    def gaussians(self, d: Tensor, k: Tensor) -> Tensor:
        """e_k(d) of (E,) distances, for the numbers k: (T,) of all edges, or (E, T); (E, T)."""
        t = (d / self.cutoff).unsqueeze(-1)
        return envelope(t) * torch.exp(-0.5 * (t * (self.num_rbf - 1) - k) ** 2)


class LocalMessagePassing(nn.Module):
    """Messages from the neighbours of each atom, Eqs. (1) and (2)."""

    def __init__(self, hidden_channels: int, num_rbf: int) -> None:
        super().__init__()
        self.x_proj = nn.Sequential(  # φ
            linear(hidden_channels, hidden_channels // 2),
            ScaledSiLU(),
            linear(hidden_channels // 2, 3 * hidden_channels),
        )
        self.rbf_proj = linear(num_rbf, 3 * hidden_channels)  # g

    def forward(
        self, x: Tensor, v: Tensor, edge_index: Tensor, u: Tensor, e: Tensor
    ) -> tuple[Tensor, Tensor]:
        """Update scalars and vectors.

        Args:
            x: (N, F) scalars.
            v: (N, 3, F) vectors.
            edge_index: (2, E) atoms j and i, from j to i.
            u: (E, 3) unit vectors u_ji from j to i.
            e: (E, R) radial basis e(d_ji).
        """
        phi = self.x_proj(x) / math.sqrt(3)
        dx, dv = self.messages(phi, v, edge_index, u, e)
        dv = dv / math.sqrt(x.shape[1])
        return (x + dx) / math.sqrt(2), v + dv  # (1), (2)

    def messages(
        self, phi: Tensor, v: Tensor, edge_index: Tensor, u: Tensor, e: Tensor
    ) -> tuple[Tensor, Tensor]:
        """Σ_j of Eq. (1) (N, F) and of Eq. (2) (N, 3, F), with phi (N, 3F) = φ(x)/√3."""
        return self.sums(phi, v, edge_index, u, self.rbf_proj(e))

    def sums(self, phi: Tensor, v: Tensor, edge_index: Tensor, u: Tensor, g: Tensor) -> tuple[Tensor, Tensor]:
        """The same, with g (E, 3F) = g(e_ji)."""
        j, i = edge_index
        phi1, phi2, phi3 = phi.chunk(3, dim=1)
        g1, g2, g3 = g.chunk(3, dim=1)
        message = self.vector_message(phi1, phi2, g1, g2, v, u, j)
        dx = sum_to(i, phi3.index_select(0, j) * g3, len(phi))  # (1)
        return dx, sum_to(i, message, len(phi))  # (2)

    def vector_message(
        self, phi1: Tensor, phi2: Tensor, g1: Tensor, g2: Tensor, v: Tensor, u: Tensor, j: Tensor
    ) -> Tensor:
        """(E, 3, F) φ₁(x_j) ⊙ g₁ ⊙ v_j + (φ₂(x_j) ⊙ g₂) ⊗ u_ji: what j passes on, and the force it exerts."""
        magnitude = phi2.index_select(0, j) * g2
        force = magnitude.unsqueeze(1) * u.unsqueeze(2)
        # φ₁(x_j) ⊙ v_j is a property of the source atom alone: formed once an atom, not once an edge.
        passed_on = (phi1.unsqueeze(1) * v).index_select(0, j)
        return passed_on * g1.unsqueeze(1) + force


class NovelMessageUpdating(nn.Module):
    """The paper's novel message updating (NMU), Eqs. (3) and (4)."""

    softening = 1e-8  # under the root: the norm's gradient is finite at zero

    def __init__(self, hidden_channels: int) -> None:
        super().__init__()
        self.vec_proj = linear(hidden_channels, 2 * hidden_channels, bias=False)  # W_v
        self.xvec_proj = nn.Sequential(  # MLP_u
            linear(2 * hidden_channels, hidden_channels),
            ScaledSiLU(),
            linear(hidden_channels, 3 * hidden_channels),
        )

    def forward(self, x: Tensor, v: Tensor) -> tuple[Tensor, Tensor]:
        """Update scalars (N, F) and vectors (N, 3, F) within each atom."""
        a, b = self.vec_proj(v).chunk(2, dim=-1)
        return self.updated(x, v, a, self.xvec_proj(self.with_norms(x, b)))

    def with_norms(self, x: Tensor, b: Tensor) -> Tensor:
        """[x, ‖b‖] (N, 2F) of x (N, F) and b (N, 3, F)."""
        return torch.cat([x, torch.sqrt((b * b).sum(1) + self.softening)], dim=1)

    def updated(self, x: Tensor, v: Tensor, a: Tensor, s: Tensor) -> tuple[Tensor, Tensor]:
        """Eqs. (3) and (4) of x (N, F), v and a (N, 3, F), and s (N, 3F), what MLP_u gives."""
        s1, s2, s3 = s.chunk(3, dim=1)
        return (
            x + s2 / math.sqrt(2) + x * torch.tanh(s3),  # (3)
            v + s1.unsqueeze(1) * a,  # (4)
        )


class PaiNNUpdating(NovelMessageUpdating):
    """PaiNN's update (Schütt et al. 2021), which the ablation "Vanilla" keeps."""

    def forward(self, x: Tensor, v: Tensor) -> tuple[Tensor, Tensor]:
        """Update scalars (N, F) and vectors (N, 3, F) within each atom."""
        a, b = self.vec_proj(v).chunk(2, dim=-1)
        inner = (a * b).sum(1) / math.sqrt(x.shape[1])
        s1, s2, s3 = self.xvec_proj(self.with_norms(x, b)).chunk(3, dim=1)
        return x + (s1 + s2 * inner) / math.sqrt(2), v + s3.unsqueeze(1) * a


class GlobalScalar(nn.Module):
    """The global scalar's two phases, Eqs. (5) and (7)."""

    def __init__(self, hidden_channels: int) -> None:
        super().__init__()
        self.mlp_node = self._mlp(hidden_channels)  # MLP_n
        self.mlp_vn = self._mlp(hidden_channels)  # MLP_g

    @staticmethod
    def _mlp(channels: int) -> nn.Sequential:
        return nn.Sequential(
            linear(2 * channels, channels), ScaledSiLU(), linear(channels, channels), ScaledSiLU()
        )

    def distribute(self, x: Tensor, s: Tensor, structure: Tensor) -> Tensor:
        """x_i + MLP_n([x_i, s_b]); x (N, F), s (B, F), structure (N,)."""
        return x + self.mlp_node(torch.cat([x, s.index_select(0, structure)], dim=1))  # (5)

    def aggregate(self, x: Tensor, s: Tensor, structure: Tensor, natoms: Tensor) -> Tensor:
        """s_b + MLP_g([mean_i x_i, s_b]); x (N, F), s (B, F), structure (N,), natoms (B,)."""
        return s + self.mlp_vn(torch.cat([mean_of(structure, x, natoms), s], dim=1))  # (7)


class GlobalVector(nn.Module):
    """The global vector's two phases, Eqs. (6) and (8)."""

    def __init__(self, hidden_channels: int) -> None:
        super().__init__()
        self.mlp_node = linear(hidden_channels, hidden_channels, bias=False)  # W_n
        self.mlp_vn = linear(hidden_channels, hidden_channels, bias=False)  # W_g

    def distribute(self, v: Tensor, w: Tensor, structure: Tensor) -> Tensor:
        """v_i + W_n(v_i + w_b); v (N, 3, F), w (B, 3, F), structure (N,)."""
        return v + self.mlp_node(v + w.index_select(0, structure))  # (6)

    def aggregate(self, v: Tensor, w: Tensor, structure: Tensor, natoms: Tensor) -> Tensor:
        """w_b + W_g(mean_i v_i + w_b); v (N, 3, F), w (B, 3, F), structure (N,), natoms (B,)."""
        return w + self.mlp_vn(mean_of(structure, v, natoms) + w)  # (8)


def known(name: str, choice: str, choices: Collection[str]) -> None:
    """Raise TypeError where a hyperparameter's choice is none of those there are."""
    if choice not in choices:
        raise TypeError(f"{name} is {' or '.join(map(repr, choices))}, not {choice!r}")


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
        global_scope: whose these are: of a structure, which is the paper's, or of each connected component of
            its neighbour graph, so that molecules out of each other's reach do not interact. An energy of
            this scope jumps where components part, as the K-nearest rule's does where neighbours change.
    """

    graph: GraphSpec

    def __init__(
        self,
        graph: GraphSpec,
        hidden_channels: int = 512,
        num_layers: int = 4,
        num_rbf: int = 128,
        num_elements: int = 118,
        update: Literal["nmu", "painn"] = "nmu",
        global_phases: bool = True,
        global_scope: Literal["structure", "component"] = "structure",
    ) -> None:
        super().__init__()
        self.graph = graph
        updates = {"nmu": NovelMessageUpdating, "painn": PaiNNUpdating}
        known("update", update, updates)
        known("global_scope", global_scope, ("structure", "component"))
        layers = range(num_layers)
        self.atom_emb = AtomEmbedding(hidden_channels, num_elements)  # x_i before the first layer
        self.radial_basis = RadialBasis(num_rbf, graph.cutoff)  # e
        self.message_layers = nn.ModuleList(LocalMessagePassing(hidden_channels, num_rbf) for _ in layers)
        self.update_layers = nn.ModuleList(updates[update](hidden_channels) for _ in layers)
        self.global_phases, self.global_scope = global_phases, global_scope
        if global_phases:
            self.vn_emb = nn.Embedding(1, hidden_channels)  # s_b before the first layer
            nn.init.uniform_(self.vn_emb.weight, -math.sqrt(3), math.sqrt(3))
            self.global_scalar_layers = nn.ModuleList(GlobalScalar(hidden_channels) for _ in layers)
            self.global_vector_layers = nn.ModuleList(GlobalVector(hidden_channels) for _ in layers)
        self.out_energy = nn.Sequential(  # MLP_e
            linear(hidden_channels, hidden_channels // 2), ScaledSiLU(), linear(hidden_channels // 2, 1)
        )
        self.out_forces = linear(hidden_channels, 1, bias=False)  # W_f

    def forward(self, batch: Batch) -> dict[str, Tensor]:
        """Predict ``energy`` (B,) eV and direct ``forces`` (N, 3) eV/Å; see :class:`Potential`."""
        structure, natoms = batch.batch, batch.natoms
        edge_index, r = self.edges(batch)
        d = torch.linalg.vector_norm(r, dim=1)
        u = -r / d.clamp(min=1e-9).unsqueeze(1)
        e = self.radial_basis(d)

        x = self.atom_emb(batch.atomic_numbers)
        v = x.new_zeros(()).expand(len(x), 3, x.shape[1])  # one number in memory
        if self.global_phases:
            whole, size = structure, natoms  # what each atom is in, and the atoms in each
            if self.global_scope == "component":
                whole, size = components(edge_index, len(x))
            s = self.vn_emb.weight.expand(len(size), -1)
            w = x.new_zeros(()).expand(len(size), 3, x.shape[1])

        for layer, (message, update) in enumerate(zip(self.message_layers, self.update_layers, strict=True)):
            if self.global_phases:
                global_scalar, global_vector = (
                    self.global_scalar_layers[layer],
                    self.global_vector_layers[layer],
                )
                x = global_scalar.distribute(x, s, whole)  # (5)
                v = global_vector.distribute(v, w, whole)  # (6)
            x, v = message(x, v, edge_index, u, e)  # (1), (2)
            x, v = update(x, v)  # (3), (4)
            if self.global_phases:
                s = global_scalar.aggregate(x, s, whole, size)  # (7)
                w = global_vector.aggregate(v, w, whole, size)  # (8)

        # Under autocast the last products are bfloat16: their sums and the results are not.
        atom_energy = self.out_energy(x).squeeze(1).to(x.dtype)
        energy = sum_to(structure, atom_energy, len(natoms))  # (9)
        forces = self.out_forces(v).squeeze(2).to(v.dtype)  # W_f v_i
        return {"energy": energy, "forces": forces}


def load_published(model: LEIGNN, state: dict[str, Tensor]) -> None:
    """Load a checkpoint of the authors' code (a state dict or EMA shadow weights) into ``model``.

    Raises:
        RuntimeError: names or shapes do not fit the model's hyperparameters.
    """
    state = {name.removeprefix("module."): value for name, value in state.items()}
    state.pop("radial_basis.rbf.offset", None)  # the centres, fixed by the number of functions
    model.load_state_dict(state)
