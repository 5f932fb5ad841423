"""The same bits from the same input on a GPU, where threads add to sums in the order in which they arrive."""

import warnings


def same_bits_on_gpu() -> None:
    """Ask PyTorch, for the rest of this process, for algorithms that repeat their results on a GPU.

    What has none says so in a warning, and is computed as ever. LEIGNN's own kernels repeat theirs anyway.
    """
    import torch  # here: the command line imports this module, and does not wait for PyTorch

    torch.use_deterministic_algorithms(True, warn_only=True)
    torch.utils.deterministic.fill_uninitialized_memory = False  # type: ignore[attr-defined]
    # PyTorch would have cuBLAS' workspaces fixed by CUBLAS_WORKSPACE_CONFIG, for programs whose streams share
    # one; ours have one stream, with which cuBLAS repeats itself. With the variable, whatever it says, LEIGNN
    # took 1.6 times as long (benchmarks/README.md).
    warnings.filterwarnings("ignore", ".*not deterministic because it uses CuBLAS.*")
