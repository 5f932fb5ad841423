"""Memory for tensors that come and go."""

import ctypes

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
