"""What the novel message updating does to each number of an atom by itself, compiled by Triton for a GPU."""

import math

import torch
import triton
import triton.language as tl
from torch import Tensor

BLOCK = 128  # channels of a program


def with_norms(x: Tensor, b: Tensor, softening: float) -> Tensor:
    """(N, 2F) x and √(Σ b² + softening), of x (N, F) and b (N, 3, F), whose channels lie side by side."""
    result = x.new_empty(len(x), 2 * x.shape[1])
    _launch(_with_norms, x, b, result, *b.stride()[:2], SOFTENING=softening)
    return result


def norm_gradients(b: Tensor, result: Tensor, grad: Tensor) -> Tensor:
    """Of b, from those of its norms (N, F) in ``grad`` (N, 2F) and what :func:`with_norms` has returned."""
    grad_b = b.new_empty(b.shape)
    _launch(_norm_gradients, b, result, grad, grad_b, *b.stride()[:2])
    return grad_b


def updated(x: Tensor, v: Tensor, a: Tensor, s: Tensor) -> tuple[Tensor, Tensor]:
    """Eqs. (3) and (4) of x (N, F), v and a (N, 3, F), and s (N, 3F)."""
    new_x, new_v = torch.empty_like(x), torch.empty_like(v)
    _launch(_updated, x, v, a, s, new_x, new_v, *a.stride()[:2], HALF=math.sqrt(0.5))
    return new_x, new_v


def update_gradients(
    x: Tensor, a: Tensor, s: Tensor, grad_x: Tensor, grad_v: Tensor
) -> tuple[Tensor, Tensor, Tensor]:
    """Of x (N, F), a (N, 3, F) and s (N, 3F) from those of :func:`updated`'s results; v's is ``grad_v``."""
    of_x, of_a, of_s = torch.empty_like(x), a.new_empty(a.shape), torch.empty_like(s)
    strides = a.stride()[:2]
    _launch(_update_gradients, x, a, s, grad_x, grad_v, of_x, of_a, of_s, *strides, HALF=math.sqrt(0.5))
    return of_x, of_a, of_s


def _launch(kernel, x: Tensor, *others: Tensor | int, **constants: float) -> None:
    channels = x.shape[-1]
    block = min(BLOCK, triton.next_power_of_2(channels))
    with torch.cuda.device_of(x):
        launched = kernel[len(x), triton.cdiv(channels, block)]
        launched(x, *others, channels, **constants, BLOCK=block, num_warps=1)


@triton.jit
def _with_norms(x, b, result, atom, axis, F, SOFTENING: tl.constexpr, BLOCK: tl.constexpr):
    i = tl.program_id(0).to(tl.int64)
    c = tl.program_id(1) * BLOCK + tl.arange(0, BLOCK)
    inside = c < F
    squared = tl.full([BLOCK], SOFTENING, x.dtype.element_ty)
    for along in tl.static_range(3):
        component = tl.load(b + i * atom + along * axis + c, mask=inside, other=0.0)
        squared += component * component
    place = result + i * 2 * F + c
    tl.store(place, tl.load(x + i * F + c, mask=inside, other=0.0), mask=inside)
    tl.store(place + F, tl.sqrt(squared), mask=inside)


@triton.jit
def _norm_gradients(b, result, grad, grad_b, atom, axis, F, BLOCK: tl.constexpr):
    i = tl.program_id(0).to(tl.int64)
    c = tl.program_id(1) * BLOCK + tl.arange(0, BLOCK)
    inside = c < F
    scale = tl.load(grad + i * 2 * F + F + c, mask=inside, other=0.0)
    scale /= tl.load(result + i * 2 * F + F + c, mask=inside, other=1.0)
    for along in tl.static_range(3):
        component = tl.load(b + i * atom + along * axis + c, mask=inside, other=0.0)
        tl.store(grad_b + (i * 3 + along) * F + c, scale * component, mask=inside)


@triton.jit
def _tanh(z):
    return 1 - 2 / (tl.exp(2 * z) + 1)


@triton.jit
def _updated(x, v, a, s, new_x, new_v, atom, axis, F, HALF: tl.constexpr, BLOCK: tl.constexpr):
    i = tl.program_id(0).to(tl.int64)
    c = tl.program_id(1) * BLOCK + tl.arange(0, BLOCK)
    inside = c < F
    own = tl.load(x + i * F + c, mask=inside, other=0.0)
    s1 = tl.load(s + i * 3 * F + c, mask=inside, other=0.0)
    s2 = tl.load(s + i * 3 * F + F + c, mask=inside, other=0.0)
    s3 = tl.load(s + i * 3 * F + 2 * F + c, mask=inside, other=0.0)
    tl.store(new_x + i * F + c, own + s2 * HALF + own * _tanh(s3), mask=inside)
    for along in tl.static_range(3):
        place = (i * 3 + along) * F + c
        moved = s1 * tl.load(a + i * atom + along * axis + c, mask=inside, other=0.0)
        tl.store(new_v + place, tl.load(v + place, mask=inside, other=0.0) + moved, mask=inside)


@triton.jit
def _update_gradients(
    x, a, s, grad_x, grad_v, of_x, of_a, of_s, atom, axis, F, HALF: tl.constexpr, BLOCK: tl.constexpr
):  # fmt: skip
    i = tl.program_id(0).to(tl.int64)
    c = tl.program_id(1) * BLOCK + tl.arange(0, BLOCK)
    inside = c < F
    own = tl.load(x + i * F + c, mask=inside, other=0.0)
    grad = tl.load(grad_x + i * F + c, mask=inside, other=0.0)
    s1 = tl.load(s + i * 3 * F + c, mask=inside, other=0.0)
    gate = _tanh(tl.load(s + i * 3 * F + 2 * F + c, mask=inside, other=0.0))
    of_s1 = tl.full([BLOCK], 0.0, x.dtype.element_ty)
    for along in tl.static_range(3):
        place = (i * 3 + along) * F + c
        given = tl.load(grad_v + place, mask=inside, other=0.0)
        of_s1 += given * tl.load(a + i * atom + along * axis + c, mask=inside, other=0.0)
        tl.store(of_a + place, given * s1, mask=inside)
    tl.store(of_x + i * F + c, grad + grad * gate, mask=inside)
    tl.store(of_s + i * 3 * F + c, of_s1, mask=inside)
    tl.store(of_s + i * 3 * F + F + c, grad * HALF, mask=inside)
    tl.store(of_s + i * 3 * F + 2 * F + c, grad * own * (1 - gate * gate), mask=inside)
