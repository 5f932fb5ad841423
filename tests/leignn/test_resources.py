"""Shipped files are found from anywhere, and the working directory's own come first."""

import yaml

from leignn.config.dataset import load_dataset
from leignn.config.model import find_model
from leignn.resources import CONFIG, config_file, config_files


def test_shipped_files_are_found_from_anywhere(tmp_path, monkeypatch) -> None:
    monkeypatch.chdir(tmp_path)
    assert config_file("archives.yaml") == CONFIG / "archives.yaml"
    assert config_files("models")["painn"] == CONFIG / "models" / "painn.yaml"
    assert find_model("e2gnn") == CONFIG / "models" / "leignn.yaml"


def test_the_users_own_come_first(tmp_path, monkeypatch) -> None:
    (tmp_path / "config" / "models").mkdir(parents=True)
    for name in ("painn", "mine"):
        model = yaml.safe_load((CONFIG / "models" / "painn.yaml").read_text()) | {"title": "Mine"}
        (tmp_path / "config" / "models" / f"{name}.yaml").write_text(yaml.safe_dump(model))
    (tmp_path / "config" / "archives.yaml").write_text("{}")
    monkeypatch.chdir(tmp_path)
    assert [find_model(name).resolve().parent for name in ("painn", "mine", "schnet")] == [
        tmp_path / "config" / "models",
        tmp_path / "config" / "models",
        CONFIG / "models",
    ]
    assert config_file("archives.yaml").resolve() == tmp_path / "config" / "archives.yaml"
    assert config_file("config.yaml") == CONFIG / "config.yaml"


def test_a_data_set_of_the_users_takes_a_shipped_base(tmp_path) -> None:
    shipped = CONFIG / "datasets" / "lips.yaml"
    (tmp_path / "own.yaml").write_text(shipped.read_text())
    own = load_dataset(tmp_path / "own.yaml")
    assert own.plain() == load_dataset(shipped).plain() and own.name == "own"
