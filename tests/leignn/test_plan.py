"""The plan of the workflow: which runs and files, for which configuration."""

import subprocess
import sys

import pytest
import yaml

from leignn.errors import InputError
from leignn.plan import Plan
from leignn.resources import CONFIG


@pytest.fixture
def elsewhere(tmp_path, monkeypatch):
    """A working directory without configuration of its own."""
    monkeypatch.chdir(tmp_path)
    return tmp_path


def test_planning_imports_neither_torch_nor_pandas() -> None:
    code = "import sys, leignn.plan; print(*{'torch', 'pandas'} & set(sys.modules))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == ""


def test_runs_of_several_results_are_each_there_once(elsewhere) -> None:
    plan = Plan.of({"scale": "smoke", "seeds": ["0", "2"]})
    both, one = plan.run_folders(["table1", "table2"]), plan.run_folders(["table2"])
    assert (
        len(both) == len(set(both)) == 2 * len(set(plan.models_of("table1")) | set(plan.models_of("table2")))
    )
    assert set(one) < set(both)
    assert "results/runs/oc20_standin/smoke/leignn/seed2" in one
    files = plan.simulation_files(["figure5"], "observables.json")
    assert files == [
        f"results/runs/{system}_standin/smoke/leignn/seed{seed}/md/start0/observables.json"
        for system in ("solid", "melt", "gas")
        for seed in (0, 2)
    ]
    references = [f"data/smoke/references/{system}_standin.npz" for system in ("melt", "solid", "gas")]
    assert plan.references(["table3", "figure5"]) == references
    usual = Plan.of({}).run_folders(["table3"])
    of_gas = [folder.split("/")[4] for folder in usual if "gas_standin" in folder]
    assert set(of_gas) == {"schnet", "leignn"}


def test_the_users_models_and_data_sets_in_place_of_the_declared(elsewhere) -> None:
    chosen = {"table1": {"models": ["schnet"]}, "md17": {"datasets": ["md17_uracil"], "models": ["leignn"]}}
    plan = Plan.of({"results": chosen})
    schnet = "results/runs/oc20_standin/mini/schnet"
    assert plan.run_files(["table1"], "log.csv") == [f"{schnet}/seed{n}/log.csv" for n in range(2)]
    assert plan.run_folders(["md17"]) == ["results/runs/md17_uracil/mini/leignn/seed0"]
    assert plan.results["table1"].title == Plan.of({}).results["table1"].title
    assert plan.raw_root("md17_uracil") == "data/archives/md17_uracil"
    assert plan.stores("md17_uracil") == ["data/stores/md17_uracil/all"]


def test_a_name_keeps_configurations_apart(elsewhere) -> None:
    plan, named = Plan.of({}), Plan.of({"run": "wide-2"})
    assert (plan.folder, plan.logs, named.folder, named.logs) == (
        "results", "logs", "results/wide-2", "logs/wide-2",
    )  # fmt: skip
    assert "results/table1.csv" in plan.targets and "results/wide-2/index.html" in named.targets
    assert named.run_folders(["figure5"])[1] == "results/wide-2/runs/melt_standin/mini/leignn/seed0"
    for name in ("a b", "ä", "a/b", "..", "runs", "-"):
        with pytest.raises(InputError, match="run: .* is (no name|a folder that all results share)"):
            Plan.of({"run": name})


def test_files_then_scale_then_user(elsewhere) -> None:
    assert Plan.of({}).configuration.threads.train == 1
    (elsewhere / "config" / "scales").mkdir(parents=True)
    own = yaml.safe_load((CONFIG / "scales" / "mini.yaml").read_text())
    own["threads"] = {"train": 3, "predict": 4}
    (elsewhere / "config" / "scales" / "mini.yaml").write_text(yaml.safe_dump(own))
    (elsewhere / "config" / "config.yaml").write_text(
        yaml.safe_dump({"scale": "mini", "data_dir": "d", "samples_dir": "s", "seeds": [5], "gpu": 9})
    )
    found = Plan.of({"threads": {"predict": "5"}}).configuration
    assert (found.threads.train, found.threads.predict, found.seeds, found.data_dir) == (3, 5, [5], "d")
    assert found.gpu == 0  # the scale's


def test_settings_reach_the_commands(elsewhere) -> None:
    plan = Plan.of(
        {"scale": "smoke", "training": {"max_steps": "80"}, "simulation": {"settings": {"steps": 20}}}
    )
    assert '"training": {"max_steps": 80}' in plan.settings_argument
    assert '"evaluate_every": 10' in plan.settings_argument
    arguments = " ".join(plan.simulation_arguments("melt_standin", "leignn", "smoke"))
    assert "--steps 20 --every 10" in arguments and "--thermostat nose-hoover" in arguments


def test_sizes_are_numbers_also_from_the_command_line(elsewhere) -> None:
    """Snakemake's ``--config`` leaves what is within mappings as text."""
    plan = Plan.of({"sizes": {"leignn_c": {"hidden_channels": "128"}}})
    assert '"hidden_channels": 128,' in plan.resolved("melt_standin", "leignn_c", "mini", 0)


@pytest.mark.parametrize(
    ("name", "words"), [("e2gnn", "another name of the model 'leignn'"), ("leinn", "leinn")]
)
def test_sizes_of_no_models_name(elsewhere, name, words) -> None:
    with pytest.raises(InputError, match=words):
        Plan.of({"sizes": {name: {"hidden_channels": 128}}})


def test_raw_files_of_the_users_are_inputs_where_they_are(elsewhere) -> None:
    plan = Plan.of({"samples_dir": "mine"})
    assert plan.raw_input("lips_sample", "all") == []
    (elsewhere / "mine").mkdir()
    path = elsewhere / "mine" / "lips_dft_520K_1000.extxyz"
    path.touch()
    assert plan.raw_input("lips_sample", "all") == ["mine/lips_dft_520K_1000.extxyz"]
    assert plan.raw_input("oc20_200k", "train") == ["data/raw/oc20_200k/train"]
    assert plan.raw_input("oc20_standin", "train") == ["data/raw/oc20_standin"]
    assert plan.stores("oc20_50k")[0] == "data/stores/oc20_200k/train"


@pytest.mark.parametrize("scale", ["smoke", "mini", "hour", "paper"])
def test_every_scale_is_sound(elsewhere, scale) -> None:
    plan = Plan.of({"scale": scale})
    assert plan.run_folders(plan.with_runs) and plan.limitation_files("drift")
    assert len(plan.targets) == len(plan.tables) + len(plan.figures) + 1


def test_what_is_run_on_request_only(elsewhere) -> None:
    assert not Plan.of({"scale": "paper"}).datasets_of("md17")
    plan = Plan.of({"scale": "paper", "also": ["md17", "iso17"]})
    assert plan.datasets_of("iso17") == ["iso17"] and len(plan.datasets_of("md17")) == 20
    chosen = Plan.of({"also": ["md17"], "results": {"md17": {"datasets": ["md17_uracil"]}}})
    assert chosen.datasets_of("md17") == ["md17_uracil"]
    with pytest.raises(InputError, match="'table1' has nothing to run on request; .*iso17"):
        Plan.of({"also": ["table1"]})


@pytest.mark.parametrize("example", sorted((CONFIG / "examples").glob("*.yaml")), ids=lambda path: path.stem)
def test_every_example_is_sound(elsewhere, example) -> None:
    content = yaml.safe_load(example.read_text())
    plan = Plan.of(content)
    assert plan.run_folders(plan.with_runs)
    for name, shown in content.get("results", {}).items():
        assert plan.datasets_of(name) == shown["datasets"]
