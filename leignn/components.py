"""Connected components of a neighbour graph: atoms that messages can link."""

import numpy as np
import torch
from scipy.sparse import coo_array
from scipy.sparse.csgraph import connected_components
from torch import Tensor


def components(edge_index: Tensor, atoms: int) -> tuple[Tensor, Tensor]:
    """The component of each atom (N,), and the atoms in each component (C,).

    An edge links its ends whichever way it points. Components are numbered by their first atoms, so that
    connected structures have the numbers of their batch.

    Args:
        edge_index: (2, E) source and target, on any device.
        atoms: N.
    """
    source, target = edge_index.cpu().numpy()
    links = coo_array((np.ones(len(source), bool), (source, target)), shape=(atoms, atoms))
    _, labels = connected_components(links, directed=False)
    _, first, which = np.unique(labels, return_index=True, return_inverse=True)
    rank = np.empty(len(first), np.int64)
    rank[np.argsort(first)] = np.arange(len(first))
    component = torch.from_numpy(rank[which]).to(edge_index.device)
    return component, torch.bincount(component, minlength=len(first))
