"""The one exception that means "your input is at fault, not the program"."""


class InputError(Exception):
    """Bad input. The message is one sentence that names the file, the frame and the value.

    The command line prints it and exits with code 2 (see :mod:`leignn.cli`).
    """
