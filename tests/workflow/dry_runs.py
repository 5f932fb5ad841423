"""What the tests of the workflow run, and what the default configuration is made of."""

import re
import shutil
from pathlib import Path
from subprocess import CompletedProcess

import forked

from leignn.config.result import load_results

ROOT = Path(__file__).parents[2]
PARTS = 5
RESULTS = load_results(sorted((ROOT / "config" / "results").glob("*.yaml")))
BUILT = [name for name, result in RESULTS.items() if result.table and result.table.built]
TABLE1 = {
    "trivial", "cgcnn", "schnet", "mace", "painn", "painn_direct", "dimenetpp", "gemnet_dt", "leignn",
}  # fmt: skip
TABLE3 = {
    "lennard_jones", "deeppot_se", "schnet", "dimenetpp", "forcenet", "gemnet_t", "gemnet_dt", "nequip",
    "leignn",
}  # fmt: skip
OTHERS = ["solid", "gas"]  # systems of Table 3 beside the melt
ON_OTHERS = {"schnet", "leignn"}  # of TABLE3, none of them fitted
SIMULATED = len(TABLE3) + len(OTHERS) * len(ON_OTHERS)
TABLE2 = {"trivial", "vanilla", "vanilla_nmu", "leignn"}
REPAIRED = {"leignn_component", "leignn_c"}  # beside the limitations
COMPARED = {"vanilla_nmu", "painn", "painn_direct", "leignn"} | REPAIRED  # past the paper
TABLES = TABLE1 | TABLE2
TRAINED = TABLES | REPAIRED
RUNS = len(TRAINED) + SIMULATED + len(COMPARED - TABLE3)  # of one seed
SEEDS = (
    {model: 2 for model in TRAINED}
    | dict.fromkeys(("trivial", "leignn_component"), 1)
    | dict.fromkeys(("cgcnn", "vanilla", "vanilla_nmu", "leignn"), 3)
)
COMPARED_RUNS = sum(SEEDS[model] for model in COMPARED) - 1  # the third of Vanilla + NMU is Table 2's
MINI_RUNS = sum(SEEDS.values()) + SIMULATED + COMPARED_RUNS - len(COMPARED & TABLE3)
# At smoke: five of Table 1 beside LEIGNN and the trivial predictor, two ablations and LEIGNN-C on slabs; four
# of Table 3 and LEIGNN-C on the melt; LEIGNN on the others.
SMOKE_RUNS = (7 + 2 + 1) + (4 + 1) + len(OTHERS)


def snakemake(*arguments: str, folder: Path = ROOT) -> CompletedProcess:
    """Snakemake on two cores in a folder."""
    return forked.snakemake(["--cores", "2", *arguments], folder)


def copy_project(folder: Path) -> Path:
    """Copy what the workflow consists of into a folder, which may be there."""
    for name in ("leignn", "baselines", "config", "workflow", "profiles"):
        shutil.copytree(ROOT / name, folder / name, ignore=shutil.ignore_patterns("__pycache__"))
    shutil.copy(ROOT / "Snakefile", folder)
    return folder


def jobs(output: str) -> dict[str, int]:
    """Counts of the jobs that a dry run would run."""
    return {rule: int(count) for rule, count in re.findall(r"^(\w+) +(\d+)$", output, re.MULTILINE)}
