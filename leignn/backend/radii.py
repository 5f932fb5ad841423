"""The search for the cutoff radii of LEIGNN-C's atoms by one compiled loop over the edges."""

from functools import cache

import torch
from torch import Tensor

from leignn import adaptive_cutoff
from leignn.adaptive_cutoff import CLOSE, MEAN_ENVELOPE, MOST_STEPS, STEEPNESS
from leignn.backend.choice import possible
from leignn.backend.edges import first_edges


class AdaptiveCutoff(adaptive_cutoff.AdaptiveCutoff):
    """Cutoff radii of atoms."""

    def search(self, d: Tensor, target: Tensor, atoms: int) -> Tensor:
        """(N,) radii in Å of N ``atoms``, of distances d (E,) in Å to their neighbours' targets (E,)."""
        if not possible(d) or bool((target.diff() < 0).any()):
            return super().search(d, target, atoms)
        first = first_edges(target.contiguous(), atoms).numpy()
        root = torch.ones(atoms, dtype=d.dtype)
        _search()(first, (d / self.cutoff).numpy(), MEAN_ENVELOPE * self.neighbors, root.numpy())
        return self.cutoff * root


@cache
def _search():
    """Kernel of :meth:`leignn.adaptive_cutoff.AdaptiveCutoff.search`: D_i / D from d / D of sorted edges."""
    from leignn.backend.kernels import compiled_kernel

    def kernel(first_edge, t, wanted, root):
        for i in range(len(root)):
            low, high, here = 0.0, 1.0, 1.0
            for _ in range(MOST_STEPS):
                count = growth = 0.0
                for e in range(first_edge[i], first_edge[i + 1]):
                    scaled = t[e] / here
                    if scaled < 1:
                        power = scaled**5
                        count += 1 + power * (-21 + scaled * (35 - 15 * scaled))
                        growth += 105 * power * (1 - scaled) * (1 - scaled)
                bound = here ** (STEEPNESS - 1)
                excess = count / wanted + bound * here - 1
                slope = growth / (here * wanted) + STEEPNESS * bound
                if excess < 0:
                    low = here
                else:
                    high = here
                newton = here - excess / slope
                if abs(newton - here) < CLOSE * here:
                    break
                here = newton if low <= newton <= high else (low + high) / 2
            root[i] = here

    return compiled_kernel(kernel)
