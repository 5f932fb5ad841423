"""LEIGNN as a plain transcription of its equations with scatter: the yardstick of ``speed.py``.

Reads the parameters of a :class:`leignn.model.LEIGNN`; nothing is reordered or fused.
"""

import math

import torch
from torch import Tensor
from torch_geometric.data import Batch
from torch_geometric.utils import scatter

from leignn.model import LEIGNN


def plain_forward(model: LEIGNN, batch: Batch) -> dict[str, Tensor]:
    """Energies (B,) and forces (N, 3) of ``model``, equation by equation."""
    (j, i), vector = model.edges(batch)
    distance = vector.norm(dim=1)
    u = -vector / distance[:, None]
    e = model.radial_basis(distance)
    b, size = batch.batch, len(batch.natoms)
    x = model.atom_emb(batch.atomic_numbers)
    channels = x.shape[1]
    v = x.new_zeros(len(x), 3, channels)
    s = model.vn_emb.weight[torch.zeros_like(batch.natoms)]
    w = x.new_zeros(size, 3, channels)
    for layer, message in enumerate(model.message_layers):
        scalar, vectors = model.global_scalar_layers[layer], model.global_vector_layers[layer]
        x = x + scalar.mlp_node(torch.cat([x, s[b]], dim=1))
        v = v + vectors.mlp_node(v + w[b])

        m1, m2, m3 = (message.x_proj(x)[j] * message.rbf_proj(e) / math.sqrt(3)).chunk(3, dim=1)
        m = m1[:, None] * v[j] + m2[:, None] * u[:, :, None]
        v_new = v + scatter(m / math.sqrt(channels), i, dim=0, dim_size=len(x), reduce="sum")
        x = (x + scatter(m3, i, dim=0, dim_size=len(x), reduce="sum")) / math.sqrt(2)
        v = v_new

        update = model.update_layers[layer]
        left, right = update.vec_proj(v).chunk(2, dim=2)
        norm = torch.sqrt((right**2).sum(1) + 1e-8)
        s1, s2, s3 = update.xvec_proj(torch.cat([x, norm], dim=1)).chunk(3, dim=1)
        x, v = x + s2 / math.sqrt(2) + x * torch.tanh(s3), v + s1[:, None] * left

        mean_x = scatter(x, b, dim=0, dim_size=size, reduce="mean")
        mean_v = scatter(v, b, dim=0, dim_size=size, reduce="mean")
        s = s + scalar.mlp_vn(torch.cat([mean_x, s], dim=1))
        w = w + vectors.mlp_vn(mean_v + w)
    energy = scatter(model.out_energy(x)[:, 0], b, dim=0, dim_size=size, reduce="sum")
    return {"energy": energy, "forces": model.out_forces(v)[:, :, 0]}
