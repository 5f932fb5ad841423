"""LEIGNN computed faster: :func:`accelerate` puts compiled modules in the place of those of the equations.

:mod:`leignn.model` says what is computed. The modules here hold the very same parameters under the same
names, and each is a subclass of the one that it replaces:

- :mod:`~leignn.backend.messages`: the sums over neighbours by one compiled loop over the edges, with
  :mod:`~leignn.backend.band` of the Gaussians that are not zero and :mod:`~leignn.backend.edges` sorted;
  on the CPU by Numba (:mod:`~leignn.backend.cpu_sums`, :mod:`~leignn.backend.kernels`), on a GPU by Triton
  (:mod:`~leignn.backend.gpu_sums`, :mod:`~leignn.backend.gpu_kernels`);
- :mod:`~leignn.backend.products`: matrix products by oneDNN, on a Hopper GPU by
  :mod:`~leignn.backend.gpu_products`;
- :mod:`~leignn.backend.global_phases`: without what is zero before the first
  layer, or read by nothing after the last;
- on a GPU :mod:`~leignn.backend.updating`: what is between the products in one kernel each, by
  :mod:`~leignn.backend.gpu_updating`, and the gradient of the :mod:`~leignn.backend.embedding`.

What is in another precision, small on the CPU or under autocast is computed by the equations' own modules;
so are derivatives of LEIGNN with respect to positions and its derivatives of derivatives. On a GPU batches
that come again in the same sizes are recorded, in prediction and in simulation by
:mod:`~leignn.backend.replay`, in training by :mod:`~leignn.backend.training_replay`.

LEIGNN-C (:mod:`leignn.conservative`) is a gradient when it predicts, and its derivative when it trains. On
the CPU:

- :mod:`~leignn.backend.smooth_messages`: the sums, their gradients and the gradients of those, with
  :mod:`~leignn.backend.smooth_band` and :mod:`~leignn.backend.smooth_kernels`;
- :mod:`~leignn.backend.radii`: the search for the cutoff radii.
"""

from leignn.backend.choice import compiled
from leignn.backend.swap import accelerate, plain

__all__ = ["accelerate", "compiled", "plain"]
