"""The command ``simulate``."""

import json

import ase.io
import pytest
from ase.build import bulk

from leignn import cli
from leignn.config.run import resolve_run
from leignn.trained import save_failure


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
