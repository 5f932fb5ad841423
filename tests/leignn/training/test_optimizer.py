"""The optimiser in one pass, against the algorithm written out."""

import pytest
import torch

from leignn.training.optimizer import adamw


def test_steps_are_those_of_the_algorithm() -> None:
    """AMSGrad (Reddi et al., ICLR 2018, with Adam's corrections, as PyTorch documents it)."""
    generator = torch.Generator().manual_seed(0)
    gradients = torch.randn((30, 7, 5), generator=generator, dtype=torch.float64)
    gradients *= torch.linspace(3, 0.1, 30, dtype=torch.float64)[:, None, None]  # so that the maximum counts
    start = torch.randn((7, 5), generator=generator, dtype=torch.float64)
    parameter, untouched = torch.nn.Parameter(start.clone()), torch.nn.Parameter(start.clone())
    optimizer = adamw([parameter, untouched], 1e-2, "64-true")
    expected = start.clone()
    first, second, largest = torch.zeros(3, 7, 5, dtype=torch.float64)
    for number, gradient in enumerate(gradients, start=1):
        parameter.grad = gradient.clone()
        optimizer.step()
        first = 0.9 * first + 0.1 * gradient
        second = 0.999 * second + 0.001 * gradient**2
        largest = torch.maximum(largest, second)
        scale = (largest / (1 - 0.999**number)).sqrt() + 1e-8
        expected = expected - 1e-2 * first / (1 - 0.9**number) / scale
    torch.testing.assert_close(parameter.data, expected, rtol=1e-12, atol=1e-12)
    assert torch.equal(untouched.data, start)  # no gradient, no step


@pytest.mark.parametrize("precision", ["32-true", "64-true"])
def test_fused_only_where_gradients_can_be_clipped(precision: str) -> None:
    parameter = torch.nn.Parameter(torch.zeros(3))
    assert adamw([parameter], 1e-3, precision).defaults["fused"]
    assert not adamw([parameter], 1e-3, "bf16-mixed").defaults["fused"]
