"""The same bits from the same input on a GPU, where threads add to sums in the order in which they arrive."""

import os


def same_bits_on_gpu() -> None:
    """Ask PyTorch, for the rest of this process, for algorithms that repeat their results on a GPU.

    What has none says so in a warning, and is computed as ever. LEIGNN's own kernels repeat theirs anyway.
    To be called before anything is computed on a GPU.
    """
    import torch  # here: the command line imports this module, and does not wait for PyTorch

    os.environ.setdefault("CUBLAS_WORKSPACE_CONFIG", ":4096:8")  # read when cuBLAS starts
    torch.use_deterministic_algorithms(True, warn_only=True)
    torch.utils.deterministic.fill_uninitialized_memory = False  # type: ignore[attr-defined]  # nothing reads it
