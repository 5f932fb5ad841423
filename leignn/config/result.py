"""What a table or figure shows: ``config/results/<name>.yaml``, read by rules, tables, page and claims."""

from pathlib import Path

from leignn.config.base import Strict, load_yaml

DEFAULT = "default"  # the key that holds for every scale which has none of its own


class Result(Strict):
    """One table, figure or both."""

    title: str
    """Heading on the page."""
    caption: str
    """What it shows, in a paragraph."""
    models: dict[str, list[str]] = {}
    """Names of files in ``config/models``, by scale or ``default``."""
    datasets: dict[str, list[str]] = {}
    """Names of data sets, likewise; a result without any shows what is published."""

    def models_at(self, scale: str) -> list[str]:
        """Models of its rows at a scale."""
        return self.models.get(scale, self.models.get(DEFAULT, []))

    def datasets_at(self, scale: str) -> list[str]:
        """Data sets that its runs are trained on at a scale."""
        return self.datasets.get(scale, self.datasets.get(DEFAULT, []))


def load_results(folder: Path) -> dict[str, Result]:
    """Every declaration in ``config/results``, by name.

    Raises:
        InputError: a file cannot be read or has an unknown key.
    """
    return {path.stem: Result.checked(load_yaml(path), path) for path in sorted(folder.glob("*.yaml"))}
