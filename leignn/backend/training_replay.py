"""The forward and the backward pass of a training step on a GPU, each replayed from a recording."""

from collections.abc import Callable
from functools import partial
from typing import Any

import torch
from torch import Tensor
from torch.autograd.function import once_differentiable

from leignn.backend.replay import Replay, aside, computed, recordable, recorded
from leignn.batch import Batch
from leignn.potential import Potential

ALIGNED = 64  # numbers


class TrainingReplay(Replay):
    """As :class:`leignn.backend.replay.Replay`, with gradients to the potential's parameters.

    The recordings share their memory: of the batches that were computed only the last has gradients.

    Args:
        potential: its parameters stay where they are, and those that want gradients the same.
    """

    def __init__(self, potential: Potential) -> None:
        super().__init__(potential)
        self._gradients: Gradients | None = None

    def _possible(self, batch: Batch) -> bool:
        if not (recordable(self._potential, batch) and torch.is_grad_enabled()):
            return False
        # Processes that share a step send gradients to each other while others are computed.
        return not (torch.distributed.is_available() and torch.distributed.is_initialized())

    def _record(self, batch: Batch) -> Callable[[], tuple[Tensor, Tensor]]:
        if not _memory_for_two(batch.pos.device):
            return partial(computed, self._potential, batch)
        if self._gradients is None:
            self._gradients = Gradients(self._potential, batch)
        recording = Recording(self._potential, batch, self._gradients, self._pool)
        return partial(_Replayed.apply, recording, *self._gradients.parameters)


class Gradients:
    """What a backward pass leaves behind.

    Attributes:
        parameters: those that the output depends on.
        all: the gradients of all of them, in one tensor.
        computed: number of forward passes so far.
    """

    def __init__(self, network: Potential, batch: Batch) -> None:
        wanted = [p for p in network.parameters() if p.requires_grad]
        output = computed(network, batch)
        found = torch.autograd.grad(
            output, wanted, [torch.ones_like(value) for value in output], allow_unused=True
        )
        self.parameters = [p for p, gradient in zip(wanted, found, strict=True) if gradient is not None]
        # Each begins where kernels like a tensor to begin.
        self._sizes = [-(-p.numel() // ALIGNED) * ALIGNED for p in self.parameters]
        self.all, self.computed = self.parameters[0].detach().new_empty(sum(self._sizes)), 0

    def of_each(self, gradients: Tensor) -> list[Tensor]:
        """Of each parameter, as parts of what :attr:`all` holds or held."""
        pieces = zip(gradients.split(self._sizes), self.parameters, strict=True)
        return [piece[: p.numel()].view_as(p) for piece, p in pieces]


class Recording:
    """The passes for what is in the tensors of a batch.

    Attributes:
        output: energies and forces, which the next forward pass overwrites.
        of_output: their gradients, from which a backward pass begins.
    """

    def __init__(self, network: Potential, batch: Batch, gradients: Gradients, pool: Any) -> None:
        self.gradients = gradients
        with aside(batch) as stream:  # libraries make their workspaces at a stream's first call
            output = computed(network, batch)
            self.of_output = [torch.zeros_like(value) for value in output]
            torch.autograd.grad(output, gradients.parameters, self.of_output)
            del output
        self.forward, self.backward = torch.cuda.CUDAGraph(), torch.cuda.CUDAGraph()
        with recorded(self.forward, pool, stream):
            output = computed(network, batch)
        with recorded(self.backward, pool, stream):
            found = torch.autograd.grad(output, gradients.parameters, self.of_output)
            contiguous = [gradient.contiguous() for gradient in found]  # or each is copied by itself
            torch._foreach_copy_(gradients.of_each(gradients.all), contiguous)
        self.output = [value.detach() for value in output]


class _Replayed(torch.autograd.Function):
    """A recording's output as a function of the parameters, which it reads where they are."""

    @staticmethod
    def forward(ctx, recording: Recording, *parameters: Tensor) -> tuple[Tensor, ...]:
        recording.gradients.computed += 1
        ctx.recording, ctx.number = recording, recording.gradients.computed
        recording.forward.replay()
        return tuple(value.detach() for value in recording.output)

    @staticmethod
    @once_differentiable
    def backward(ctx, *of_output: Tensor) -> tuple[Tensor | None, ...]:
        recording, gradients = ctx.recording, ctx.recording.gradients
        if ctx.number != gradients.computed:
            raise RuntimeError("another batch was computed since: what its gradients need is overwritten")
        for here, given in zip(recording.of_output, of_output, strict=True):
            here.copy_(given)
        recording.backward.replay()
        return None, *gradients.of_each(gradients.all.clone())


def _memory_for_two(device: torch.device) -> bool:
    """Whether twice what the largest step has needed is free: for a recording, and for what has none."""
    taken = torch.cuda.memory_allocated(device)
    free = torch.cuda.mem_get_info(device)[0] + torch.cuda.memory_reserved(device) - taken
    return free > 2 * (torch.cuda.max_memory_allocated(device) - taken)
