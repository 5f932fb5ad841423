"""The command ``simulate``."""

import json
import subprocess
import sys

import ase.io
import pytest
from ase.build import bulk

from leignn import cli
from leignn.config.run import resolve_run
from leignn.md.record import Record
from leignn.trained import load_trained, save_failure


def test_by_command_with_a_trained_potential(copper_checkpoint, tmp_path, capsys) -> None:
    ase.io.write(tmp_path / "start.extxyz", [bulk("Cu", cubic=True).repeat(2)] * 2)
    command = ["simulate", "--checkpoint", str(copper_checkpoint), "--start", str(tmp_path / "start.extxyz")]
    command += ["--thermostat", "langevin", "--temperature", "300", "--timestep", "1"]
    output = ["--output", str(tmp_path / "md")]
    assert cli.main([*command, *output, "--steps", "10", "--every", "5"]) == 0
    assert "finished: 10 steps" in capsys.readouterr().out
    assert len(ase.io.read(tmp_path / "md" / "trajectory.extxyz", ":")) == 3
    assert json.loads((tmp_path / "md" / "outcome.json").read_text())["start"]["frame"] in (0, 1)
    for wrong, message in (
        (["--steps", "7", "--every", "5"], "no multiple"),
        (["--steps", "5", "--every", "5", "--frame", "9"], "frame 9"),
        (["--steps", "5", "--every", "5", "--friction", "0"], "friction"),
        (["--steps", "5", "--every", "5", "--seeds", "1", "2"], "need --engine torchsim"),
        (["--steps", "5", "--every", "5", "--engine", "torchsim", "--no-wrap"], "only the ASE engine"),
    ):
        assert cli.main([*command, "--output", str(tmp_path / "wrong"), *wrong]) == 2
        assert message in capsys.readouterr().err
        assert not (tmp_path / "wrong").exists()


@pytest.mark.parametrize("engine", ["ase", "torchsim"])
def test_a_run_that_could_not_be_trained_is_an_outcome(tmp_path, engine) -> None:
    save_failure(
        tmp_path / "checkpoint.pt", resolve_run("oc20_standin", "schnet", "smoke", 0), "loss NaN at step 3"
    )
    ase.io.write(tmp_path / "start.extxyz", bulk("Cu", cubic=True))
    command = ["simulate", "--checkpoint", str(tmp_path / "checkpoint.pt"), "--engine", engine]
    command += ["--start", str(tmp_path / "start.extxyz"), "--output", str(tmp_path / "md"), "--steps", "50"]
    command += ["--thermostat", "langevin", "--temperature", "300", "--timestep", "1"]
    assert cli.main(command) == 2
    assert not (tmp_path / "md").exists()
    assert cli.main([*command, "--record-failure"]) == 0
    outcome = json.loads((tmp_path / "md" / "outcome.json").read_text())
    assert (outcome["status"], outcome["reason"]) == ("failed", "loss NaN at step 3")


@pytest.fixture
def stopped(copper_checkpoint, tmp_path, monkeypatch):
    """A simulation by each engine that was interrupted after its first saved state, and its command."""

    def made(engine: str) -> list[str]:
        checkpoint, start = tmp_path / "checkpoint.pt", tmp_path / "start.extxyz"
        checkpoint.write_bytes(copper_checkpoint.read_bytes())
        ase.io.write(start, bulk("Cu", cubic=True).repeat(2))
        command = ["simulate", "--checkpoint", str(checkpoint), "--start", str(start), "--engine", engine]
        command += ["--thermostat", "langevin", "--temperature", "300", "--timestep", "1", "--steps", "60"]
        command += ["--every", "1", "--frame", "0", "--output", str(tmp_path / "md")]
        command += ["--seeds", "0"] if engine == "ase" else ["--seeds", "0", "1"]
        save = Record.save

        def interrupted(self, running, step, seconds, arrays) -> None:
            save(self, running, step, seconds, arrays)
            raise KeyboardInterrupt

        with monkeypatch.context() as patch, pytest.raises(KeyboardInterrupt):
            patch.setattr(Record, "save", interrupted)
            cli.main(command)
        assert (tmp_path / "md" / "resume" / "state.npz").exists()
        return command

    return made


@pytest.mark.parametrize("engine", ["ase", "torchsim"])
@pytest.mark.parametrize("what", ["checkpoint", "structure", "code", "nothing"])
def test_what_a_simulation_depends_on_has_changed(
    stopped, tmp_path, monkeypatch, capsys, engine, what
) -> None:
    """Under the same names; another frame in the file of starts is nothing."""
    command = stopped(engine)
    folder = tmp_path / "md" / ("" if engine == "ase" else "seed1")
    started = ase.io.read(folder / "resume" / "trajectory.extxyz", 0)
    if what == "checkpoint":
        trained = load_trained(tmp_path / "checkpoint.pt")
        trained.energy_shift = 2.0
        trained.save(tmp_path / "checkpoint.pt")
    elif what == "code":
        monkeypatch.setattr("leignn.md.simulate.fingerprint", lambda *modules: "other")
    elif what == "structure":
        atoms = bulk("Cu", cubic=True).repeat(2)
        atoms.positions[0, 0] += 1e-6
        ase.io.write(tmp_path / "start.extxyz", atoms)
    else:
        ase.io.write(tmp_path / "start.extxyz", bulk("Cu"), append=True)
    capsys.readouterr()
    assert cli.main(command) == 0
    said = capsys.readouterr().out
    frames = ase.io.read(folder / "trajectory.extxyz", ":")
    assert len(frames) == 61
    if what == "nothing":
        assert "resuming from step 20" in said
    else:
        named = f"seed0.{what}" if what == "structure" else what
        assert f"is of another {named}" in said and "beginning anew" in said
    assert (frames[0].get_potential_energy() == started.get_potential_energy()) == (
        what not in ("checkpoint", "structure")
    )


def test_a_state_does_not_outlive_the_files_it_belongs_to(stopped, tmp_path, monkeypatch, capsys) -> None:
    """Begun by A, begun anew by B and stopped at once: A finds nothing of its own."""
    command = stopped("ase")
    with monkeypatch.context() as patch, pytest.raises(KeyboardInterrupt):
        patch.setattr(Record, "save", lambda *arguments: (_ for _ in ()).throw(KeyboardInterrupt))
        cli.main([*command, "--seeds", "5"])
    capsys.readouterr()
    assert cli.main(command) == 0
    assert "resuming" not in capsys.readouterr().out


def test_a_second_simulation_into_the_same_folder_is_refused(stopped, tmp_path, capsys) -> None:
    """Also into that of one seed, while several run."""
    command = stopped("torchsim")
    hold = "import sys; from pathlib import Path; from leignn.lock import only_writer\n"
    hold += "with only_writer(Path(sys.argv[1])): print(); input()"
    for folder in (tmp_path / "md", tmp_path / "md" / "seed1"):
        holding = [sys.executable, "-c", hold, str(folder)]
        pipe = subprocess.PIPE
        with subprocess.Popen(holding, stdin=pipe, stdout=pipe, stderr=pipe, text=True) as other:
            other.stdout.readline()
            assert cli.main([*command, "--record-failure"]) == 2
            assert f"{folder} is being written to by process {other.pid}" in capsys.readouterr().err
            other.kill()
    assert cli.main(command) == 0
    assert sorted(path.name for path in (tmp_path / "md" / "seed1").iterdir()) == [
        "outcome.json", "thermo.csv", "trajectory.extxyz",
    ]  # fmt: skip
