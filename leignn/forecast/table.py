"""Print what a run of the workflow will cost, by target: jobs, hours on this device, disk, downloads.

Only what is still to be made counts. Models are timed here, for a few minutes, on structures made on the
spot; nothing is downloaded, and no job is started.
"""

import argparse
import json
import os
import sys
from collections import Counter
from pathlib import Path

from leignn.arguments import add_device
from leignn.config.run import RunConfig
from leignn.config.simulation import Simulation
from leignn.config.size import Size
from leignn.errors import InputError
from leignn.forecast.cost import Amount, Cost, Costs, run_of, simulation_of
from leignn.forecast.jobs import Job, jobs_to_run, needed
from leignn.forecast.timing import Timing, timings
from leignn.plan import Plan

TRAINING, SIMULATION = "train_model", "simulate_run"
HEADINGS = ("target", "jobs", "trainings", "simulations", "hours", "download", "disk")


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--snakefile", type=Path, default=Path("workflow/Snakefile"), help="of the workflow")
    parser.add_argument("--config", default="{}", help='JSON, e.g. {"scale": "paper"}')
    parser.add_argument("--timings", type=Path, help="kept timings (default logs/timings.json)")
    add_device(parser)


def main(args: argparse.Namespace) -> None:
    try:
        user = json.loads(args.config)
    except json.JSONDecodeError as error:
        raise InputError(f"--config is no JSON: {error}") from error
    plan = Plan.of(user)
    jobs = jobs_to_run(args.snakefile, user, plan.targets)
    timed = _timed(plan, jobs, args.timings or Path(plan.logs, "timings.json"), args.device)
    costs = Costs(plan, timed, os.cpu_count() or 1)
    print("\n".join(report(plan, jobs, costs, args.device)))


def _timed(plan: Plan, jobs: list[Job], kept: Path, device: str) -> dict[tuple[str, str], Timing]:
    """The timing of every run that is trained, predicts or simulates, of a data set whose size is known."""
    wanted: dict[tuple[str, str], tuple[RunConfig, Size, Simulation | None]] = {}
    for job in jobs:
        if job.rule not in (TRAINING, "predict_run", SIMULATION, "measure_drift"):
            continue
        dataset, model = job.wildcards["dataset"], job.wildcards["model"]
        if (size := plan.dataset(dataset).size) is None:
            continue
        simulation = wanted[dataset, model][2] if (dataset, model) in wanted else None
        if job.rule == SIMULATION:
            simulation = simulation_of(plan, dataset, model)
        if job.rule == "measure_drift" and simulation is None:
            simulation = DRIFT
        wanted[dataset, model] = run_of(plan, dataset, model), size, simulation
    shown = plan.configuration
    threads = (os.cpu_count() or 1) if shown.gpu else shown.threads.train
    return timings(wanted, kept, device, threads, lambda what: print(what, file=sys.stderr, flush=True))


DRIFT = Simulation(thermostat="langevin", temperature=300, timestep=1, steps=1, every=1)


def report(plan: Plan, jobs: list[Job], costs: Costs, device: str) -> list[str]:
    """Lines: a row a target, what rows share, the total, and what the numbers mean."""
    members = {name: needed(jobs, files) for name, files in plan.rows.items()}
    every = set().union(*members.values())
    cost = {name: costs.total(jobs[place] for place in places) for name, places in members.items()}
    total = costs.total(jobs[place] for place in every)
    names = sorted(members, key=lambda name: (cost[name].seconds.most, len(members[name])))
    rows = [_row(name, [jobs[place] for place in members[name]], cost[name]) for name in names]
    counts = Counter(place for places in members.values() for place in places)
    twice = [jobs[place] for place, number in counts.items() for _ in range(number - 1)]
    rows.append(_row("shared, counted again", twice, costs.total(twice), "−"))
    rows.append(_row("total", [jobs[place] for place in every], total))
    lines = _aligned([list(HEADINGS), *rows])
    where = f"scale {plan.configuration.scale} on {costs_device(device)}"
    lines[:0] = [f"Plan of {where}: what is still to be made, cheapest first."]
    lines.append("")
    for name in plan.built:
        title = plan.results[name].short_title
        lines.append(f"{title}: {_hours(cost[name].seconds)} h on this device")
    lines.append(f"Everything: {_hours(total.seconds)} h on this device")
    lines += ["", *_notes(jobs, every, total, costs)]
    return lines


def costs_device(device: str) -> str:
    """Name of what models were timed on."""
    from leignn.provenance import hardware  # PyTorch's

    found = hardware()
    return str(found["gpu"] if device == "cuda" else f"{found['cpu']}, {found['cores']} cores")


def _row(name: str, jobs: list[Job], cost: Cost, sign: str = "") -> list[str]:
    rules = Counter(job.rule for job in jobs)
    counts = [len(jobs), rules[TRAINING], rules[SIMULATION]]
    sizes = [_bytes(cost.download), _bytes(cost.disk)]
    cells = [*map(str, counts), _hours(cost.seconds), *sizes]
    return [name, *(sign + cell for cell in cells)]


def _hours(amount: Amount) -> str:
    least, most = (_number(seconds / 3600) for seconds in (amount.least, amount.most))
    return (most if least == most else f"{least} to {most}") + (" + unknown" if amount.unknown else "")


def _number(value: float) -> str:
    return f"{value:,.{0 if value >= 100 else 1 if value >= 10 else 3}f}"


def _bytes(amount: Amount) -> str:
    if amount.unknown and not amount.most:
        return "unknown"
    return f"{_number(amount.most / 1e9)} GB" + (" + unknown" if amount.unknown else "")


def _aligned(rows: list[list[str]]) -> list[str]:
    widths = [max(len(row[column]) for row in rows) for column in range(len(rows[0]))]
    lines = []
    for first, *rest in rows:
        numbers = [cell.rjust(width) for cell, width in zip(rest, widths[1:], strict=True)]
        lines.append("  ".join([first.ljust(widths[0]), *numbers]))
    return lines


def _notes(jobs: list[Job], every: set[int], total: Cost, costs: Costs) -> list[str]:
    chosen = [jobs[place] for place in every]
    lines = [
        "Hours: from trainings that stop at the first evaluation at which they may, and simulations that",
        "break at once, to those that reach max_steps, max_hours and their full length. Jobs that several",
        "targets need are in each of their rows and once in the total.",
    ]
    failures = {
        f"{model} on {dataset}: {timing.failure}"
        for (dataset, model), timing in sorted(costs.timed.items())
        if timing.failure
    }
    unsized = sorted(
        {
            job.wildcards["dataset"]
            for job in chosen
            if job.rule == TRAINING and (job.wildcards["dataset"], job.wildcards["model"]) not in costs.timed
        }
    )
    if unsized:
        lines.append(f"Unknown: times on {', '.join(unsized)}, whose size is not published.")
    lines += [f"Not timed: {failure}." for failure in sorted(failures)]
    untimed = Counter(job.rule for job in chosen if costs.of(job).untimed)
    if untimed:
        listed = ", ".join(f"{rule} {count}" for rule, count in untimed.most_common())
        lines.append(f"Not in the hours, as they have not run here yet: {listed}.")
    return lines
