"""Exceptions that mean "your input is at fault, not the program"."""


class InputError(Exception):
    """Bad input. The message is one sentence that names the file, the frame and the value.

    The command line prints it and exits with code 2 (see :mod:`leignn.cli`).
    """


class RunFailedError(InputError):
    """One run cannot be trained (its loss is NaN, its package is missing); other runs can.

    With ``--record-failure`` the run's results say so, and the tables show it.
    """
