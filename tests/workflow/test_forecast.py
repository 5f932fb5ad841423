"""What ``snakemake plan`` prints: Snakemake's own counts, sums that add up, unknowns that stay so."""

import re
from pathlib import Path

import pytest

from leignn.forecast.cost import Amount, Costs, run_of
from leignn.forecast.jobs import jobs_to_run, needed
from leignn.forecast.table import report
from leignn.forecast.timing import Timing
from leignn.plan import Plan
from tests.workflow.dry_runs import ROOT, copy_project, jobs, snakemake

SNAKEFILE = ROOT / "workflow" / "Snakefile"
TIMING = Timing(train=0.5, predict=0.01, load=0.0, dynamics=0.02, at_once=8)


@pytest.fixture(scope="module", params=["smoke", "paper"])
def planned(request, tmp_path_factory):
    """Plan, jobs, costs and a dry run of all, in an empty folder."""
    folder = tmp_path_factory.mktemp(request.param)
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(folder)
        plan = Plan.of({"scale": request.param})
        found = jobs_to_run(SNAKEFILE, {"scale": request.param}, plan.targets)
        timed = {
            (job.wildcards["dataset"], job.wildcards["model"]): TIMING
            for job in found
            if job.rule == "train_model" and plan.dataset(job.wildcards["dataset"]).size
        }
        yield plan, found, Costs(plan, timed, 2), folder


def dry_run(plan, folder, *targets) -> dict[str, int]:
    scale = f"scale={plan.configuration.scale}"
    done = snakemake("-n", "-s", str(SNAKEFILE), *targets, "--config", scale, folder=folder)
    counts = jobs(done.stdout + done.stderr)
    counts.pop("all", None)
    return counts


@pytest.mark.parametrize("target", ["", "table1", "table3"])
def test_jobs_are_those_of_a_dry_run(planned, target) -> None:
    plan, found, _, folder = planned
    files = plan.rows[target] if target else plan.targets
    chosen = [found[place].rule for place in needed(found, files)]
    expected = dry_run(plan, folder, *(files if target else ()))
    assert expected.pop("total") - (not target) == len(chosen)
    assert {rule: chosen.count(rule) for rule in set(chosen)} == expected


def cells(line: str) -> list[str]:
    return re.split(r" {2,}", line.strip())


def test_the_total_adds_up(planned) -> None:
    plan, found, costs, _ = planned
    lines = report(plan, found, costs, "cpu")
    table = [cells(line) for line in lines[2 : 2 + len(plan.rows) + 2]]
    *rows, shared, total = table
    assert {row[0] for row in rows} == set(plan.rows) and total[0] == "total"
    for column in (1, 2, 3):  # jobs, trainings, simulations
        again = int(shared[column].replace("−", "-"))
        assert sum(int(row[column]) for row in rows) + again == int(total[column])
    assert int(total[1]) == len(found) == len(needed(found, plan.targets))


def test_hours_are_those_of_the_protocol(planned) -> None:
    plan, found, costs, _ = planned
    if plan.configuration.scale == "paper":
        job = next(
            j
            for j in found
            if j.rule == "train_model"
            and j.wildcards["dataset"] == "oc20_200k"
            and j.wildcards["model"] == "leignn"
        )
        training = run_of(plan, "oc20_200k", "leignn").training
        round_ = 5000 * 0.5 + 40_000 * 0.01  # steps and validation
        most = min(training.max_steps / 5000 * round_, 3600 * (training.max_hours or 1e9))
        assert costs.of(job).seconds == Amount(22 * round_, most)  # the best, and 21 that are no better
    else:
        job = next(
            j
            for j in found
            if j.rule == "train_model"
            and j.wildcards["model"] == "schnet"
            and j.wildcards["dataset"] == "oc20_standin"
        )
        seconds = 2 * (10 * 0.5 + 12 * 0.01) / 2  # two evaluations; two jobs at once on two cores
        assert costs.of(job).seconds.most == pytest.approx(seconds)
        simulated = next(j for j in found if j.rule == "simulate_run")
        assert costs.of(simulated).seconds == Amount(0.0, 60 * 0.02 / 2)


def test_what_is_unknown_stays_so(planned) -> None:
    plan, found, costs, _ = planned
    text = "\n".join(report(plan, found, costs, "cpu"))
    if plan.configuration.scale == "smoke":
        assert "unknown" not in text.lower()
        return
    (download,) = [j for j in found if j.wildcards.get("archive") == "h2o"]
    assert costs.of(download).download == Amount(unknown=1)
    for job in found:
        if job.rule == "train_model" and job.wildcards["dataset"] == "h2o":
            assert costs.of(job).seconds == Amount(unknown=1)
    assert "Unknown: times on ch4, h2o" in text and "+ unknown" in text


@pytest.mark.slow
def test_by_command_nothing_is_downloaded_and_nothing_started(tmp_path: Path) -> None:
    folder = copy_project(tmp_path)
    shown = (f"{name}: {{models: [trivial]}}" for name in ("table1", "table2", "table3", "figure5"))
    only = f"results={{{', '.join(shown)}}}"
    done = snakemake("plan", "--quiet", "all", "--config", "scale=smoke", only, folder=folder)
    assert done.returncode == 0, done.stderr
    assert "Table 1: " in done.stdout and "h on this device" in done.stdout
    assert not (folder / "data").exists() and not (folder / "results").exists()
    assert (folder / "logs" / "timings.json").exists()
