"""What is downloaded: ``config/archives.yaml``, and the parts of data sets that have a URL of their own."""

from pathlib import Path, PurePosixPath
from typing import Annotated, Any, Self
from urllib.parse import urlsplit

from pydantic import ConfigDict, Discriminator, Field, PositiveInt, Tag, model_validator

from leignn.config.base import Strict
from leignn.config.names import checked_name
from leignn.errors import InputError

Md5 = Annotated[str, Field(pattern="^[0-9a-f]{32}$")]
FileName = Annotated[str, Field(pattern=r"^[^/\\.][^/\\]*$")]  # leaves no folder


class ZenodoRecord(Strict):
    """A record of Zenodo, whose API gives files, sizes and checksums: the first with the members is taken."""

    zenodo: PositiveInt
    """its number"""
    members: list[str]
    """names to unpack, as of a download"""
    api: str = "https://zenodo.org/api/records"
    """address that answers about records; another for a copy of them behind the same API"""


def _mirror(place: Any) -> str:
    return "an address" if isinstance(place, str) else "a record"


Mirror = Annotated[
    Annotated[str, Tag("an address")] | Annotated[ZenodoRecord, Tag("a record")], Discriminator(_mirror)
]


class Download(Strict):
    """One file to download, an archive or not."""

    url: str
    """where it is"""
    file: FileName | None = None
    """name to keep it under; the URL's if absent"""
    bytes: int
    """its size, for the free-space check"""
    md5: Md5 | None = None
    """absent where none is published"""
    members: list[str] | None = None
    """names to unpack from an archive, with * and ?, or ends of paths; absent: no archive"""
    unpacked_bytes: int | None = None
    """size of these"""
    mirrors: list[Mirror] = []
    """where else the same is, asked in order: addresses of the same file, or records of Zenodo"""

    @model_validator(mode="after")
    def _archives_have_a_size(self) -> Self:
        if self.members is not None and self.unpacked_bytes is None:
            raise ValueError("unpacked_bytes is missing, the size of its members")
        return self

    @property
    def name(self) -> str:
        """Name to keep it under."""
        return self.file or PurePosixPath(urlsplit(self.url).path).name

    def places(self) -> list["Download | ZenodoRecord"]:
        """This one and its mirrors, in the order in which to ask them."""
        return [self, *(self._at(mirror) for mirror in self.mirrors)]

    def _at(self, mirror: str | ZenodoRecord) -> "Download | ZenodoRecord":
        if isinstance(mirror, ZenodoRecord):
            return mirror
        return self.model_copy(update={"url": mirror, "file": self.name})


def _kind(source: Any) -> str:
    keys = source if isinstance(source, dict) else source.model_fields_set
    return "a record" if "zenodo" in keys else "a download"  # no key: see leignn.config.base.sentence


Archive = Annotated[
    Annotated[Download, Tag("a download")] | Annotated[ZenodoRecord, Tag("a record")], Discriminator(_kind)
]


class Archives(Strict):
    """Files to download, of which several data sets or parts are made, by name."""

    model_config = ConfigDict(extra="allow")
    __pydantic_extra__: dict[str, Archive]

    @classmethod
    def load_named(cls, name: str, path: Path) -> Archive:
        """The archive called ``name`` in the file ``path``.

        Raises:
            InputError: there is none, or the file has an error.
        """
        checked_name(name, "archive")
        found = cls.load(path).__pydantic_extra__
        if name not in found:
            raise InputError(f"{path} has no {name!r}, only {', '.join(found)}")
        return found[name]
