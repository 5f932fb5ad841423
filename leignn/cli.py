"""``python -m leignn <command>``: one command for each arrow of the workflow."""

import argparse
import ast
import errno
import io
import sys
from pathlib import Path
from typing import NoReturn

from leignn.errors import InputError
from leignn.imports import imported
from leignn.memory import keep_freed_memory

# Imported only when asked for: `--help` and light commands must not wait for torch.
COMMANDS = {
    "download": ("leignn.data.download", "fetch, verify and unpack one part of a data set"),
    "generate-oc20-standin": ("leignn.data.oc20_standin", "generate the EMT stand-in for OC20"),
    "generate-md-standin": (
        "leignn.data.md_standin",
        "generate a stand-in for the simulated systems: melt, solid or gas",
    ),
    "build-store": ("leignn.data.build", "convert raw files of one part into a store"),
    "split": ("leignn.data.splits", "write the split manifests of a data set"),
    "extract-frames": ("leignn.data.extract", "write structures of a split as extended XYZ"),
    "plan": ("leignn.forecast.table", "print what a run of the workflow will cost"),
    "configure": ("leignn.config.run", "resolve the configuration of one run"),
    "document-config": ("leignn.config.documents", "renew schemas and tables of keys from the types"),
    "train": ("leignn.training.train", "train one run, or resume it"),
    "predict": ("leignn.evaluation.predict", "predict one split with a trained run"),
    "score": ("leignn.evaluation.score", "compute the metrics of a run from its predictions"),
    "simulate": ("leignn.md.simulate", "molecular dynamics with a trained potential"),
    "analyse-reference": ("leignn.md.analyse_reference", "compute the observables of a reference"),
    "analyse-simulation": ("leignn.md.analyse_simulation", "compute the observables of a simulation"),
    "measure-drift": ("leignn.md.drift", "measure the energy drift of a trained potential"),
    "measure-separation": ("leignn.md.separation", "measure what two distant molecules do to each other"),
    "join-limitations": ("leignn.md.limitations", "join the measured limitations of all runs"),
    "profile": ("leignn.profiling.complexity", "time, parameters, operations and memory of models"),
    "measure-costs": ("leignn.profiling.compared", "time and memory of some models, side by side"),
    "build-table": ("leignn.report.tables.build", "build a table from metrics and simulations"),
    "build-beyond": ("leignn.report.tables.beyond", "build the comparison that goes past the paper"),
    "check-claims": ("leignn.report.claims.check", "hold the paper's claims against the tables"),
    "render-page": ("leignn.report.page.render", "render the self-contained results page"),
    "document-figures": ("leignn.report.pictures", "renew the pictures in the README from results"),
    "check-reference": ("leignn.golden", "compare the models with a golden file"),
    "check-observables": ("leignn.md.golden", "compare the observables of MD with a golden file"),
}


FIGURES = Path(__file__).parent / "report" / "figures"


def commands() -> dict[str, tuple[str, str]]:
    """Module and summary of every command; each module of ``leignn/report/figures`` is a ``plot-<name>``."""
    found = dict(COMMANDS)
    for path in sorted(FIGURES.glob("[a-z]*.py")):
        docstring = ast.get_docstring(ast.parse(path.read_text(encoding="utf-8"))) or ""
        found[f"plot-{path.stem.replace('_', '-')}"] = (
            f"leignn.report.figures.{path.stem}",
            docstring.partition("\n")[0],
        )
    return found


class _Parser(argparse.ArgumentParser):
    """Its errors are ours: one sentence, exit code 2."""

    def error(self, message: str) -> NoReturn:
        raise InputError(message)


def main(argv: list[str] | None = None) -> int:
    """Run one command; return its exit code (0, or 2 for bad input)."""
    argv = sys.argv[1:] if argv is None else argv
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):  # a terminal in ASCII cannot show Å
            stream.reconfigure(errors="backslashreplace")
    parser = argparse.ArgumentParser(prog="leignn", description=__doc__)
    subparsers = parser.add_subparsers(dest="command", required=True, metavar="command")
    for name, (_, summary) in commands().items():
        subparsers.add_parser(name, help=summary, add_help=False)
    command = parser.parse_args(argv[:1]).command

    keep_freed_memory()
    try:
        return _run(command, argv[1:])
    except InputError as error:
        message = str(error)
    except OSError as error:
        if error.errno not in (errno.ENOSPC, errno.EDQUOT):
            raise
        message = f"the disk is full: {error.filename or 'a temporary file'} could not be written"
    # One line, also where a library's words in it are several.
    line = " ".join(part.strip() for part in message.splitlines())
    print(f"leignn {command}: error: {line}", file=sys.stderr)
    return 2


def _run(command: str, argv: list[str]) -> int:
    module_name, summary = commands()[command]
    try:
        module = imported(module_name)
        parser = _Parser(prog=f"leignn {command}", description=module.__doc__ or summary)
        module.add_arguments(parser)
        return module.main(parser.parse_args(argv)) or 0
    except ModuleNotFoundError as error:
        if error.name is None or error.name.split(".")[0] == "leignn":
            raise
        raise InputError(f"needs the package {error.name!r}: pip install 'leignn[workflow]'") from error
