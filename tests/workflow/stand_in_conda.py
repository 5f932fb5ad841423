"""What ``snakemake --use-conda`` asks of conda, where there is none.

An environment's `python` is the one that runs this, and hides whatever is neither pinned there nor
needed by one of these pins. In it `pip install --no-deps` pins more. It finds the library only by the
PYTHONPATH that it is given.
"""

import json
import os
import stat
import sys
from importlib.metadata import distributions, packages_distributions, requires
from pathlib import Path

import yaml
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

ACTIVATE = 'export PATH="$1/bin:$PATH"\n'
SCRIPT = (
    "#!{python}\nimport sys\nsys.path.insert(0, {tests!r})\nfrom stand_in_conda import {main}\n{main}()\n"
)
# Runs at the start of each command, which then finds neither modules nor distributions that are hidden.
HIDE = """
import importlib.metadata, json, os, sys
modules, distributions = map(frozenset, json.loads(open(os.environ["HIDDEN"]).read()))
given = os.environ["PYTHONPATH"].split(os.pathsep)
sys.path[:] = [path for path in sys.path if path in given or not os.path.isdir(os.path.join(path, "leignn"))]
class Visible:
    def __init__(self, finder):
        self.finder = finder
    def find_spec(self, name, path=None, target=None):
        if name.partition(".")[0] not in modules:
            return self.finder.find_spec(name, path, target)
    def __getattr__(self, name):
        return getattr(self.finder, name)
sys.meta_path[:] = [Visible(finder) for finder in sys.meta_path if "Editable" not in repr(finder)]
found = importlib.metadata.Distribution.from_name
def from_name(name):
    if name.lower().replace("_", "-").replace(".", "-") in distributions:
        raise importlib.metadata.PackageNotFoundError(name)
    return found(name)
importlib.metadata.Distribution.from_name = from_name
"""


def install(folder: Path) -> Path:
    """Put a conda into an empty folder; return the folder of its executable."""
    binaries, site = folder / "bin", folder / "site"
    binaries.mkdir()
    site.mkdir()
    (site / "sitecustomize.py").write_text(HIDE)
    (binaries / "activate").write_text(ACTIVATE)
    _executable(binaries / "conda", "conda")
    return binaries


def conda() -> None:
    arguments = sys.argv[1:]
    if arguments[0] == "info":
        prefix = str(Path(sys.argv[0]).parents[1])
        print(json.dumps({"conda_prefix": prefix, "platform": "linux-64"}))
    elif arguments[0] == "config":
        print(json.dumps({"get": {"channel_priority": "strict"}}))
    elif arguments[0] == "--version":
        print("conda 99.0.0")
    elif arguments[:2] == ["env", "create"]:
        file, prefix = (Path(arguments[arguments.index(key) + 1]) for key in ("--file", "--prefix"))
        (prefix / "bin").mkdir(parents=True)
        (prefix / "site").symlink_to(Path(sys.argv[0]).parents[1] / "site")
        _executable(prefix / "bin" / "python", "python")
        _pin(prefix, pip_pins(file))
    elif arguments[0] != "clean":
        sys.exit(f"not asked of this conda before: {arguments}")


def python() -> None:
    """The `python` of an environment."""
    prefix, arguments = Path(sys.argv[0]).parents[1], sys.argv[1:]
    if arguments[:4] == ["-m", "pip", "install", "--no-deps"]:
        _pin(prefix, arguments[4:])
        return
    given = os.environ.get("PYTHONPATH", "")
    os.environ["PYTHONPATH"] = os.pathsep.join([str(prefix / "site"), *filter(None, [given])])
    os.environ["HIDDEN"] = str(prefix / "hidden.json")
    os.execv(sys.executable, [sys.executable, *arguments])


def pip_pins(file: Path) -> list[str]:
    """Pins below ``pip`` in a conda file."""
    dependencies = yaml.safe_load(file.read_text())["dependencies"]
    return [pin for entry in dependencies if isinstance(entry, dict) for pin in entry["pip"]]


def hidden(pins: list[str]) -> tuple[set[str], set[str]]:
    """Top-level modules, and distributions, that are installed here and that no pin brings.

    Pins without their dependencies end with ``(alone)``.
    """
    there = {"pip", "setuptools"}
    wanted = [Requirement(pin.removesuffix("(alone)")).name for pin in pins]
    alone = {Requirement(pin.removesuffix("(alone)")).name for pin in pins if pin.endswith("(alone)")}
    while wanted:
        name = wanted.pop()
        if canonicalize_name(name) in there:
            continue
        there.add(canonicalize_name(name))
        for requirement in map(Requirement, [] if name in alone else requires(name) or []):
            if requirement.marker is None or requirement.marker.evaluate({"extra": ""}):
                wanted.append(requirement.name)
    there.add("leignn")  # is never installed there: PYTHONPATH brings it
    modules = {
        module
        for module, names in packages_distributions().items()
        if not there & {canonicalize_name(name) for name in names}
    }
    return modules, {canonicalize_name(found.name) for found in distributions()} - there


def _pin(prefix: Path, pins: list[str]) -> None:
    file = prefix / "pins.json"
    if file.exists():
        pins = [*json.loads(file.read_text()), *(f"{pin}(alone)" for pin in pins)]
    file.write_text(json.dumps(pins))
    (prefix / "hidden.json").write_text(json.dumps([sorted(names) for names in hidden(pins)]))


def _executable(path: Path, main: str) -> None:
    path.write_text(SCRIPT.format(python=sys.executable, tests=str(Path(__file__).parent), main=main))
    path.chmod(path.stat().st_mode | stat.S_IXUSR)
