"""Plain frames are read to the same bytes as by ASE; what it reads otherwise or refuses is left to it."""

import io

import ase.io
import numpy as np
import pytest
from ase import Atoms
from ase.calculators.singlepoint import SinglePointCalculator
from ase.constraints import FixAtoms

from leignn.config.dataset import AsePart, Labels, ShardedPart
from leignn.data import extxyz
from leignn.data.extxyz_rows import NotPlainError
from leignn.errors import InputError

ALL = Labels(energy="all", forces="all")
SOME = Labels(energy="some", forces="some")
PART = AsePart(format="ase", path="md.extxyz")


def text(count: int = 5, seed: int = 0) -> str:
    """As ASE writes frames of 3 to 12 atoms, with tags and atoms that do not move."""
    rng = np.random.default_rng(seed)
    file = io.StringIO()
    for number in range(count):
        n = int(rng.integers(3, 13))
        atoms = Atoms(rng.choice([1, 6, 8, 29, 78], n), rng.normal(0, 20, (n, 3)), tags=rng.integers(0, 3, n))
        atoms.cell, atoms.pbc = rng.normal(0, 9, (3, 3)), rng.random(3) < 0.7
        atoms.set_constraint(FixAtoms(np.append(np.flatnonzero(rng.random(n - 1) < 0.5), n - 1)))
        forces = rng.normal(size=(n, 3)) * 10.0 ** rng.integers(-9, 4)
        atoms.calc = SinglePointCalculator(atoms, energy=rng.normal() * 100, free_energy=1.0, forces=forces)
        atoms.info = {"sid": f"s{number // 2}", "fid": number % 2, "REF": number / 7, "note": "a b, c"}
        columns = ["symbols", "positions", "move_mask", "tags", "forces"]
        ase.io.write(file, atoms, format="extxyz", columns=columns)
    return file.getvalue()


def chunk(content: str) -> extxyz.Text:
    count = sum(line.strip().isdecimal() for line in content.splitlines())
    return extxyz.Text("md.extxyz", 3, count, content, [(f"random{n}", n, 0.1 * n) for n in range(count)])


def same(content: str, part: AsePart | ShardedPart, labels: Labels) -> None:
    plain = extxyz._plain(chunk(content), part, labels, "md")
    expected = extxyz._any(chunk(content), part, labels, "md")
    assert len(plain) == len(expected) > 0
    for found, other in zip(plain, expected, strict=True):
        for name, value in vars(other).items():
            if isinstance(value, np.ndarray):
                assert getattr(found, name).dtype == value.dtype and getattr(found, name).shape == value.shape
                np.testing.assert_array_equal(getattr(found, name), value, name)
            else:
                assert getattr(found, name) == value or value != value, name
                assert type(getattr(found, name)) is type(value)


@pytest.mark.parametrize(
    ("part", "labels"),
    [
        (PART, ALL),
        (PART.model_copy(update={"system_id": "sid", "frame": "fid"}), ALL),
        (PART.model_copy(update={"system_id": "fid", "energy_key": "REF"}), ALL),
        (PART.model_copy(update={"energy": "ignore"}), SOME),
        (ShardedPart(format="oc20_raw", path="."), ALL),
    ],
)
def test_the_same_as_ase(part, labels) -> None:
    for seed in range(5):
        same(text(seed=seed), part, labels)


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ("forces:R:3", "REF_forces:R:3"),
        (' pbc="', ' was="'),
        ("T T T", "T F T"),
        ("energy=", "energy = "),
        ("energy=", "energy=+"),
        ("note=", "note=' '=="),
        ("note=", "flag note="),
        ("note=", 'a="1 2" b=T c=1e400 d=-0 note='),
        ("note=", 'note="x" note='),
        ("note=", 'stress="1 0 0 0 1 0 0 0 1" note='),
        ("note=", 'dipole="1 0 0" note='),
        ("note=", "q={1 2} note="),
        ("note=", 'q="_JSON [1, 2]" note='),
        ("note=", 'Z="1" note='),
        ("pos:R:3", "positions:R:3"),
        ("tags:I:1", "magmoms:I:1"),
        ("tags:I:1", "tags:R:1"),
        ("tags:I:1", "extra:I:1"),
        ("move_mask:L:1", "free:L:1"),
        ("Cu ", "CU "),
        ("Cu ", "cu "),
        ("Cu ", "29 "),
        ("Cu ", "Xx "),
        ("Cu ", "X "),
        ("Cu ", "Cu\0 "),
        ("Cu ", "Cuuuuuuuuuu "),
        (" T ", " Trueeeeeeee "),
        (" T ", " True "),
        (" T ", " true "),
        (" T ", " 1 "),
        (" 2 ", " 200 "),
        (" 2 ", " 2.0 "),
        (" 2 ", " 1_0 "),
        (" 2 ", " 0000000000002 "),
        (" 1.", " 1_1."),
        (" 1.", " #1."),
        (" 1.", " nan 1."),
        ("\nH ", "\nH 1.0"),
        ("\nH ", "\nH 7 "),
        ("\nH ", "\n"),
        ("\nH ", "\nH\r "),
        ("-0.", "-1e400 -0."),
        ("-0.", "1e39"),
        ('Lattice="', 'Lattice="1 '),
        ('Lattice="', 'Lattice="x'),
        ('Lattice="', 'Lattice="nan '),
        ("Lattice=", "lattice="),
        ("\n", " \t \n"),
        ("Properties=", "properties="),
    ],
)
@pytest.mark.parametrize("labels", [ALL, SOME])
def test_what_differs_is_left_to_ase(old, new, labels) -> None:
    for content in (text().replace(old, new), text().replace(old, new, 3)):
        for part in (PART, PART.model_copy(update={"forces_key": "REF_forces", "system_id": "note"})):
            ends_alike(content, part, labels)


def ends_alike(content: str, part: AsePart, labels: Labels) -> bool:
    """The same structures as with ASE alone, or the same sentence; whether ASE was not needed."""
    try:
        expected = extxyz._any(chunk(content), part, labels, "md")
    except InputError as error:
        with pytest.raises(InputError) as found:
            extxyz.parse(chunk(content), part, labels, "md")
        assert str(found.value) == str(error)
        return False
    try:
        same(content, part, labels)
    except NotPlainError:
        assert len(extxyz.parse(chunk(content), part, labels, "md")) == len(expected)
        return False
    return True


def test_an_empty_row_is_left_to_ase() -> None:
    lines = text().split("\n")
    lines[4] = " "
    assert not ends_alike("\n".join(lines), PART, SOME)


WORDS = [
    *" =\"'{}[],._-+0123456789eETFxnai",
    "nan",
    "inf",
    "1e999",
    "Cu",
    "_JSON ",
    "é",
    "\x85",
    "\u2003",
    "\t",
    "\0",
    "\r",
    "\x1c",
    "#",
]


def test_random_damage_ends_as_with_ase() -> None:
    rng = np.random.default_rng(0)
    plain = 0
    for number in range(600):
        lines = text(3, seed=number % 7).split("\n")
        row = int(rng.choice([n for n, line in enumerate(lines) if " " in line]))
        place = int(rng.integers(len(lines[row])))
        word, skipped = str(rng.choice(WORDS)), int(rng.integers(0, 2))
        lines[row] = lines[row][:place] + word + lines[row][place + skipped :]
        plain += ends_alike("\n".join(lines), PART, SOME)
    assert 100 < plain < 500
