"""What a record of Zenodo holds, by its API: names, sizes and checksums of its files."""

import requests

from leignn.config.archive import Download
from leignn.errors import InputError

API = "https://zenodo.org/api/records"
TIMEOUT = (10, 60)  # s, to connect and between two pieces of data


def files_of(record: int, members: list[str]) -> list[Download]:
    """The files of a record as downloads for :func:`leignn.data.download.fetch`.

    Args:
        record: its number.
        members: wanted from an archive among them; files named after their folders come first.

    Raises:
        InputError: no network, no such record, or an answer of another form.
    """
    url = f"{API}/{record}"
    try:
        answer = requests.get(url, timeout=TIMEOUT)
        answer.raise_for_status()
        found = [
            Download(
                url=file["links"]["self"],
                file=file["key"],
                bytes=int(file["size"]),
                md5=file["checksum"].removeprefix("md5:"),
                members=members,
                unpacked_bytes=int(file["size"]),
            )
            for file in answer.json()["files"]
        ]
    except requests.RequestException as error:
        raise InputError(f"{url} could not be read ({type(error).__name__})") from error
    except (KeyError, TypeError, ValueError) as error:
        raise InputError(f"{url} lists no files in the form that is known: {error}") from error
    folders = {part.lower() for member in members for part in member.split("/")[:-1]}
    return sorted(found, key=lambda file: not any(folder in file.name.lower() for folder in folders))
