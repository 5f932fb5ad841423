"""The smooth cutoff radius: that it is the root, its limits, its derivatives."""

import pytest
import torch
from scipy.integrate import quad
from scipy.optimize import brentq
from torch import Tensor

from leignn.adaptive_cutoff import MEAN_ENVELOPE, STEEPNESS, AdaptiveCutoff
from leignn.model import envelope

CUTOFF = 6.0


def adaptive_cutoffs(d: Tensor, target: Tensor, atoms: int, cutoff: float, neighbors: int) -> Tensor:
    radii = AdaptiveCutoff(cutoff, neighbors)
    return radii(radii.search(d.detach(), target, atoms), d, target)


def crowd(atoms: int, neighbors: int, seed: int = 0) -> tuple[Tensor, Tensor]:
    """Distances (E,) of evenly distributed neighbours within the cutoff, and targets (E,)."""
    generator = torch.Generator().manual_seed(seed)
    d = CUTOFF * torch.rand(atoms * neighbors, generator=generator, dtype=torch.float64) ** (1 / 3)
    return d, torch.arange(atoms).repeat_interleave(neighbors)


@pytest.mark.parametrize("neighbors", [1, 5, 20, 50])
def test_roots_are_scipys(neighbors) -> None:
    """Of crowds, and of shells with gaps between them, where Newton's steps alone would go astray."""
    rng = torch.Generator().manual_seed(neighbors)
    for trial in range(60):
        count = int(torch.randint(1, 150, (1,), generator=rng))
        shells = 0.05 + 0.95 * torch.rand(4, generator=rng, dtype=torch.float64)
        d = CUTOFF * shells[torch.randint(0, 4, (count,), generator=rng)]
        if trial % 2:
            d, _ = crowd(1, count, trial)

        def excess(radius: float, d: Tensor = d) -> float:
            wanted = MEAN_ENVELOPE * neighbors
            return envelope(d / radius).sum().item() + wanted * ((radius / CUTOFF) ** STEEPNESS - 1)

        (found,) = adaptive_cutoffs(d, torch.zeros(count, dtype=torch.long), 1, CUTOFF, neighbors)
        assert found.item() == pytest.approx(brentq(excess, 1e-3, CUTOFF, xtol=1e-12), rel=1e-10)


def test_limits() -> None:
    mean, _ = quad(lambda t: 3 * t**2 * envelope(torch.tensor(t, dtype=torch.float64)).item(), 0, 1)
    assert mean == pytest.approx(MEAN_ENVELOPE)
    alone = adaptive_cutoffs(torch.zeros(0), torch.zeros(0, dtype=torch.long), 2, CUTOFF, 20)
    assert alone.tolist() == [CUTOFF, CUTOFF]
    for around, least, most in ((5, 0.98, 1.0), (20, 0.9, 0.94)):
        radius = adaptive_cutoffs(*crowd(50, around), 50, CUTOFF, 20)
        assert least * CUTOFF < radius.mean() < most * CUTOFF
    for around in (60, 200):  # about K are within
        d, target = crowd(200, around)
        radius = adaptive_cutoffs(d, target, 200, CUTOFF, 20)
        assert (d < radius[target]).sum() / 200 == pytest.approx(20, abs=2)
        assert radius.max() < CUTOFF


def test_what_is_beyond_has_no_part_in_it() -> None:
    d, target = crowd(1, 100)
    radius = adaptive_cutoffs(d, target, 1, CUTOFF, 20)
    within = d[d < radius]
    same = adaptive_cutoffs(within, torch.zeros(len(within), dtype=torch.long), 1, CUTOFF, 20)
    assert same.item() == pytest.approx(radius.item(), rel=1e-14)


def test_derivatives_are_numeric_ones() -> None:
    d, target = crowd(3, 20)
    d.requires_grad_(True)

    def radii(d: Tensor) -> Tensor:
        return adaptive_cutoffs(d, target, 3, CUTOFF, 12)

    assert torch.autograd.gradcheck(radii, d)
    assert torch.autograd.gradgradcheck(radii, d)
