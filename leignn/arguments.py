"""Command-line arguments that commands share, and their types: what cannot be used is refused by name."""

from argparse import ArgumentParser, ArgumentTypeError
from pathlib import Path

from leignn.determinism import same_bits_on_gpu
from leignn.errors import InputError


def add_threads(parser: ArgumentParser) -> None:
    """``--threads``, of commands that run a model."""
    parser.add_argument("--threads", type=non_negative, default=0, help="CPU threads (default: all)")


def add_device(parser: ArgumentParser) -> None:
    """``--device``, likewise."""
    parser.add_argument(
        "--device", type=repeatable_device, default="auto", help="default: CUDA where there is one"
    )


def positive(text: str) -> int:
    """A whole number from 1."""
    return _whole(text, 1)


def non_negative(text: str) -> int:
    """A whole number from 0: seeds, indices, and threads, where 0 means all."""
    return _whole(text, 0)


def _whole(text: str, least: int) -> int:
    try:
        number = int(text)
    except ValueError:
        number = None
    if number is None or not least <= number < 2**63:
        raise ArgumentTypeError(f"{text!r} is no whole number from {least}")
    return number


def name(text: str) -> str:
    """Of a split and the like, which becomes part of a path."""
    from leignn.config.names import checked_name  # not where no names are asked for

    try:
        return checked_name(text, "argument")
    except InputError as error:
        raise ArgumentTypeError(str(error).removeprefix("argument: ")) from error


def usable_device(text: str) -> str:
    """Where a model runs: cpu, cuda or cuda:N that is there; auto is cuda where there is one, else cpu."""
    import torch  # only where a command asks for it

    count = torch.cuda.device_count() if torch.cuda.is_available() else 0
    if text == "auto":
        text = "cuda" if count else "cpu"
    kind, colon, index = text.partition(":")
    if text != "cpu" and (kind != "cuda" or (colon and not index.isdecimal())):
        raise ArgumentTypeError(f"{text!r} is no device: auto, cpu, cuda or cuda:N")
    if kind == "cuda" and int(index or 0) >= count:
        raise ArgumentTypeError(f"there is no {text} on this machine, which has {count} CUDA devices")
    return text


def repeatable_device(text: str) -> str:
    """As :func:`usable_device`; from here on a GPU's results are the same bits each time."""
    if (device := usable_device(text)) != "cpu":
        same_bits_on_gpu()
    return device


def output_folder(text: str) -> Path:
    """A folder to write: not there yet, or a folder."""
    return _output(text, folder=True)


def output_file(text: str) -> Path:
    """A file to write: not there yet, or a file."""
    return _output(text, folder=False)


def _output(text: str, folder: bool) -> Path:
    path = Path(text)
    if path.exists() and path.is_dir() != folder:
        raise ArgumentTypeError(f"{text} is a {'file, not a folder' if folder else 'folder, not a file'}")
    for parent in path.parents:
        if parent.exists():
            if not parent.is_dir():
                raise ArgumentTypeError(f"{text} cannot be written: {parent} is a file")
            break
    return path
