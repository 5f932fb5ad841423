"""The file of a trained potential: its bytes, a disk that is full, and files that are none."""

import errno
from types import SimpleNamespace

import numpy as np
import pandas as pd
import pytest
import torch
from ase.build import bulk
from ase.io import write

from leignn import LEIGNNCalculator, cli
from leignn.config.run import RunConfig
from leignn.data.store import write_store
from leignn.data.structure import Structure
from leignn.errors import InputError
from leignn.trained import load_trained


def test_the_same_content_is_the_same_bytes(random_checkpoint, tmp_path) -> None:
    trained = load_trained(random_checkpoint, "cpu")
    for name in ("a.pt", "b.pt"):
        trained.save(tmp_path / name)
    assert (tmp_path / "a.pt").read_bytes() == (tmp_path / "b.pt").read_bytes()


def test_an_error_of_the_disk_keeps_its_number_and_leaves_nothing(
    random_checkpoint, tmp_path, small_files
) -> None:
    trained = load_trained(random_checkpoint, "cpu")
    with small_files(), pytest.raises(OSError) as caught:
        trained.save(tmp_path / "a.pt")
    assert caught.value.errno == errno.EFBIG
    assert not list(tmp_path.iterdir())


def test_bad_checkpoints(random_checkpoint, tmp_path) -> None:
    trained = load_trained(random_checkpoint)
    (tmp_path / "a.pt").write_bytes(b"no checkpoint")
    trained.config = RunConfig.checked(trained.config.plain() | {"potential": "os:system"}, "test")
    trained.save(tmp_path / "b.pt")
    torch.save({"format": 99}, tmp_path / "c.pt")
    torch.save([1, 2], tmp_path / "e.pt")
    torch.save({"format": 1, "config": {}, "energy_shift": 0.0, "state_dict": {}}, tmp_path / "f.pt")
    for name, message in (
        ("a", "no checkpoint"),
        ("b", "not in"),
        ("c", "format 99"),
        ("d", "d.pt"),
        ("e", "no checkpoint"),
        ("f", "format 1, not 2: train the run again"),
    ):
        with pytest.raises(InputError, match=message):
            load_trained(tmp_path / f"{name}.pt")


@pytest.mark.parametrize("changed", ["config", "energy_shift", "elements", "state_dict", "sha256"])
def test_what_was_changed_after_training_is_refused(random_checkpoint, tmp_path, changed) -> None:
    content = torch.load(random_checkpoint, weights_only=True)
    if changed == "state_dict":
        next(iter(content["state_dict"].values())).view(-1)[0] += 1e-3
    else:
        content[changed] = {"config": {}, "energy_shift": 2.5, "elements": [1], "sha256": None}[changed]
    torch.save(content, tmp_path / "changed.pt")
    with pytest.raises(InputError, match="changed.pt is damaged"):
        load_trained(tmp_path / "changed.pt")


def test_damaged_files_are_refused_or_the_same(random_checkpoint, tmp_path) -> None:
    """Bytes changed, cut off, or zeroed: one sentence, unless they are of no number (zip's padding)."""
    whole, rng = random_checkpoint.read_bytes(), np.random.default_rng(0)
    expected = load_trained(random_checkpoint).state_dict()
    path, refused = tmp_path / "damaged.pt", 0
    for trial in range(120):
        damaged = bytearray(whole)
        place = int(rng.integers(len(whole)))
        if trial % 3 == 0:
            damaged[place] ^= int(rng.integers(1, 256))
        elif trial % 3 == 1:
            del damaged[place:]
        else:
            damaged[place : place + 64] = bytes(len(damaged[place : place + 64]))
        path.write_bytes(damaged)
        try:
            found = load_trained(path).state_dict()
        except InputError as error:
            refused += str(path) in str(error)
        else:
            assert all(torch.equal(found[name], tensor) for name, tensor in expected.items())
    assert refused > 60


def test_only_elements_of_the_training_split_are_predicted(copper_checkpoint) -> None:
    trained = load_trained(copper_checkpoint)
    assert trained.elements == [29]
    for numbers, message in (
        ([29, 54], r"atom 1 is Xe \(atomic number 54\), which the model was not trained on: it knows Cu"),
        ([0, 29], "atom 0 is no element"),
        ([29, 29, 300], "atom 2 is no element"),
        ([285], "atom 0 is no element"),  # 29 in eight bits
    ):
        atoms = bulk("Cu").repeat((len(numbers), 1, 1))
        atoms.numbers = numbers
        atoms.calc = LEIGNNCalculator(copper_checkpoint)
        with pytest.raises(InputError, match=message):
            atoms.get_forces()
        with pytest.raises(InputError, match=message):
            trained(SimpleNamespace(atomic_numbers=torch.tensor(numbers)))


def test_by_command_unknown_elements_name_their_atom(copper_checkpoint, tmp_path, capsys) -> None:
    """`simulate` with both engines, `measure-drift` and `predict`."""
    crystal = bulk("Cu", cubic=True)
    crystal.symbols[2] = "Xe"
    start = str(tmp_path / "start.extxyz")
    write(start, crystal)
    write_store(tmp_path / "stores" / "all", [[Structure.from_atoms(crystal, "xenon", 7)]], {})
    table = pd.DataFrame({"part": "all", "index": [0], "system_id": "xenon", "frame": [7]})
    table.to_csv(tmp_path / "odd.csv", index=False)
    output = ["--output", str(tmp_path / "out")]
    given = ["--checkpoint", str(copper_checkpoint), *output]
    simulate = ["simulate", *given, "--start", start, "--steps", "50", "--thermostat", "langevin"]
    simulate += ["--temperature", "300", "--timestep", "1"]
    data = ["--stores", str(tmp_path / "stores"), "--splits", str(tmp_path), "--predict", "odd"]
    for command, atom in (
        (simulate, "start.extxyz: frame 0, atom 2 is Xe"),
        ([*simulate, "--engine", "torchsim"], "start.extxyz: frame 0, atom 2 is Xe"),
        (["measure-drift", *given, "--starts", start], "start.extxyz: frame 0, atom 2 is Xe"),
        (
            ["predict", "--run", str(copper_checkpoint.parent), *output, *data],
            "odd.csv: xenon/7, atom 2 is Xe",
        ),
    ):
        assert cli.main(command) == 2
        assert atom in capsys.readouterr().err
        assert not (tmp_path / "out").exists()


def test_a_data_set_may_declare_tests_on_untrained_elements(copper_checkpoint, tmp_path, capsys) -> None:
    trained = load_trained(copper_checkpoint)
    plain = trained.config.plain()
    info = plain["dataset_info"] | {"untrained_elements": True}
    trained.config = RunConfig.checked(plain | {"dataset_info": info}, "test")
    trained.save(tmp_path / "checkpoint.pt")
    crystal = bulk("Ag", cubic=True)
    write_store(tmp_path / "stores" / "all", [[Structure.from_atoms(crystal, "silver", 7)]], {})
    table = pd.DataFrame({"part": "all", "index": [0], "system_id": "silver", "frame": [7]})
    table.to_csv(tmp_path / "odd.csv", index=False)
    data = ["--stores", str(tmp_path / "stores"), "--splits", str(tmp_path), "--predict", "odd"]
    assert cli.main(["predict", "--run", str(tmp_path), *data, "--output", str(tmp_path / "out")]) == 0
    assert "odd.csv: predicted with Ag, which the model was not trained on" in capsys.readouterr().out
    assert np.isfinite(np.load(tmp_path / "out" / "odd.npz")["forces"]).all()
    crystal.calc = LEIGNNCalculator(tmp_path / "checkpoint.pt")
    with pytest.raises(InputError, match="atom 0 is Ag"):
        crystal.get_forces()
