"""What a number came from: code, packages, hardware, data."""

import hashlib
import os
import platform
import subprocess
import sys
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from leignn import __version__
from leignn.identity import versions
from leignn.resources import CHECKOUT


def checksums(stores: Path, splits: Path) -> dict[str, dict[str, str]]:
    """SHA-256 of every store's ``store.json``, which has those of its arrays, and of every manifest."""
    return {
        "stores": {f.parent.name: sha256(f) for f in sorted(Path(stores).glob("*/store.json"))},
        "splits": {f.stem: sha256(f) for f in sorted(Path(splits).glob("*.csv"))},
    }


def verifies() -> bool:
    """Whether the arrays of stores are compared with their checksums when they are opened.

    Not with ``LEIGNN_VERIFY=0`` in the environment, for those who know their disk; what is made says so.
    """
    return os.environ.get("LEIGNN_VERIFY", "1") != "0"


def process(started: datetime) -> dict[str, Any]:
    """Record of this process: command, commit, packages, hardware, and when it ran."""
    return {
        "command": f"python -m leignn {' '.join(sys.argv[1:])}",
        "git_commit": _git("rev-parse", "HEAD"),
        "git_dirty": bool(_git("status", "--porcelain", "--untracked-files=no")),
        "packages": {"leignn": __version__} | versions(),
        "python": platform.python_version(),
        "platform": platform.platform(),
        "hardware": hardware(),
        "stores_verified": verifies(),
        "started": started.isoformat(timespec="seconds"),
        "finished": datetime.now(UTC).isoformat(timespec="seconds"),
    }


def hardware() -> dict[str, Any]:
    """Names of the CPU and, if there is one, the GPU."""
    import torch  # heavy, and not needed to import this module

    return {
        "cpu": _cpu_name(),
        "cores": os.cpu_count(),
        "threads": torch.get_num_threads(),
        "gpu": torch.cuda.get_device_name() if torch.cuda.is_available() else None,
    }


def sha256(path: Path) -> str:
    """Hexadecimal SHA-256 of a file."""
    with open(path, "rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _cpu_name() -> str:
    info = Path("/proc/cpuinfo")
    if info.exists():
        for line in info.read_text().splitlines():
            if line.startswith("model name"):
                return line.partition(":")[2].strip()
    return platform.processor() or platform.machine()


def _git(*arguments: str) -> str | None:
    if CHECKOUT is None:
        return None  # an installed package, which may lie in a folder of someone else's repository
    try:
        result = subprocess.run(
            ["git", "-C", CHECKOUT, *arguments], capture_output=True, text=True, check=True
        )
    except (OSError, subprocess.CalledProcessError):
        return None  # an unpacked archive, or no git
    return result.stdout.strip()
