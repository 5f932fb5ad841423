"""A data set, ``config/datasets/<name>.yaml``: sources, labels, splits, graph and protocol."""

from collections.abc import Iterator
from pathlib import Path
from typing import Annotated, Any, Literal, Self

from pydantic import (
    Discriminator,
    Field,
    PositiveFloat,
    PositiveInt,
    PrivateAttr,
    Tag,
    WithJsonSchema,
    model_validator,
)

from leignn.config.archive import Download, Md5
from leignn.config.base import Scale, SomeOf, Strict, load_yaml
from leignn.config.deviation import Deviation
from leignn.config.merge import merge
from leignn.config.names import Name, checked_name
from leignn.config.simulation import Dynamics
from leignn.config.size import Size
from leignn.config.splits import Splits
from leignn.config.training import SomeTraining, Training
from leignn.errors import InputError
from leignn.resources import config_file, config_files

DATASET_HELP = "a YAML file, or a name in config/datasets"
SHARDS = ["*.extxyz.xz", "*.txt.xz"]  # what the tar of a part of OC20 holds


class Labels(Strict):
    """Which labels every frame has; under `all` a frame without is an error."""

    energy: Literal["all", "some"]
    """`all` or `some`"""
    forces: Literal["all", "some"]
    """`all` or `some`"""


class Files(Strict):
    """The user's own files."""

    files: Literal[True]
    """paths of parts are relative to the configuration's `samples_dir`"""


class Downloaded(Strict):
    """Parts with a URL each."""

    download: Literal[True]
    """parts have `url`, `md5`, `bytes`, `unpacked_bytes`"""


class Archived(Strict):
    """An archive that holds all parts."""

    archive: Annotated[Name, WithJsonSchema({"type": "string"})]  # may have {member} in it
    """an entry of `archives.yaml`"""


class Generated(Strict):
    """Data that the workflow makes."""

    generate: Literal["oc20_standin", "melt_standin", "solid_standin", "gas_standin"]
    """what is made: `oc20_standin`, or for simulations `melt_standin`, `solid_standin` or `gas_standin`"""


class Shared(Strict):
    """Another data set's stores."""

    dataset: Name
    """its name"""


def _key(source: Any) -> str:
    keys = source if isinstance(source, dict) else source.model_fields_set
    return f"source {next(iter(keys), '')}"  # no key of the mapping: see leignn.config.base.sentence


Source = Annotated[
    Annotated[Files, Tag("source files")]
    | Annotated[Downloaded, Tag("source download")]
    | Annotated[Archived, Tag("source archive")]
    | Annotated[Generated, Tag("source generate")]
    | Annotated[Shared, Tag("source dataset")],
    Discriminator(
        _key,
        custom_error_type="source",
        custom_error_message="names none of files, download, archive, generate, dataset",
    ),
]


class ShardedPart(Strict):
    """A folder of Open Catalyst's shards."""

    format: Literal["oc20_raw"]
    """`oc20_raw`"""
    path: str
    """the folder"""
    url: str | None = None
    """of a tar of the shards"""
    md5: Md5 | None = None
    """of the tar"""
    bytes: PositiveInt | None = None
    """size of the tar, for the free-space check"""
    unpacked_bytes: PositiveInt | None = None
    """size of the shards"""

    @model_validator(mode="after")
    def _all_of_the_tar(self) -> Self:
        missing = [key for key in ("url", "md5", "bytes", "unpacked_bytes") if getattr(self, key) is None]
        if self.url is not None and missing:
            raise ValueError(f"a part to download has no {missing[0]}")
        return self

    @property
    def tar(self) -> Download:
        """What to download; only with a ``url``."""
        keys = {"url", "md5", "bytes", "unpacked_bytes"}
        return Download.model_validate(self.model_dump(include=keys) | {"members": SHARDS})


class AsePart(Strict):
    """A file that ASE reads: extxyz, also `.xz`; traj, db, vasprun.xml, …; or ASE databases in LMDB."""

    format: Literal["ase", "aselmdb"]
    """`ase`, or `aselmdb`: what ase-db-backends writes, and fairchem 2 distributes"""
    path: str
    """the file; under `aselmdb` also a folder of `*.aselmdb`"""
    system_id: str | None = None
    """key of `atoms.info` that names the system; otherwise the file's name does, or its path in `path` where
    parts have files of one name"""
    frame: str | None = None
    """key of `atoms.info` that numbers the frame"""
    energy_key: str | None = None
    """name under which a frame has its energy, such as `REF_energy`, where it is not ASE's `energy`"""
    forces_key: str | None = None
    """name under which its atoms have forces, such as `REF_forces`, where it is not ASE's `forces`"""
    energy: Literal["ignore"] | None = None
    """`ignore`: the energies have no use"""
    energy_reference: Literal["last_frame"] | None = None
    """`last_frame`: energies relative to the system's last frame"""


class LmdbPart(Strict):
    """Graphs that Open Catalyst's, fairchem's (1.x) or MDSim's preprocessing has pickled into LMDB."""

    format: Literal["ocp_lmdb"]
    """`ocp_lmdb`"""
    path: str
    """a file `data.lmdb`, or a folder of `data.NNNN.lmdb`"""
    y: Literal["total", "referenced"]
    """what `y` (`energy` in later ones) is: `total`, the calculation's energy, as MDSim and OC22 have it, or
    `referenced`, less a reference, as in OC20; goes into `store.json`, as nothing in the file says it"""


class RowsPart(Strict):
    """A file of frames in rows: MD17's and revised MD17's npz, ISO17's database."""

    format: Literal["md17_npz", "rmd17_npz", "iso17_db"]
    """`md17_npz`, `rmd17_npz` or `iso17_db`"""
    path: str
    """the file"""
    frames: str | None = None
    """text file beside it: which of its frames, by their place from 0 or by row id, one a line"""


Part = Annotated[ShardedPart | AsePart | LmdbPart | RowsPart, Discriminator("format")]


class Graph(Strict):
    """The neighbour graph."""

    cutoff: PositiveFloat
    """Å"""
    max_neighbors: PositiveInt
    """K"""
    rule: Literal["strict", "ties"]
    """`strict` (the K nearest) or `ties` (Open Catalyst's)"""


SomeGraph = Annotated[dict[str, Any], SomeOf(Graph)]


class Dataset(Strict):
    """A data set. Its file may leave keys to a `base`, and stand for several `members`."""

    title: str
    """shown in tables"""
    stand_in: bool
    """`true` for generated data, which is then called so everywhere"""
    level: str
    """level of theory of the labels"""
    energy_name: str
    """what the energy is, such as adsorption energy"""
    published_as: str | None
    """data set of `published/*.csv` that the numbers compare with, or `null`"""
    benchmark: str | None = None
    """the benchmark it belongs to (`oc20`, `mdsim`, `md17`, …), for which models may have settings"""
    member: Name | None = None
    """column of a table that has the data sets of one `published_as` in one row"""
    untrained_elements: bool = False
    """`true` to test also on elements that the training split lacks, which is refused else"""
    labels: Labels
    """which labels every frame has"""
    source: Source
    """where the raw files come from"""
    parts: Annotated[dict[Name, Part], Field(min_length=1)]
    """raw files, by name"""
    size: Size | None = None
    """how large it is, for `snakemake plan`; without, times and sizes are unknown there"""
    splits: Splits
    """what trains, validates and tests"""
    graph: Graph
    """neighbours that a model is given"""
    training: Training
    """the published protocol"""
    scale_training: dict[Scale, SomeTraining] = {}
    """overrides of the protocol at a scale, over the configuration's"""
    md: Dynamics | None = None
    """for simulations"""
    deviations: list[Deviation] = []
    """settings that differ from their source; `docs/deviations.md` lists them"""

    _name: str = PrivateAttr("")
    _files: list[Path] = PrivateAttr(default_factory=list)

    @model_validator(mode="after")
    def _parts_fit(self) -> Self:
        if isinstance(self.source, Downloaded):
            for name, part in self.parts.items():
                if not (isinstance(part, ShardedPart) and part.url):
                    raise ValueError(f"parts.{name}: no url: nothing to download")
        if self.md is not None and self.md.reference.part not in self.parts:
            raise ValueError(f"md.reference.part: there is no part {self.md.reference.part!r}")
        return self

    @property
    def name(self) -> str:
        """Name of its file, with the member's: in run folders, tables and stores."""
        return self._name

    @property
    def files(self) -> list[Path]:
        """What it was read from: its file, and that of its base."""
        return self._files

    @property
    def stores(self) -> str:
        """Name of the data set whose stores this one reads: its own, or the shared one's."""
        return self.source.dataset if isinstance(self.source, Shared) else self.name

    @property
    def test_splits(self) -> list[str]:
        """Names of the splits that are evaluated, in the tables' order."""
        return self.splits.test_splits

    @property
    def dynamics(self) -> Dynamics:
        """How to simulate it.

        Raises:
            InputError: it is not one for simulations.
        """
        if self.md is None:
            raise InputError(f"data set {self.name!r} has no key 'md': it says nothing about simulations")
        return self.md


def load_dataset(dataset: str | Path) -> Dataset:
    """Read a data set by its name (``lips``, ``md17_aspirin``) or the path of its file.

    Names are those of files in the working directory's ``config/datasets``, then of the shipped ones;
    a file with ``members`` gives one a member, ``<file>_<member>``. Keys that a file lacks come from its
    ``base``, ``bases/<base>.yaml`` beside it or the shipped one.

    Raises:
        InputError: no such data set, a file cannot be read, or a key or value is wrong.
    """
    path, member = _find(dataset)
    content, files = _read(path)
    members = content.pop("members", [])
    if member is None and members:
        raise InputError(f"{path} has several data sets: name one, such as {path.stem}_{members[0]}")
    if member is not None:
        content = _filled(content | {"member": member}, member)
    found = Dataset.checked(content, path)
    found._name = path.stem if member is None else f"{path.stem}_{member}"
    found._files.extend(files)
    return found


def dataset_names() -> list[str]:
    """All names that :func:`load_dataset` takes, sorted."""
    return sorted(name for path in config_files("datasets").values() for name in _names(path))


def _find(dataset: str | Path) -> tuple[Path, str | None]:
    """File of a data set, and which of its members it is."""
    if isinstance(dataset, Path) or dataset.endswith(".yaml"):
        path = Path(dataset)
        checked_name(path.stem, f"{path}: name of the file")
        return path, None
    checked_name(dataset, "data set")
    files = config_files("datasets")
    if dataset in files:
        return files[dataset], None
    for stem, path in files.items():
        member = dataset.removeprefix(f"{stem}_")
        if member != dataset and member in _members(path):
            return path, member
    raise InputError(f"unknown data set {dataset!r}: config/datasets has {', '.join(dataset_names())}")


def _names(path: Path) -> Iterator[str]:
    members = _members(path)
    yield from (f"{path.stem}_{member}" for member in members) if members else [path.stem]


def _members(path: Path) -> list[str]:
    return [checked_name(str(member), f"{path}: members") for member in _read(path)[0].get("members", [])]


def _read(path: Path) -> tuple[dict[str, Any], list[Path]]:
    """A data set's file over its base, and both paths."""
    content = load_yaml(path)
    base = content.pop("base", None)
    if base is None:
        return content, [path]
    checked_name(str(base), f"{path}: base")
    below = path.parent / "bases" / f"{base}.yaml"
    if not below.exists():
        below = config_file(f"datasets/bases/{base}.yaml")
    return merge(load_yaml(below), content), [path, below]


def _filled(content: Any, member: str) -> Any:
    """``content`` with ``{member}`` in every text replaced."""
    if isinstance(content, dict):
        return {key: _filled(value, member) for key, value in content.items()}
    if isinstance(content, list):
        return [_filled(value, member) for value in content]
    return content.replace("{member}", member) if isinstance(content, str) else content
