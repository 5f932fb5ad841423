"""Python 3.11 to 3.13: what each file says of it, the lock on each, and what `make` says where there is none.

Whether there are wheels: ``tests/machines/lock.sh``; a machine with little on it:
``tests/machines/bare_debian.sh``.
"""

import re
import subprocess
import tomllib
from collections import deque
from importlib.metadata import distribution
from pathlib import Path

import pytest
from packaging.markers import default_environment
from packaging.requirements import Requirement
from packaging.specifiers import SpecifierSet
from packaging.utils import canonicalize_name

ROOT = Path(__file__).parents[1]
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
VERSIONS = ("3.11", "3.12", "3.13")


def pins(name: str) -> dict[str, Requirement]:
    lines = (ROOT / name).read_text().splitlines()
    found = [Requirement(line) for line in lines if line and line[0] != "#"]
    return {canonicalize_name(requirement.name): requirement for requirement in found}


LOCK, ALONE = pins("requirements.txt"), pins("requirements-nodeps.txt")


@pytest.mark.parametrize("version", VERSIONS)
def test_the_lock_is_whole_and_fits(version) -> None:
    """Whatever the project and what it needs ask for on that Python is pinned, at a version that it takes."""
    environment = default_environment() | {"python_version": version, "python_full_version": f"{version}.0"}
    extras = PROJECT["optional-dependencies"]
    asked = [*PROJECT["dependencies"], *(text for extra in extras.values() for text in extra)]
    waiting, seen = deque((PROJECT["name"], Requirement(text)) for text in asked), set()
    while waiting:
        asker, requirement = waiting.popleft()
        name = canonicalize_name(requirement.name)
        if re.match(r"(nvidia|cuda)-", name):  # torch pins what its CUDA build brings
            continue
        pin = LOCK.get(name)
        assert pin is not None, f"{asker} needs {requirement} on Python {version}: not in the lock"
        assert (pin.marker is None or name == "triton") and "==" in str(pin.specifier)
        (pinned,) = [part.version for part in pin.specifier]
        assert requirement.specifier.contains(pinned, prereleases=True), f"{asker} needs {requirement}"
        for extra in {"", *requirement.extras} - {extra for found, extra in seen if found == name}:
            seen.add((name, extra))
            for text in distribution(name).requires or []:
                further = Requirement(text)
                if further.marker is None or further.marker.evaluate(environment | {"extra": extra}):
                    waiting.append((name, further))
    assert len({name for name, _ in seen}) > 150
    assert set(LOCK) - {name for name, _ in seen} <= {"setuptools"}


@pytest.mark.parametrize("version", VERSIONS)
def test_every_pin_takes_that_python(version) -> None:
    environment = {"python_version": version}
    for name, pin in (LOCK | ALONE).items():
        # There, and here, where its metadata is read.
        if pin.marker is None or (pin.marker.evaluate(environment) and pin.marker.evaluate()):
            wanted = distribution(name).metadata["Requires-Python"]
            fits = wanted is None or SpecifierSet(wanted).contains(f"{version}.5")
            assert fits or (name, version) == ("fairchem-core", "3.13"), name
    absent = {name for name, pin in ALONE.items() if pin.marker and not pin.marker.evaluate(environment)}
    assert absent == ({"chgnet", "pymatgen"} if version == "3.13" else set())


def test_every_file_says_the_same() -> None:
    assert SpecifierSet(PROJECT["requires-python"]) == SpecifierSet(">=3.11")
    makefile, readme = (ROOT / "Makefile").read_text(), (ROOT / "README.md").read_text()
    assert "(3, 11) <= sys.version_info < (3, 14)" in makefile
    assert set(re.findall(r"python(3\.\d+)", makefile.partition("SCALE ?=")[0])) == set(VERSIONS)
    for text in (makefile, readme, (ROOT / "requirements.txt").read_text()):
        assert re.search(r"Python 3\.11,\s3\.12\s(or|and)\s3\.13", text)


def test_make_says_what_to_type_where_no_python_fits(tmp_path) -> None:
    (tmp_path / "bin").mkdir()
    for tool in ("sh", "env", "make"):
        found = subprocess.run(["which", tool], capture_output=True, text=True, check=True).stdout.strip()
        (tmp_path / "bin" / tool).symlink_to(found)
    old = tmp_path / "bin" / "python3"
    old.write_text("#!/bin/sh\nexit 1\n")  # as any other version answers
    old.chmod(0o755)
    for name in ("Makefile", "requirements.txt", "requirements-nodeps.txt", "pyproject.toml"):
        (tmp_path / name).write_text((ROOT / name).read_text())
    for arguments in ([], ["PYTHON=/no/python3"]):
        done = subprocess.run(
            ["make", "run", *arguments], cwd=tmp_path, env={"PATH": str(tmp_path / "bin")},
            capture_output=True, text=True,
        )  # fmt: skip
        assert done.returncode == 2
        assert done.stdout.startswith("Python 3.11, 3.12 or 3.13 with its venv module is needed: install it")
        assert "make PYTHON=" in done.stdout and "install uv" in done.stdout
        assert not (tmp_path / ".venv").exists()
