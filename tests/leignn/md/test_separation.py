"""What two molecules do to each other, with and without global phases."""

from ase.build import molecule

from leignn import LEIGNNCalculator, cli
from leignn.md.limitations import read_rows
from leignn.md.separation import coupling


def test_only_global_phases_couple_what_is_apart(untrained) -> None:
    one, other = molecule("CO"), molecule("NH3")
    energy, forces = coupling(LEIGNNCalculator(untrained["vanilla_nmu"] / "checkpoint.pt"), one, other, 20.0)
    assert abs(energy) < 1e-4 and forces < 1e-4
    near = coupling(LEIGNNCalculator(untrained["vanilla_nmu"] / "checkpoint.pt"), one, other, 4.0)
    assert min(near[1], abs(near[0])) > 1e-2
    coupled = LEIGNNCalculator(untrained["leignn"] / "checkpoint.pt")
    for distance in (20.0, 40.0):
        energy, forces = coupling(coupled, one, other, distance)
        assert abs(energy) > 1e-2 and forces > 1e-2


def test_a_distance_that_is_none(untrained, tmp_path, capsys) -> None:
    command = ["measure-separation", "--checkpoint", str(untrained["leignn"] / "checkpoint.pt")]
    assert cli.main([*command, "--separations", "5", "-1", "--output", str(tmp_path / "s.csv")]) == 2
    assert "--separations: -1.0 Å is not positive" in capsys.readouterr().err


def test_molecules_of_unknown_elements_are_a_row(copper_checkpoint, tmp_path) -> None:
    """That says so: the table of the other models, and what is made of it, must not miss for it."""
    command = ["measure-separation", "--checkpoint", str(copper_checkpoint)]
    assert cli.main([*command, "--output", str(tmp_path / "s.csv")]) == 0
    (row,) = read_rows(tmp_path / "s.csv").to_dict("records")
    assert row["status"] == (
        "failed: CO, atom 0 is O (atomic number 8), which the model was not trained on: it knows Cu"
    )
    assert row["experiment"] == "pair_energy" and row["value"] == ""
