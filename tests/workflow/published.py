"""What the archives of scale paper hold, in the layouts in which they are published, with made-up numbers.

Each layout names where it was read. Structures have few atoms, labels are drawn: nothing here means anything.
"""

import io
import lzma
import tarfile
import zipfile
from collections.abc import Iterable
from pathlib import Path

import ase.db
import numpy as np
import yaml
from ase import Atoms
from ase.build import fcc111, molecule

from tests.workflow.mirror import place_of, zenodo_record

RNG = np.random.default_rng(0)
PAGE = b"<!DOCTYPE html><html><body>This address has moved.</body></html>"
ARCHIVES = yaml.safe_load((Path(__file__).parents[2] / "config" / "archives.yaml").read_text())


def published(folder: Path) -> dict[str, bytes]:
    """Content by address without its scheme; of an API too.

    Args:
        folder: for what ASE can only write to a file.
    """
    return oc20() | md17() | rmd17() | iso17(folder) | lips() | record(folder)


def oc20() -> dict[str, bytes]:
    """The tars of S2EF, each of which has its folder twice, ``s2ef_train_200K/s2ef_train_200K/``, with shards
    ``N.extxyz.xz`` and ``N.txt.xz``: Open Catalyst's ``download_data.py`` (ocp, scripts), which looks there.
    A line of the latter is ``random12,frame7,-18.0``: its ``preprocess_ef.py``, which takes it apart.
    """
    base, found = "dl.fbaipublicfiles.com/opencatalystproject/data", {}
    for number, name in enumerate(("train_200K", "val_id", "val_ood_ads", "val_ood_cat", "val_ood_both")):
        shards = {"README.txt": b"Open Catalyst"}
        systems = 5 if name == "train_200K" else 2
        for shard in range(2):
            texts, labels = "", ""
            for system in range(systems):
                for frame in range(2):
                    texts += _slab()
                    labels += (
                        f"random{1000 * number + 100 * shard + system},frame{7 * frame},{-18 - system}.25\n"
                    )
            shards[f"s2ef_{name}/{shard}.extxyz.xz"] = lzma.compress(texts.encode())
            shards[f"s2ef_{name}/{shard}.txt.xz"] = lzma.compress(labels.encode())
        found[f"{base}/s2ef_{name}.tar"] = _tar({f"s2ef_{name}/{key}": text for key, text in shards.items()})
    return found


def _slab() -> str:
    """A frame that has every element of the others, so that each split may be of few."""
    atoms = fcc111("Cu", (1, 2, 2), vacuum=6.0, periodic=True, orthogonal=True)
    atoms.symbols[[0, 3]] = "Pt"
    adsorbate = Atoms("CNOH", [[0, 0, 1.2], [0, 0, 0], [0, 0, 2.4], [0.8, 0.4, -0.4]])
    adsorbate.positions += atoms.positions[-1] + [0, 0, 2.5]
    tags = [int(layer == 1) for layer in atoms.get_tags()] + [2] * len(adsorbate)
    atoms += adsorbate
    energy = RNG.normal(-20, 1)
    text = (
        f'{len(atoms)}\nLattice="{_numbers(atoms.cell.ravel())}" Properties=species:S:1:pos:R:3:'
        f'move_mask:L:1:tags:I:1:forces:R:3 energy={energy:.8f} free_energy={energy:.8f} pbc="T T T"\n'
    )
    for symbol, position, tag in zip(atoms.symbols, atoms.positions, tags, strict=True):
        moves, force = "T" if tag else "F", _numbers(RNG.normal(size=3))
        text += f"{symbol} {_numbers(position + RNG.normal(0, 0.05, 3))} {moves} {tag} {force}\n"
    return text


def md17() -> dict[str, bytes]:
    """A file a molecule, ``z``, ``R``, ``E``, ``F`` in kcal/mol and what it is: sgdml.org, "Datasets"."""
    found = {}
    for key, archive in ARCHIVES.items():
        if key.startswith("md17_"):
            arrays = _molecule(key, 30)
            content = {
                "type": "d",
                "name": key.removeprefix("md17_"),
                "theory": "PBE+vdW-TS",
                "md5": "0" * 32,
                "z": arrays["numbers"],
                "R": arrays["pos"],
                "E": arrays["energy"][:, None],
                "F": arrays["forces"],
            }
            found[place_of(archive["url"])] = _npz(content)
    return found


def rmd17() -> dict[str, bytes]:
    """``rmd17/npz_data/rmd17_<molecule>.npz``, and ``rmd17/splits/index_{train,test}_0N.csv`` with a number a
    line: figshare 12672038, as public readers of its archive name them. Its first address answers scripts
    with nothing here, as figshare.com does (``config/archives.yaml``)."""
    files = {"rmd17/readme.txt": b"The revised MD17 dataset."}
    names = [key.removeprefix("md17_") for key in ARCHIVES if key.startswith("md17_")]
    for name in names:
        arrays = _molecule(name, 30)
        content = {
            "nuclear_charges": arrays["numbers"],
            "coords": arrays["pos"],
            "energies": arrays["energy"],
            "forces": arrays["forces"],
            "old_indices": np.arange(30) * 3,
            "old_energies": arrays["energy"],
            "old_forces": arrays["forces"],
        }
        files[f"rmd17/npz_data/rmd17_{name}.npz"] = _npz(content)
    for split in range(1, 6):
        order = RNG.permutation(30)
        for part, rows in (("train", order[:20]), ("test", order[20:])):
            files[f"rmd17/splits/index_{part}_0{split}.csv"] = "".join(f"{row}\n" for row in rows).encode()
    first, second, *_ = [ARCHIVES["rmd17"]["url"], *ARCHIVES["rmd17"]["mirrors"]]
    return {place_of(first): b"", place_of(second): _tar(files, "bz2")}


def iso17(folder: Path) -> dict[str, bytes]:
    """``iso17/`` with ASE databases and files of row ids: SchNetPack's ``datasets/iso17.py``, and
    ``preprocess_iso17.py`` of the paper's authors."""
    counts = {"reference": 20, "reference_eq": 2, "test_within": 8, "test_other": 8, "test_eq": 2}
    files = {f"iso17/{name}.db": _database(folder / f"{name}.db", count) for name, count in counts.items()}
    ids = RNG.permutation(20) + 1
    files["iso17/train_ids.txt"] = "".join(f"{row}\n" for row in ids[:15]).encode()
    files["iso17/validation_ids.txt"] = "".join(f"{row}\n" for row in ids[15:]).encode()
    return {place_of(ARCHIVES["iso17"]["url"]): _tar(files, "gz")}


def _database(path: Path, count: int) -> bytes:
    sites = 1.5 * np.array(list(np.ndindex(3, 3, 3)))[:19]
    with ase.db.connect(path, use_lock_file=False) as database:
        for _ in range(count):
            atoms = Atoms("C7O2H10", sites + RNG.normal(0, 0.1, (19, 3)))
            forces = {"atomic_forces": RNG.normal(size=(19, 3))}
            database.write(atoms, total_energy=float(RNG.normal(-11500, 1)), data=forces)
    return path.read_bytes()


def lips() -> dict[str, bytes]:
    """``lips.xyz``, extended XYZ with energy and forces, whose address MDSim's ``preprocessing/lips.py`` has:
    25 001 frames, 2 fs apart, as there, of four atoms. Here the address is a page now, as old ones are, and
    MDSim's record (its README) has the file."""
    count, cell = 25001, 4.3
    sites = cell / 2 * np.array([[0, 0, 0], [1, 1, 0], [1, 0, 1], [0, 1, 1]])
    walk = np.cumsum(RNG.normal(0, 0.004, (count, 4, 3)), 0)
    rows = np.concatenate([sites + walk, RNG.normal(size=(count, 4, 3))], 2)
    energies = RNG.normal(-17, 1, count)
    lattice = f"{cell} 0 0 0 {cell} 0 0 0 {cell}"
    text = io.StringIO()
    for energy, atoms in zip(energies, rows, strict=True):
        text.write(f'4\nLattice="{lattice}" Properties=species:S:1:pos:R:3:forces:R:3 energy={energy:.8f}')
        text.write(' pbc="T T T"\n')
        for symbol, values in zip(("Li", "Li", "P", "S"), atoms, strict=True):
            text.write(f"{symbol:2} " + _numbers(values) + "\n")
    record = {"README.md": b"MDSim", "lips.xyz": text.getvalue().encode()}
    return {place_of(ARCHIVES["lips"]["url"]): PAGE} | zenodo_record(7196767, record)


def record(folder: Path) -> dict[str, bytes]:
    """The authors' record of water and methane. What its files are called is not known here; the authors'
    README says that ISO17, H2O and CH4 are in it, their ``preprocess_md.py`` reads ``vasprun.xml``."""
    water, methane = molecule("H2O"), molecule("CH4")
    both = water.copy()
    both.positions += [0.5, 0.5, 2.5]
    both += water
    both.set_cell([5.0] * 3)
    methane.set_cell([10.0] * 3)
    trajectories = {"H2O/vasprun.xml": _vasprun(both, 30), "CH4/vasprun.xml": _vasprun(methane, 30)}
    files = {"ISO17.zip": _zip({"ISO17/train_ids.txt": b"1\n"}), "MD.zip": _zip(trajectories)}
    return zenodo_record(10208201, files)


def _vasprun(atoms: Atoms, count: int) -> bytes:
    """VASP's own XML (vasp.at/wiki, "vasprun.xml"), of what ASE's reader asks for."""

    def array(name: str, rows: Iterable) -> str:
        lines = "".join(f"<v>{_numbers(row)}</v>\n" for row in rows)
        return f'<varray name="{name}">\n{lines}</varray>\n'

    def structure(scaled: np.ndarray, name: str = "") -> str:
        crystal = f"<crystal>\n{array('basis', atoms.cell)}</crystal>\n"
        return f"<structure{name}>\n{crystal}{array('positions', scaled)}</structure>\n"

    species = "".join(f"<rc><c>{symbol}</c><c>1</c></rc>\n" for symbol in atoms.symbols)
    text = '<?xml version="1.0" encoding="ISO-8859-1"?>\n<modeling>\n'
    text += f"<kpoints>{array('kpointlist', [[0, 0, 0]])}{array('weights', [[1]])}</kpoints>\n"
    text += '<parameters><separator name="electronic"><i name="ENMAX">400</i></separator></parameters>\n'
    text += f'<atominfo><array name="atoms"><set>\n{species}</set></array></atominfo>\n'
    text += structure(atoms.get_scaled_positions(), ' name="initialpos"')
    for _ in range(count):
        moved = atoms.copy()
        moved.positions += RNG.normal(0, 0.05, moved.positions.shape)
        energies = "".join(
            f'<i name="{key}">{RNG.normal(-30, 1):.8f}</i>' for key in ("e_fr_energy", "e_0_energy")
        )
        text += f"<calculation>\n<scstep><energy>{energies}</energy></scstep>\n"
        text += structure(moved.get_scaled_positions()) + array("forces", RNG.normal(size=(len(atoms), 3)))
        text += f"<energy>{energies}</energy>\n</calculation>\n"
    return (text + "</modeling>\n").encode()


def _molecule(name: str, count: int) -> dict[str, np.ndarray]:
    atoms = molecule("CH3CH2OH")
    shape = (count, len(atoms), 3)
    return {
        "numbers": atoms.numbers.astype(np.uint8),
        "pos": atoms.positions + RNG.normal(0, 0.03, shape),
        "energy": RNG.normal(-97000, 4, count),
        "forces": RNG.normal(0, 20, shape),
    }


def _numbers(values: Iterable[float]) -> str:
    return " ".join(f"{value:.8f}" for value in values)


def _npz(arrays: dict) -> bytes:
    buffer = io.BytesIO()
    np.savez(buffer, **arrays)
    return buffer.getvalue()


def _tar(files: dict[str, bytes], compression: str = "") -> bytes:
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode=f"w:{compression}") as archive:
        for name, content in files.items():
            member = tarfile.TarInfo(name)
            member.size = len(content)
            archive.addfile(member, io.BytesIO(content))
    return buffer.getvalue()


def _zip(files: dict[str, bytes]) -> bytes:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        for name, content in files.items():
            archive.writestr(name, content)
    return buffer.getvalue()
