"""Shared by all tests: structures that exercise every branch of the graph, made on the spot."""

import gc
import resource
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import torch
import yaml
from ase import Atoms
from ase.build import bulk, fcc111, molecule
from ase.calculators.emt import EMT

from leignn.batch import Batch
from leignn.config.run import RunConfig, resolve_run
from leignn.data.frames import collate
from leignn.data.store import write_store
from leignn.data.structure import Structure
from leignn.determinism import same_bits_on_gpu
from leignn.graph import GraphSpec
from leignn.neighbors import nearest_edges_of
from leignn.trained import TrainedPotential, potential_of
from leignn.training.train import train


def pytest_configure() -> None:
    torch.set_num_threads(1)
    gc.disable()


def pytest_collection_finish() -> None:
    """What was imported is no garbage, which need not be found again and again."""
    gc.freeze()
    gc.enable()


def random_crystal(seed: int, atoms: int, pbc: tuple[bool, bool, bool] = (True, True, True)) -> Atoms:
    """Random atoms in a random triclinic cell, at least 1 Å apart along the way they were drawn."""
    rng = np.random.default_rng(seed)
    cell = np.diag(rng.uniform(4, 9, 3)) + rng.uniform(-1.5, 1.5, (3, 3))
    numbers = rng.choice([1, 6, 8, 29, 78], atoms)
    return Atoms(numbers, scaled_positions=rng.uniform(0, 1, (atoms, 3)), cell=cell, pbc=pbc)


def structures() -> dict[str, Atoms]:
    """Structures by name: slab, thin cell, one atom, molecule, isolated atom, mixed pbc, …"""
    slab = fcc111("Cu", (2, 2, 3), vacuum=6.0, periodic=True)
    slab.rattle(0.1, seed=1)
    thin = bulk("NaCl", "rocksalt", a=5.64)
    thin.rattle(0.1, seed=2)
    return {
        "slab": slab,
        "thin cell": thin,
        "one-atom cell": bulk("Cu"),
        "molecule": molecule("CH3CH2OH"),
        "isolated atom": Atoms("O", positions=[[1.0, 2.0, 3.0]]),
        "isolated atom in a box": Atoms("O", positions=[[1.0, 2.0, 3.0]], cell=[30, 30, 30], pbc=True),
        "triclinic": random_crystal(3, 7),
        "wire": random_crystal(4, 6, (False, True, False)),
        "layer": random_crystal(5, 6, (True, False, True)),
    }


def make_batch(atoms: list[Atoms], spec: GraphSpec | None) -> Batch:
    """A float64 batch, with the loader's edges if ``spec`` is given."""
    found = [Structure.from_atoms(a) for a in atoms]
    edges = [nearest_edges_of(s.pos, s.cell, s.pbc, spec) for s in found] if spec else None
    return collate(found, edges, torch.float64)


@pytest.fixture(params=sorted(structures()))
def atoms(request: pytest.FixtureRequest) -> Atoms:
    """Each of :func:`structures` in turn."""
    return structures()[request.param]


@pytest.fixture
def same_bits() -> Iterator[None]:
    """The same bits from the same input on a GPU, as every command has them."""
    same_bits_on_gpu()
    yield
    torch.use_deterministic_algorithms(False)


def copper_frames() -> list[Structure]:
    """Rattled copper with EMT labels; one structure without energy, one without forces."""
    found = []
    for number in range(48):
        atoms = bulk("Cu", cubic=True).repeat((2, 1, 1))
        atoms.rattle(0.15, seed=number)
        atoms.calc = EMT()
        atoms.get_potential_energy()
        structure = Structure.from_atoms(atoms, "cu", number)
        structure.fixed[0] = True
        found.append(structure)
    found[0].energy = np.nan
    found[1].forces[:] = np.nan
    return found


@pytest.fixture(scope="session")
def copper(tmp_path_factory) -> tuple[Path, Path]:
    """Folders of stores and of split manifests of :func:`copper_frames`."""
    folder = tmp_path_factory.mktemp("data")
    write_store(folder / "stores" / "all", [copper_frames()], {})
    splits = folder / "splits"
    splits.mkdir()
    for name, rows in (("train", range(40)), ("val", range(40, 44)), ("test", range(44, 48))):
        table = pd.DataFrame({"part": "all", "index": rows, "system_id": "cu", "frame": rows})
        table.to_csv(splits / f"{name}.csv", index=False)
    return folder / "stores", splits


@pytest.fixture(scope="session")
def random_checkpoint(tmp_path_factory) -> Path:
    """A small LEIGNN of random weights."""
    config = resolve_run("oc20_standin", "leignn", "smoke", 0)
    torch.manual_seed(0)
    path = tmp_path_factory.mktemp("run") / "checkpoint.pt"
    TrainedPotential(potential_of(config), config, 1.5, range(1, 119)).save(path)
    return path


@pytest.fixture(scope="session")
def conserving_checkpoint(tmp_path_factory) -> Path:
    """A small LEIGNN-C of random weights in float64."""
    config = resolve_run("oc20_standin", "leignn_c", "smoke", 0, {"training": {"precision": "64-true"}})
    torch.manual_seed(0)
    path = tmp_path_factory.mktemp("run") / "checkpoint.pt"
    TrainedPotential(potential_of(config), config, 1.5, range(1, 119)).save(path)
    return path


@pytest.fixture(scope="session")
def copper_checkpoint(copper, tmp_path_factory) -> Path:
    """A checkpoint of a small LEIGNN, hardly trained."""
    protocol = {"learning_rate": 1e-3, "batch_size": 8, "evaluate_every": 20, "max_steps": 20}
    run = resolve_run("oc20_standin", "leignn", "smoke", 0, {"training": protocol})
    info = run.dataset_info.model_dump() | {"untrained_elements": False}
    run = RunConfig.checked(run.plain() | {"dataset_info": info}, "test")
    folder = tmp_path_factory.mktemp("copper")
    (folder / "config.yaml").write_text(yaml.safe_dump(run.plain()))
    train(run, *copper, folder, "cpu")
    return folder / "checkpoint.pt"


@pytest.fixture
def small_files() -> Callable[[], AbstractContextManager[None]]:
    """A block within which no file may grow beyond 4 kB: stands in for a full disk, with EFBIG for ENOSPC."""

    @contextmanager
    def limited() -> Iterator[None]:
        limits = resource.getrlimit(resource.RLIMIT_FSIZE)
        resource.setrlimit(resource.RLIMIT_FSIZE, (4096, limits[1]))
        try:
            yield
        finally:
            resource.setrlimit(resource.RLIMIT_FSIZE, limits)

    return limited
