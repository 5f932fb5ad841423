"""``python -m leignn <command>``: one command for each arrow of the workflow."""

import argparse
import errno
import importlib
import sys

from leignn.errors import InputError
from leignn.memory import keep_freed_memory

# Imported only when asked for: `--help` and light commands must not wait for torch.
COMMANDS = {
    "download": ("leignn.data.download", "fetch, verify and unpack one part of a data set"),
    "generate-oc20-standin": ("leignn.data.oc20_standin", "generate the EMT stand-in for OC20"),
    "generate-md-standin": ("leignn.data.md_standin", "generate the EMT stand-in for LiPS"),
    "build-store": ("leignn.data.build", "convert raw files of one part into a store"),
    "split": ("leignn.data.splits", "write the split manifests of a data set"),
    "extract-frames": ("leignn.data.extract", "write structures of a split as extended XYZ"),
    "configure": ("leignn.configure", "resolve the configuration of one run"),
    "fit-statistics": ("leignn.training.statistics", "compute what a model takes from the training split"),
    "train": ("leignn.training.train", "train one run, or resume it"),
    "predict": ("leignn.evaluation.predict", "predict one split with a trained run"),
    "score": ("leignn.evaluation.score", "compute the metrics of a run from its predictions"),
    "simulate": ("leignn.md.simulate", "molecular dynamics with a trained potential"),
    "simulate-replicas": ("leignn.md.replicas", "many simulations at once, on TorchSim"),
    "analyse-reference": ("leignn.md.reference_trajectory", "compute the observables of a reference"),
    "analyse-simulation": ("leignn.md.analysis", "compute the observables of a simulation"),
    "measure-limitations": ("leignn.md.limitations", "measure the paper's two stated limitations"),
    "profile": ("leignn.profiling.complexity", "time, parameters, operations and memory of models"),
    "build-table": ("leignn.report.tables", "build Table 1 or 2 from metrics files"),
    "build-table3": ("leignn.report.md_table", "build Table 3 from metrics and simulations"),
    "plot-figure5": ("leignn.report.figure5", "plot structures of simulations beside their references"),
    "plot-dynamics": ("leignn.report.dynamics", "plot forces, temperatures and diffusion of simulations"),
    "plot-learning-curves": ("leignn.report.figures", "plot validation errors against steps"),
    "plot-concepts": ("leignn.report.concepts", "draw Figure 1: graph, geometry and symmetry"),
    "plot-architecture": ("leignn.report.architecture", "draw Figure 2: the architecture of a LEIGNN"),
    "plot-messages": ("leignn.report.messages", "draw Figure 3: how messages add up to a force"),
    "check-claims": ("leignn.report.claims", "hold the paper's claims against the tables"),
    "plot-complexity": ("leignn.report.complexity", "plot what `profile` measured"),
    "plot-limitations": ("leignn.report.limitations", "plot the measured limitations"),
    "render-page": ("leignn.report.page", "render the self-contained results page"),
    "check-reference": ("leignn.golden", "compare the models with a golden file"),
    "check-observables": ("leignn.md.reference", "compare the observables of MD with a golden file"),
}


def main(argv: list[str] | None = None) -> int:
    """Run one command; return its exit code (0, or 2 for bad input)."""
    argv = sys.argv[1:] if argv is None else argv
    parser = argparse.ArgumentParser(prog="leignn", description=__doc__)
    subparsers = parser.add_subparsers(dest="command", required=True, metavar="command")
    for name, (_, summary) in COMMANDS.items():
        subparsers.add_parser(name, help=summary, add_help=False)
    command = parser.parse_args(argv[:1]).command

    keep_freed_memory()
    module_name, summary = COMMANDS[command]
    module = importlib.import_module(module_name)
    parser = argparse.ArgumentParser(prog=f"leignn {command}", description=module.__doc__ or summary)
    module.add_arguments(parser)
    args = parser.parse_args(argv[1:])
    try:
        return module.main(args) or 0
    except InputError as error:
        message = str(error)
    except OSError as error:
        if error.errno not in (errno.ENOSPC, errno.EDQUOT):
            raise
        message = f"the disk is full: {error.filename or 'a temporary file'} could not be written"
    print(f"leignn {command}: error: {message}", file=sys.stderr)
    return 2
