"""Memory for tensors that come and go, and what to say where there is too little."""

import ctypes
from collections.abc import Iterator
from contextlib import contextmanager

from leignn.errors import RunFailedError

M_TRIM_THRESHOLD, M_MMAP_MAX = -1, -4  # malloc.h


def keep_freed_memory() -> None:
    """Let this process keep the memory it frees, where the C library is GNU's.

    Its malloc gives large blocks back at once, and the kernel clears every page anew for the next
    tensor: half of a model's time on the CPU (benchmarks/README.md). No result changes; the process
    stays as large as it ever was.
    """
    mallopt = getattr(ctypes.CDLL(None), "mallopt", None)
    if mallopt is not None:
        mallopt(M_MMAP_MAX, 0)
        mallopt(M_TRIM_THRESHOLD, -1)


def is_out_of_memory(error: Exception) -> bool:
    """Whether a tensor did not fit, on a device or in this machine's memory."""
    import torch  # here: the command line imports this module, and does not wait for PyTorch

    # PyTorch's allocator on the CPU has no exception of its own.
    return isinstance(error, (torch.OutOfMemoryError, MemoryError)) or (
        isinstance(error, RuntimeError) and "can't allocate memory" in str(error)
    )


@contextmanager
def enough_memory(what: str, advice: str) -> Iterator[None]:
    """Make running out of memory in the block a :class:`RunFailedError`.

    Args:
        what: does not fit, e.g. "a step of mace with 8 structures at once".
        advice: what the user can do.
    """
    try:
        yield
    except Exception as error:
        if not is_out_of_memory(error):
            raise
        raise RunFailedError(f"out of memory: {what} does not fit; {advice}") from error
