"""The Containerfile beside README, Makefile and what git ignores: the same packages and commands.

Built and run: ``tests/machines/container.sh``.
"""

import json
import re
from pathlib import Path

ROOT = Path(__file__).parents[1]
MAKEFILE = (ROOT / "Makefile").read_text()


def instructions() -> list[tuple[str, str]]:
    text = (ROOT / "Containerfile").read_text().replace("\\\n", "")
    return [tuple(line.split(None, 1)) for line in text.splitlines() if line and line[0] != "#"]


def packages(text: str, command: str) -> set[str]:
    """What an install command names, less its options."""
    (names,) = re.findall(rf"{command} ([^`&\n]+)", text)
    return {name for name in names.split() if name[0] != "-"}


def test_it_installs_what_the_readme_names_and_sets_up_with_make() -> None:
    steps = instructions()
    runs = [text for name, text in steps if name == "RUN"]
    readme = packages((ROOT / "README.md").read_text(), "apt install")
    assert packages(runs[0], "apt-get install") == readme | {"ca-certificates"}
    bare = (ROOT / "tests" / "machines" / "bare_debian.sh").read_text()
    (included,) = re.findall(r"--include=(\S+)", bare)
    assert set(included.split(",")) == readme | {"python3", "ca-certificates"}
    assert [run.split()[-2:] for run in runs[1:]] == [["make", "setup"]]
    assert not re.search(r"pip install|==|snakemake", " ".join(runs))  # the Makefile alone says how


def test_its_command_is_make_run_and_its_base_is_an_argument() -> None:
    steps = dict(instructions())
    assert json.loads(steps["ENTRYPOINT"]) == ["make"]
    (target,) = json.loads(steps["CMD"])
    assert re.search(rf"^{target}: setup$", MAKEFILE, re.MULTILINE)
    names = [name for name, _ in instructions()]
    assert names.index("FROM") == 1 and steps["FROM"] == "${BASE}"
    assert instructions()[0][1].startswith("BASE=")
    script = (ROOT / "tests" / "machines" / "container.sh").read_text()
    arguments = {text.partition("=")[0] for name, text in instructions() if name == "ARG"}
    assert set(re.findall(r"--build-arg (\w+)=", script)) == arguments  # an unknown one is a warning
    assert re.search(r"-- make ", script)  # `buildah run` knows of no entry point


def test_what_git_ignores_does_not_get_in() -> None:
    lines = (ROOT / ".containerignore").read_text().splitlines()
    ignored = {line.strip("/").removeprefix("**/") for line in lines}
    assert ignored == {line.strip("/") for line in (ROOT / ".gitignore").read_text().splitlines()}
