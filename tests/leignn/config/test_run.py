"""One rule of merging: base → data set → scale → model → user; and the configurations that ship."""

import re

import pytest
import yaml

from leignn.cli import main
from leignn.config.base import load_yaml
from leignn.config.dataset import dataset_names, load_dataset
from leignn.config.merge import merge
from leignn.config.model import find_model, load_model, model_names
from leignn.config.run import RunConfig, load_run_config, merged_simulation, resolve_run
from leignn.errors import InputError
from leignn.graph import GraphSpec
from leignn.registry import build_potential
from leignn.resources import CONFIG


def test_a_later_layer_wins_key_by_key_also_inside_mappings() -> None:
    below = {"a": 1, "list": [1, 2], "in": {"x": 1, "y": {"z": 1}}}
    above = {"list": [3], "in": {"y": {"w": 2}}, "b": None}
    assert merge(below, above, {"a": 4}) == {
        "a": 4, "list": [3], "in": {"x": 1, "y": {"z": 1, "w": 2}}, "b": None,
    }  # fmt: skip
    assert below == {"a": 1, "list": [1, 2], "in": {"x": 1, "y": {"z": 1}}}


def layered(tmp_path, layers: int) -> RunConfig:
    """A run of which the first ``layers`` layers of seven say their number as ``early_stopping``."""
    number = [{"early_stopping": n + 1} if n < layers else {} for n in range(7)]
    content = load_yaml(CONFIG / "datasets" / "lips.yaml")
    base = load_yaml(CONFIG / "datasets" / "bases" / "mdsim.yaml")
    (tmp_path / "bases").mkdir(exist_ok=True)
    (tmp_path / "bases" / "own.yaml").write_text(yaml.safe_dump(merge(base, {"training": number[0]})))
    content |= {"base": "own", "training": number[1], "scale_training": {"mini": number[3]}}
    (tmp_path / "data.yaml").write_text(yaml.safe_dump(content))
    model = load_yaml(CONFIG / "models" / "leignn.yaml") | {"training": {"mini": number[4]}}
    model["benchmarks"] = {"mdsim": {"training": {"mini": number[5]}}}
    (tmp_path / "model.yaml").write_text(yaml.safe_dump(model))
    settings = {"scale_training": number[2], "training": number[6]}
    return resolve_run(tmp_path / "data.yaml", tmp_path / "model.yaml", "mini", 0, settings)


@pytest.mark.parametrize("layers", range(1, 8))
def test_base_then_data_set_then_scale_then_model_then_user(tmp_path, layers) -> None:
    assert layered(tmp_path, layers).training.early_stopping == layers


def test_numbers_may_be_text() -> None:
    settings = {"training": {"learning_rate": "1e-3", "max_steps": "5000", "tf32": "true"}}
    training = resolve_run("lips", "leignn", "mini", 0, settings).training
    assert (training.learning_rate, training.max_steps, training.tf32) == (1e-3, 5000, True)


@pytest.mark.parametrize(
    ("training", "words"),
    [
        ({"learning_rat": 1}, "unknown key 'training.learning_rat'"),
        ({"max_steps": "many"}, "training.max_steps: 'many'"),
        ({"batch_size": 0}, "training.batch_size: 0"),
        ({"batch_size": True}, "training.batch_size: true or false in place of a number"),
        ({"precision": "8"}, "training.precision: '8'"),
        ({"max_steps": 7}, "max_steps: 7 is no multiple of evaluate_every"),
    ],
)
def test_a_wrong_override_is_one_sentence(training, words) -> None:
    with pytest.raises(InputError) as error:
        resolve_run("lips", "leignn", "mini", 0, {"training": training})
    assert words in str(error.value) and len(str(error.value).splitlines()) == 1


def test_a_simulations_protocol_likewise() -> None:
    dataset, model = load_dataset("melt_standin"), load_model("leignn")
    own = {"benchmarks": {"mdsim": {"simulation": {"mini": {"steps": 30}}}}}
    other = type(model).checked(model.plain() | own, "test")

    def steps(model, scale, *settings) -> int:
        return merged_simulation(dataset, model, scale, *settings).steps

    assert steps(model, "mini", {}, {}) == 10000
    assert steps(model, "mini", {"steps": 50}, {}) == 50
    assert steps(other, "mini", {"steps": 50}, {}) == 30
    assert steps(other, "paper", {"steps": 50}, {}) == 50
    assert steps(other, "mini", {"steps": 50}, {"steps": 20}) == 20
    with pytest.raises(InputError, match="steps: 7 is no multiple of every: 10"):
        steps(model, "mini", {}, {"steps": 7})
    with pytest.raises(InputError, match="no key 'md'"):
        merged_simulation(load_dataset("oc20_standin"), model, "mini", {}, {})


def test_the_command_writes_what_everything_else_reads(tmp_path) -> None:
    command = ["configure", "--dataset", "md17_aspirin", "--model", "e2gnn", "--scale", "mini"]
    assert main([*command, "--output", str(tmp_path / "run" / "config.yaml")]) == 0
    run = load_run_config(tmp_path / "run")
    assert (run.dataset, run.model, run.dataset_info.member) == ("md17_aspirin", "leignn", "aspirin")
    assert run == resolve_run("md17_aspirin", "leignn", "mini", 0)


def test_every_model_file_has_every_scale_and_builds() -> None:
    for path in set(model_names().values()):
        model, counts = load_model(path), {}
        for scale, hyperparameters in model.hyperparameters.items():
            potential = build_potential(
                model.potential, GraphSpec(6.0, 20), hyperparameters, model.environment
            )
            counts[scale] = sum(parameter.numel() for parameter in potential.parameters())
        stated = re.search(r"# Parameters: ([\d ]+) at paper, ([\d ]+) at mini", path.read_text())
        if stated or counts["paper"]:
            assert [int(n.replace(" ", "")) for n in stated.groups()] == [counts["paper"], counts["mini"]]
    assert model_names()["e2gnn"].stem == "leignn"


def test_the_users_sizes_of_one_model() -> None:
    settings = {"sizes": {"leignn_c": {"hidden_channels": 128}}}
    run = resolve_run("lips", "leignn_c", "mini", 0, settings)
    assert run.hyperparameters == {"hidden_channels": 128, "num_layers": 3, "num_rbf": 32}
    assert resolve_run("lips", "leignn", "mini", 0, settings) == resolve_run("lips", "leignn", "mini", 0)


def test_every_data_set_file_is_valid_and_resolves() -> None:
    for name in dataset_names():
        run = resolve_run(name, "leignn", "paper", 0)
        assert run.hyperparameters == {"hidden_channels": 512, "num_layers": 4, "num_rbf": 128}


def test_the_users_training_wins_over_the_models_and_that_over_the_scales() -> None:
    scale = {"scale_training": {"learning_rate": 0.7, "clip_norm": 7}}
    own = resolve_run("oc20_standin", "mace", "mini", 0).training.learning_rate
    run = resolve_run("oc20_standin", "mace", "mini", 0, scale)
    assert (run.training.learning_rate, run.training.clip_norm) == (own, 7)
    run = resolve_run("oc20_standin", "mace", "mini", 0, scale | {"training": {"learning_rate": 0.9}})
    assert run.training.learning_rate == 0.9


def test_the_protocol_of_oc20_is_the_published_one() -> None:
    run = resolve_run("oc20_200k", "leignn", "paper", 0)
    training = run.training
    assert (training.learning_rate, training.min_learning_rate) == (2e-4, 1e-6)
    assert (training.batch_size, training.forces_weight, training.clip_norm) == (32, 50, 50)
    assert (training.evaluate_every, training.early_stopping) == (5000, 20)
    assert run.graph.model_dump() == {"cutoff": 6.0, "max_neighbors": 20, "rule": "strict"}


def test_a_model_overrides_the_graph_at_one_scale_only() -> None:
    graphs = [resolve_run("oc20_standin", "painn", s, 0).graph.model_dump() for s in ("paper", "smoke")]
    assert graphs[0] == {"cutoff": 12.0, "max_neighbors": 50, "rule": "strict"}
    assert graphs[1] == {"cutoff": 6.0, "max_neighbors": 20, "rule": "strict"}


def test_a_model_has_settings_of_its_own_for_a_benchmark(tmp_path) -> None:
    model = load_yaml(find_model("painn"))
    own = {"hyperparameters": {"paper": {"hidden_channels": 3}}, "graph": {"paper": {"cutoff": 4}}}
    model.setdefault("benchmarks", {})["mdsim"] = own
    changed = tmp_path / "painn.yaml"
    changed.write_text(yaml.safe_dump(model))
    run, usual = (
        resolve_run("lips_sample", changed, "paper", 0),
        resolve_run("oc20_200k", "painn", "paper", 0),
    )
    assert run.hyperparameters == usual.hyperparameters | {"hidden_channels": 3}
    assert run.graph.cutoff == 4 and run.graph.max_neighbors == 50
    assert resolve_run("oc20_200k", changed, "paper", 0) == usual


def test_the_set_of_baselines_changes_sizes_of_the_other_models_on_oc20_alone() -> None:
    def sizes(dataset: str, model: str, scale: str, baselines: str) -> tuple:
        run = resolve_run(dataset, model, scale, 0, {"baselines": baselines})
        return run.hyperparameters, run.graph

    hyperparameters, graph = sizes("oc20_200k", "painn_direct", "paper", "paper_like")
    assert hyperparameters == {"hidden_channels": 512, "num_layers": 4, "num_rbf": 128}
    leignn = sizes("oc20_200k", "leignn", "paper", "paper_like")
    assert graph == leignn[1] and hyperparameters == leignn[0]  # at LEIGNN's cost
    assert sizes("oc20_200k", "painn_direct", "paper", "open_catalyst")[1].cutoff == 12.0
    assert leignn == sizes("oc20_200k", "leignn", "paper", "open_catalyst")
    for dataset, scale in (("md17_uracil", "paper"), ("oc20_200k", "hour")):
        both = [sizes(dataset, "painn_direct", scale, name) for name in ("open_catalyst", "paper_like")]
        assert both[0] == both[1]
    with pytest.raises(InputError, match="baselines"):
        sizes("oc20_200k", "leignn", "paper", "mine")
