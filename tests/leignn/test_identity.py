"""The fingerprint of code: what changes it, and what does not."""

import importlib.metadata

import pytest

import baselines
from leignn.identity import differences, fingerprint, versions

MODEL = '''"""A model."""
import math

from baselines.below import LAYERS


class Model:
    """Its text."""

    size = 3
    """of it"""

    def forward(self, x):
        from baselines.late import scale  # only now

        return scale(x, LAYERS)
'''


@pytest.fixture
def package(tmp_path, monkeypatch):
    """A package of a model and what it imports, and its fingerprint after an edit of a file of it."""
    monkeypatch.setattr("baselines.__path__", [*baselines.__path__, str(tmp_path)])
    files = {
        "mine": MODEL,
        "below": "LAYERS = 2\n",
        "late": "def scale(x, y):\n    return x * y\n",
        "other": "",
    }

    def edited(name: str = "mine", old: str = "", new: str = "") -> str:
        from leignn import identity

        identity._file.cache_clear()
        identity._parsed.cache_clear()
        fingerprint.cache_clear()
        for file, text in files.items():
            assert file != name or old in text
            (tmp_path / f"{file}.py").write_text(text.replace(old, new) if file == name else text)
        return fingerprint("baselines.mine")

    return edited


@pytest.mark.parametrize(
    ("file", "old", "new"),
    [
        ("mine", "size = 3", "size = 4"),
        ("mine", "scale(x, LAYERS)", "scale(x, -LAYERS)"),
        ("below", "2", "3"),
        ("late", "x * y", "x + y"),
    ],
)
def test_code_that_runs_is_in_it(package, file, old, new) -> None:
    assert package(file, old, new) != package()


@pytest.mark.parametrize(
    ("file", "old", "new"),
    [
        ("mine", "A model.", "The model."),
        ("mine", "Its text.", "Other text."),
        ("mine", '"""of it"""', '"""of the model"""'),
        ("mine", "  # only now", ""),
        ("mine", "import math\n", "import math\n\n# and\n"),
        ("mine", "scale(x, LAYERS)", "scale(\n            x,\n            LAYERS,\n        )"),
        ("other", "", "a = 1\n"),
    ],
)
def test_what_does_not_run_is_not(package, file, old, new) -> None:
    assert package(file, old, new) == package()


def test_a_broken_file_has_one_too(package) -> None:
    assert package("mine", "class Model:", "class Model") != package()


def test_training_depends_on_its_model_and_on_no_other(monkeypatch) -> None:
    from leignn import identity

    read = []
    parsed = identity._parsed
    monkeypatch.setattr(identity, "_parsed", lambda *of: read.append(of[1]) or parsed(*of))
    fingerprint.__wrapped__("leignn.training.train", "baselines.mace")
    assert {"baselines.mace", "baselines.split_statistics", "leignn.graph", "leignn.training.loss"} <= set(
        read
    )
    for absent in ("baselines.schnet", "leignn.report", "leignn.md", "leignn.evaluation", "leignn.config"):
        assert not [module for module in read if module.startswith(absent)], absent


def test_differences_are_named() -> None:
    kept = {"a": 1, "b": {"c": 1, "d": [1]}, "e": None}
    assert differences(kept, kept) == []
    assert differences(kept, {"a": 2, "b": {"c": 1, "d": [1, 2]}, "f": 0}) == ["a", "b.d", "e", "f"]


def test_packages_that_are_not_installed_are_not_among_the_versions(monkeypatch) -> None:
    """The model alone needs none of the extras; with another version of one a training begins anew."""
    everything = versions()
    assert everything.keys() >= {"torch", "torch-geometric", "mace-torch", "torch-sim-atomistic"}
    found = importlib.metadata.version

    def without(name: str) -> str:
        if name == "mace-torch":
            raise importlib.metadata.PackageNotFoundError(name)
        return found(name)

    monkeypatch.setattr(importlib.metadata, "version", without)
    assert versions() == {name: text for name, text in everything.items() if name != "mace-torch"}
