"""What a record of Zenodo holds, by its API: names, sizes and checksums of its files."""

from fnmatch import fnmatch

import requests

from leignn.config.archive import Download, ZenodoRecord
from leignn.errors import InputError

TIMEOUT = (10, 60)  # s, to connect and between two pieces of data


ARCHIVES = (".zip", ".tar", ".tar.gz", ".tgz", ".tar.bz2", ".tar.xz")


def files_of(record: ZenodoRecord) -> list[Download]:
    """The files of a record that can hold its members, for :func:`leignn.data.download.fetch`.

    Args:
        record: its number and the members that are wanted; a file that is itself the only member
            comes first, then archives named after the members' folders, then the other archives.

    Raises:
        InputError: no network, no such record, or an answer of another form.
    """
    url = f"{record.api}/{record.zenodo}"
    try:
        answer = requests.get(url, timeout=TIMEOUT)
        answer.raise_for_status()
        found = [
            Download(
                url=file["links"]["self"],
                file=file["key"],
                bytes=int(file["size"]),
                md5=file["checksum"].removeprefix("md5:"),
                members=None if _is_member(file["key"], record) else record.members,
                unpacked_bytes=int(file["size"]),
            )
            for file in answer.json()["files"]
            if file["key"].endswith(ARCHIVES) or _is_member(file["key"], record)
        ]
    except requests.RequestException as error:
        raise InputError(f"{url} could not be read ({type(error).__name__})") from error
    except (KeyError, TypeError, ValueError) as error:
        raise InputError(f"{url} lists no files in the form that is known: {error}") from error
    folders = {part.lower() for member in record.members for part in member.split("/")[:-1]}

    def order(file: Download) -> tuple[bool, bool]:
        return file.members is not None, not any(folder in file.name.lower() for folder in folders)

    return sorted(found, key=order)


def _is_member(name: str, record: ZenodoRecord) -> bool:
    return len(record.members) == 1 and fnmatch(name, record.members[0])
