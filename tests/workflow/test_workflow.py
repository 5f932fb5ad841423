"""The workflow as a user meets it: dry runs, bad configurations, what a change re-runs, lint."""

import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
import yaml

from tests.workflow.dry_runs import (
    BUILT,
    COMPARED,
    COMPARED_RUNS,
    MINI_RUNS,
    OTHERS,
    PARTS,
    REPAIRED,
    RESULTS,
    ROOT,
    RUNS,
    SEEDS,
    SIMULATED,
    TABLE1,
    TABLE3,
    TABLES,
    copy_project,
    jobs,
    snakemake,
)


@pytest.fixture
def project(tmp_path) -> Path:
    """A copy of what the workflow consists of."""
    return copy_project(tmp_path)


def test_default_scale_is_one_dag(project) -> None:
    done = snakemake("-n", folder=project)
    assert done.returncode == 0, done.stderr
    runs = MINI_RUNS
    found = jobs(done.stdout)
    assert found.pop("total") == sum(found.values())
    assert found == {
        "all": 1,
        "generate_oc20_standin": 1,
        "generate_md_standin": 1 + len(OTHERS),
        "build_store": PARTS + 1 + len(OTHERS),
        "split_dataset": 2 + len(OTHERS),
        "configure_run": runs,
        "train_model": runs,
        "predict_run": runs,
        "score_run": runs,
        "analyse_reference": 1 + len(OTHERS),
        "draw_starts": 2 + len(OTHERS),  # for simulations, and for what drifts
        "simulate_run": SIMULATED,
        "analyse_simulation": SIMULATED,
        "measure_drift": COMPARED_RUNS,
        "measure_separation": COMPARED_RUNS,
        "measure_costs": 1,
        "build_beyond": 1,
        "plot_beyond": 1,
        "join_limitations": 1,
        "profile_models": 1,
        "build_table": len(BUILT),
        "check_claims": 1,
        "plot_learning_curves": 1,
        "plot_complexity": 1,
        "plot_graphs": 1,
        "plot_architecture": 1,
        "plot_messages": 1,
        "plot_structure": 1,
        "plot_dynamics": 1,
        "plot_limitations": 1,
        "render_page": 1,
    }


def test_report_has_captions(project) -> None:
    """Of two tables that need no run; every other result is marked by the same function."""
    tables = ["results/md17.csv", "results/iso17.csv"]
    done = snakemake(*tables, folder=project)
    assert done.returncode == 0, done.stderr
    done = snakemake("--report", "report.html", "--", *tables, folder=project)
    assert done.returncode == 0, done.stderr
    report = (project / "report.html").read_text()
    assert "950 training and 50 validation structures" in report and "unknown isomers" in report
    rules = "".join(path.read_text() for path in (ROOT / "workflow" / "rules").glob("*.smk"))
    shown = set(re.findall(r'shown\(f"\{RESULTS\}/(\w+)\.\w+"\)', rules))
    assert shown | set(BUILT) == set(RESULTS)


def test_a_new_table_is_its_declaration_and_its_published_values(project) -> None:
    """Beside the others it is then a target, an input of the page, and built by the same rule."""
    declaration = yaml.safe_load((project / "config/results/table1.yaml").read_text())
    declaration |= {"title": "Mine", "models": {"default": ["schnet", "leignn"]}}
    (project / "config/results/mine.yaml").write_text(yaml.safe_dump(declaration))
    shutil.copy(project / "config/published/table1.csv", project / "config/published/mine.csv")
    done = snakemake("-np", folder=project)
    assert done.returncode == 0, done.stderr + done.stdout
    assert jobs(done.stdout)["build_table"] == len(BUILT) + 1
    command = next(line for line in done.stdout.splitlines() if "--output results/mine.csv" in line)
    assert "mini/schnet/seed0/metrics.json" in command and "mini/painn" not in command
    page = next(line for line in done.stdout.splitlines() if "leignn render-page" in line)
    assert "config/results/mine.yaml" in page


@pytest.mark.parametrize(
    ("change", "sentence"),
    [
        ({"colour": "red"}, "table1.yaml: unknown key 'colour'"),
        ({"table": {"columns": {"e": {"metric": "m", "best": "least"}}}}, "table.columns.e.best"),
        ({"table": {"columns": {"e": {"metric": "m"}}}}, "published_for is missing"),
        ({"table": {"columns": {"e": {"metric": "m"}, "f": {}}}}, "some read a metric or an observable"),
    ],
)
def test_a_bad_declaration_is_one_sentence(project, change, sentence) -> None:
    path = project / "config/results/table1.yaml"
    path.write_text(yaml.safe_dump(yaml.safe_load(path.read_text()) | change))
    done = snakemake("-n", folder=project)
    assert done.returncode == 2 and "Traceback" not in done.stderr
    assert sentence in done.stdout + done.stderr


def test_snakemake_decides_once_a_job(project) -> None:
    """Not again and again, ever more often, while jobs wait for a core."""
    runs = [f"results/runs/oc20_standin/mini/leignn/seed{seed}/config.yaml" for seed in range(12)]
    done = snakemake("--verbose", *runs, folder=project)
    assert done.returncode == 0, done.stderr
    assert done.stderr.count("Ready jobs: ") <= len(runs) + 2


def test_unlock_as_the_readme_says_it(project) -> None:
    done = subprocess.run(
        [sys.executable, "-m", "snakemake", "--unlock"], cwd=project, capture_output=True, text=True
    )
    assert done.returncode == 0, done.stderr + done.stdout


@pytest.mark.parametrize(
    "path", sorted((ROOT / "workflow" / "profiles").glob("*/config.yaml")), ids=lambda path: path.parent.name
)
def test_every_profile_names_the_cores(path) -> None:
    """Without, rules with ``threads: workflow.cores`` stop Snakemake; a dry run would not show it."""
    assert "cores" in yaml.safe_load(path.read_text())


def test_one_table_alone(project) -> None:
    found = jobs(snakemake("-n", "results/table1.csv", folder=project).stdout)
    assert found["build_table"] == 1 and found["train_model"] == sum(SEEDS[model] for model in TABLE1)
    assert "render_page" not in found


def test_paper_scale_shows_the_whole_dag_with_downloads(project) -> None:
    done = snakemake("-np", "--config", "scale=paper", "also=[md17, iso17]", folder=project)
    found = jobs(done.stdout)
    assert done.returncode == 0, done.stderr
    assert found["download_part"] == PARTS  # the 50K subset uses the 200K store
    assert found["download_archive"] == 1 + 10 + 1 + 3  # rMD17, MD17's molecules, ISO17; LiPS, H2O, CH4
    assert found["build_store"] == PARTS + 10 * 2 + 10 + 4 + 3
    assert found["split_dataset"] == 2 + 10 + 10 + 1 + 3
    of_tables = 2 * len(TABLES) + (10 + 10 + 1) * len(TABLE1) + len(TABLE3) + 2
    assert found["train_model"] == of_tables + len(REPAIRED) + len(COMPARED - TABLE3)
    assert found["simulate_run"] == 3 * (len(TABLE3) + 2)
    assert not {"generate_oc20_standin", "generate_md_standin"} & set(found)
    for part in ("train", "id", "ood_ads", "ood_cat", "ood_both"):
        command = f"download --dataset oc20_200k --part {part} "
        assert command in done.stdout
    alone = jobs(snakemake("-n", "--config", "scale=paper", folder=project).stdout)
    assert alone["download_archive"] == 3 and alone["split_dataset"] == 2 + 3


def test_real_sample_by_an_overlay(project) -> None:
    arguments = ["--configfile", "config/examples/oc20_sample.yaml", "--config", "samples_dir=somewhere"]
    done = snakemake("-n", "results/table1.csv", "results/table2.csv", *arguments, folder=project)
    found = jobs(done.stdout)
    assert (found["build_store"], found["train_model"]) == (2, sum(SEEDS[model] for model in TABLES))


def test_molecules_by_an_overlay(project) -> None:
    """As config/examples/md17.yaml says it, here with two molecules and models."""
    arguments = ["--configfile", "config/examples/md17.yaml", "--config", "samples_dir=somewhere"]
    found = jobs(snakemake("-n", "results/md17.csv", *arguments, folder=project).stdout)
    assert (found["split_dataset"], found["build_store"], found["train_model"]) == (10, 20, 90)
    assert "download_archive" not in found
    chosen = "results={md17: {datasets: [rmd17_full_uracil, md17_uracil], models: [trivial, leignn]}}"
    done = snakemake("-np", "results/md17.csv", "--config", chosen, folder=project)
    found = jobs(done.stdout)
    assert (found["download_archive"], found["build_store"], found["train_model"]) == (2, 3, 4)
    for archive in ("rmd17", "md17_uracil"):
        assert f"--archive {archive} --output data/archives/{archive}" in done.stdout


def test_a_changed_base_configures_its_data_sets_anew(project) -> None:
    target = "results/runs/rmd17_uracil/smoke/leignn/seed0/config.yaml"
    arguments = [target, "--config", "scale=smoke"]
    assert snakemake(*arguments, folder=project).returncode == 0
    base = project / "config/datasets/bases/rmd17.yaml"
    base.write_text(base.read_text().replace("cutoff: 5.0", "cutoff: 4.5"))
    assert snakemake(*arguments, folder=project).returncode == 0
    assert yaml.safe_load((project / target).read_text())["graph"]["cutoff"] == 4.5


@pytest.mark.parametrize(
    ("setting", "sentence"),
    [
        ("colour=red", "unknown key 'colour'"),
        ("scale=huge", "scale: 'huge' is none of smoke, mini, hour, paper"),
        ("run=my results", "run: 'my results' is no name: 1 to 100 letters"),
        ("run=../other", "run: '../other' is no name"),
        ("run=runs", "run: 'runs' is a folder that all results share"),
        ("results={table9: {models: [leignn]}}", "results.table9: there is no such result"),
        ("results={table1: {models: [lignn]}}", "unknown model 'lignn'"),
        ("results={table1: {datasets: [oc19]}}", "unknown data set 'oc19'"),
        ("results={table1: {models: [e2gnn]}}", "another name of the model 'leignn'"),
        ("results={table3: {datasets: [oc20_standin]}}", "data set 'oc20_standin' has no key 'md'"),
        ("simulation={settings: {steps: 7}}", "steps: 7 is no multiple of every: 10"),
        ("seeds=[]", "seeds"),
        ("training={learning_rat: 1}", "unknown key 'training.learning_rat'"),
        ("training={max_steps: many}", "max_steps"),
        ("training={batch_size: 0}", "training.batch_size: '0': input should be greater than 0"),
        ("training={evaluate_every: 0}", "training.evaluate_every: '0'"),
    ],
)
def test_bad_configuration_is_one_sentence(project, setting, sentence) -> None:
    done = snakemake("-n", "--config", setting, folder=project)
    assert done.returncode == 2 and "Traceback" not in done.stderr
    assert sentence in done.stdout + done.stderr


def test_conda_files_pin_what_the_lock_pins() -> None:
    lock = _pins((ROOT / "requirements.txt").read_text().splitlines())
    nodeps = _pins((ROOT / "requirements-nodeps.txt").read_text().splitlines())
    assert lock["torch"] == "2.13.0"
    files = list((ROOT / "workflow" / "envs").glob("*.yaml"))
    assert {file.stem for file in files} == {"light", "torch", "baselines"}
    for file in files:
        dependencies = yaml.safe_load(file.read_text())["dependencies"]
        assert "python=3.11" in dependencies
        (pip,) = [entry["pip"] for entry in dependencies if isinstance(entry, dict)]
        pins = _pins(pip)
        assert len(pins) == len(pip), file
        assert set(pins.items()) <= set((lock | nodeps).items()), file
    scripts = "".join(path.read_text() for path in (ROOT / "workflow" / "envs").glob("*.post-deploy.sh"))
    del nodeps["ase-db-backends"]  # no command needs it: it writes files of the tests
    assert set(_pins(scripts.split()).items()) == set(nodeps.items())


def _pins(lines: list[str]) -> dict[str, str]:
    lines = [re.split("[#;]", line)[0].strip() for line in lines]
    pairs = [line.split("==") for line in lines if "==" in line]
    return {name.lower().replace("_", "-"): version for name, version in pairs}


@pytest.mark.parametrize("model", ["leignn_c", "leignn", "painn"])
def test_real_data_by_an_overlay(project, model) -> None:
    """As the README says it: a run of each data set, with other steps than the recipe's."""
    datasets = ("rmd17_ethanol", "rmd17_aspirin", "lips_sample", "h2o_sample", "ch4_sample")
    targets = [f"results/runs/{dataset}/mini/{model}/seed0/metrics.json" for dataset in datasets]
    overlay = ["--configfile", "config/examples/real_data.yaml"]
    settings = ["--config", "samples_dir=somewhere", "training={max_steps: 14000}"]
    done = snakemake("-np", *targets, *overlay, *settings, folder=project)
    assert done.returncode == 0, done.stdout + done.stderr
    commands = [line for line in done.stdout.splitlines() if "leignn configure --dataset" in line]
    assert len(commands) == len(datasets)
    for command in commands:
        assert '"max_steps": 14000' in command and '"schedule": "cosine", "warmup_steps": 100' in command


def test_two_overlays_are_one_configuration(project) -> None:
    """A table of molecules by the recipe for gradient forces."""
    files = ["config/examples/md17.yaml", "config/examples/real_data.yaml"]
    chosen = "results={md17: {datasets: [rmd17_ethanol], models: [painn, leignn_c]}}"
    settings = ["--config", "samples_dir=somewhere", chosen]
    done = snakemake("-np", "results/md17.csv", "--configfile", *files, *settings, folder=project)
    assert done.returncode == 0, done.stdout + done.stderr
    assert jobs(done.stdout)["train_model"] == 2
    assert '"schedule": "cosine"' in done.stdout and '"schedule": "plateau"' not in done.stdout


def test_numbers_may_come_as_text_and_a_name_keeps_results_apart(project) -> None:
    """Snakemake hands on the numbers inside a list or a mapping as text."""
    settings = ["seeds=[0,1]", "threads={train: 2}", "standin={train: 100}"]
    settings += ["simulation={settings: {steps: 100}, starts: 2}", "run=second"]
    done = snakemake("-np", "--config", *settings, folder=project)
    assert done.returncode == 0, done.stderr
    found, commands = jobs(done.stdout), done.stdout
    assert found["train_model"] == 2 * RUNS
    assert found["simulate_run"] == 4 * SIMULATED
    assert "generate-oc20-standin --train 100 --validation 220" in commands
    assert (
        "--steps 100 " in commands
        and "--threads 2 --device auto --record-failure > logs/second/train_model" in commands
    )
    outputs = re.findall(r"--output (\S+)", commands)
    assert {output.split("/")[0] for output in outputs} == {"data", "results"}
    assert all(o.startswith(("results/second/", "data/")) for o in outputs)


def test_heavy_jobs_say_what_they_take(project) -> None:
    """What copies or renders runs where Snakemake does; everything else says memory and time."""
    blocks = [
        block
        for path in (ROOT / "workflow" / "rules").glob("*.smk")
        for block in re.findall(r"^rule (\w+):\n(.*?)(?=^rule |\Z)", path.read_text(), re.M | re.S)
    ]
    assert len(blocks) > 25
    for name, block in blocks:
        local = "localrule: True" in block
        assert local != all(f" {key}=" in block for key in ("mem_mb", "runtime")), name
        assert block.count("\n") < 50, name
        if name in ("train_model", "predict_run", "simulate_run", "profile_models"):
            assert "gpu=lookup(" in block


def test_lint() -> None:
    done = snakemake("--lint")
    assert done.returncode == 0, done.stderr
    formatted = subprocess.run(
        [sys.executable, "-m", "snakefmt", "--check", "Snakefile", "workflow"],
        cwd=ROOT,
        capture_output=True,
        text=True,
    )
    assert formatted.returncode == 0, formatted.stderr
