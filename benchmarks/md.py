"""Steps of molecular dynamics a second: the engine of ``simulate`` against the plain ASE loop.

The plain loop has the same potential, the same integrator and the same graph; but ASE's neighbour list at
every step, all of the batch made anew, the C library's usual memory, and the model not accelerated. The
same loop with the accelerated model ("loop") tells what of it is the loop's. They take turns, in processes
of their own. Beside them the smallest system eight times in one batch, on TorchSim:
its steps are those of all replicas together. Prints the medians and writes them as JSON. Run from the
project's folder: ``python -m benchmarks.md``.
"""

import argparse
import json
import multiprocessing
import statistics
import tempfile
import time
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path

import numpy as np
import torch
from ase import Atoms, units
from ase.build import bulk
from ase.calculators.calculator import all_changes
from ase.md.langevin import Langevin
from ase.md.velocitydistribution import MaxwellBoltzmannDistribution
from ase.neighborlist import neighbor_list

from leignn import LEIGNNCalculator
from leignn.backend import plain
from leignn.config.run import RunConfig, resolve_run
from leignn.data.frames import collate
from leignn.data.structure import Structure
from leignn.files import write_text
from leignn.graph import GraphSpec, cut_to_nearest
from leignn.memory import keep_freed_memory
from leignn.model import LEIGNN
from leignn.provenance import hardware
from leignn.trained import TrainedPotential

SIZES = {"mini": (64, 3, 32), "paper": (512, 4, 128)}  # hidden channels, layers, radial functions
GRAPHS = {"MD": GraphSpec(5.0, 50, "ties"), "OC20": GraphSpec(6.0, 20, "strict")}
ENGINES = ("simulate", "loop", "plain")
STEPS = {83: 100, 1000: 10, 10000: 4}  # of how many atoms
WARM_UP = 2  # steps
REPLICAS = 8


class PlainCalculator(LEIGNNCalculator):
    """What one writes first: at every step ASE's neighbour list, cut, and a batch of it."""

    def calculate(self, atoms=None, properties=None, system_changes=all_changes) -> None:
        super(LEIGNNCalculator, self).calculate(atoms, properties, system_changes)
        target, source, offsets, vector = neighbor_list("ijSD", self.atoms, self.trained.graph.cutoff)
        vector = torch.from_numpy(vector)
        chosen = cut_to_nearest(
            torch.from_numpy(target), vector.square().sum(1), vector, len(self.atoms), self.trained.graph
        ).numpy()
        edges = np.stack([source[chosen], target[chosen]]), offsets[chosen]
        batch = collate([Structure.from_atoms(self.atoms)], [edges]).to(self.device)
        with torch.no_grad():
            output = self.trained(batch)
        forces = output["forces"].cpu().numpy().astype(np.float64)
        self.results = {"energy": output["energy"].item(), "forces": forces}


def system(atoms: int) -> Atoms:
    """``atoms`` atoms of copper, with vacancies where they do not fill the cubes."""
    repeats = int(np.ceil((atoms / 4) ** (1 / 3)))
    crystal = bulk("Cu", cubic=True).repeat(repeats)
    del crystal[np.random.default_rng(0).permutation(len(crystal))[atoms:]]
    crystal.rattle(0.05, seed=0)
    return crystal


def calculator(engine: str, size: str, graph: str, device: str) -> LEIGNNCalculator:
    """Random weights, the same for all engines; forces are small: the structure keeps its density."""
    channels, layers, functions = SIZES[size]
    torch.manual_seed(0)
    model = LEIGNN(GRAPHS[graph], channels, layers, functions)
    torch.nn.init.normal_(model.out_forces.weight, std=1e-3)
    sizes = {"hidden_channels": channels, "num_layers": layers, "num_rbf": functions}
    run = resolve_run("oc20_standin", "leignn", "smoke", 0).plain()
    config = RunConfig.checked(run | {"graph": vars(GRAPHS[graph]), "hyperparameters": sizes}, "benchmark")
    with tempfile.TemporaryDirectory() as folder:
        TrainedPotential(model, config, 0.0, range(1, 119)).save(Path(folder) / "checkpoint.pt")
        kind = LEIGNNCalculator if engine == "simulate" else PlainCalculator
        found = kind(Path(folder) / "checkpoint.pt", device)
    if engine == "plain":
        plain(found.trained)
    return found


def run(engine: str, size: str, graph: str, atoms: int, steps: int, threads: int, device: str) -> dict:
    """Seconds a step, on the clock and of the CPU; the last frame's energy and forces as a check."""
    torch.set_num_threads(threads)
    structure = system(atoms)
    structure.calc = calculator(engine, size, graph, device)
    rng = np.random.default_rng(0)
    MaxwellBoltzmannDistribution(structure, temperature_K=500, rng=rng)
    dynamics = Langevin(
        structure, units.fs, temperature_K=500, friction=0.01 / units.fs, fixcm=False, rng=rng
    )
    dynamics.run(WARM_UP)
    start, cpu = time.perf_counter(), time.process_time()
    dynamics.run(steps)
    seconds, cpu = time.perf_counter() - start, time.process_time() - cpu
    return {
        "seconds": seconds / steps,
        "cpu_seconds": cpu / steps,
        "energy": structure.get_potential_energy(),
        "forces": structure.get_forces(),
    }


def run_replicas(size: str, graph: str, atoms: int, steps: int, threads: int, device: str) -> float:
    """Seconds a step and replica, of :data:`REPLICAS` in one batch."""
    from leignn.config.simulation import Simulation
    from leignn.md.loop import simulate
    from leignn.md.record import Record
    from leignn.md.torchsim_engine import TorchSimEngine

    torch.set_num_threads(threads)
    settings = Simulation(thermostat="langevin", temperature=500, timestep=1, steps=steps, every=steps)
    seeds, replicas = range(REPLICAS), [system(atoms) for _ in range(REPLICAS)]
    trained = calculator("simulate", size, graph, device).trained
    with tempfile.TemporaryDirectory() as folder:
        record = Record(Path(folder), "torchsim", settings, seeds, replicas, [{}] * REPLICAS)
        outcomes = simulate(TorchSimEngine(replicas, settings, seeds, trained, device), record)
    return 1 / (REPLICAS * outcomes[0]["steps_per_second"])


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--device", default="cuda" if torch.cuda.is_available() else "cpu")
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--sizes", nargs="+", choices=SIZES, default=["mini"])
    parser.add_argument("--output", type=Path, help="JSON")
    args = parser.parse_args()
    context = multiprocessing.get_context("spawn")
    pools = {
        "simulate": ProcessPoolExecutor(1, context, initializer=keep_freed_memory),
        "loop": ProcessPoolExecutor(1, context),
        "plain": ProcessPoolExecutor(1, context),
    }
    rows = []
    print(f"{hardware()}, {args.threads} threads")
    for size in args.sizes:
        for graph in GRAPHS:
            for atoms, steps in STEPS.items():
                found = {engine: [] for engine in ENGINES}
                for _ in range(args.rounds):
                    for engine in ENGINES:
                        job = (engine, size, graph, atoms, steps, args.threads, args.device)
                        found[engine].append(pools[engine].submit(run, *job).result())
                ours, other = found["simulate"][0], found["plain"][0]
                error = np.abs(ours["forces"] - other["forces"]).max() / np.abs(other["forces"]).max()
                assert error < 1e-3, f"the two loops have parted: {error}"
                speed = {e: 1 / statistics.median(f["seconds"] for f in found[e]) for e in ENGINES}
                cpu = {e: statistics.median(f["cpu_seconds"] for f in found[e]) for e in ENGINES}
                rows.append(
                    {
                        "size": size,
                        "graph": graph,
                        "atoms": atoms,
                        "steps": steps,
                        "rounds": args.rounds,
                        "steps_per_second": speed,
                        "seconds_a_step": {e: sorted(f["seconds"] for f in found[e]) for e in ENGINES},
                        "ratio": {e: speed["simulate"] / speed[e] for e in ENGINES[1:]},
                        "cpu_seconds_a_step": cpu,
                        "cpu_ratio": {e: cpu[e] / cpu["simulate"] for e in ENGINES[1:]},
                        "relative_force_difference": float(error),
                    }
                )
                wall, cpu = rows[-1]["ratio"], rows[-1]["cpu_ratio"]
                print(
                    f"{size:6s} {graph:5s} {atoms:6d} atoms  simulate {speed['simulate']:8.2f} steps/s"
                    + "".join(
                        f"  {e} {speed[e]:6.2f} steps/s {wall[e]:5.1f} x ({cpu[e]:.1f} x in CPU time)"
                        for e in ENGINES[1:]
                    ),
                    flush=True,
                )
            atoms, steps = next(iter(STEPS.items()))
            job = (size, graph, atoms, steps, args.threads, args.device)
            times = [pools["simulate"].submit(run_replicas, *job).result() for _ in range(args.rounds)]
            speed = 1 / statistics.median(times)
            row = {"size": size, "graph": graph, "atoms": atoms, "replicas": REPLICAS}
            rows.append(row | {"steps_per_second": speed, "seconds_a_step": sorted(times)})
            print(
                f"{size:6s} {graph:5s} {atoms:6d} atoms  {REPLICAS} replicas {speed:8.2f} steps/s", flush=True
            )
    for pool in pools.values():
        pool.shutdown()
    if args.output:
        content = {"hardware": hardware(), "threads": args.threads, "device": args.device, "rows": rows}
        write_text(args.output, json.dumps(content, indent=1))


if __name__ == "__main__":
    main()
