"""The exceptions that a user is meant to read."""

from __future__ import annotations


class InputError(Exception):
    """Bad usage or input: one line saying what is wrong, where, and what to do.

    The command line prints it without a traceback and exits with 2.
    """


class VersionError(InputError):
    """A file is whole, and another version of the software wrote it."""


class RunError(Exception):
    """A run cannot go on: one line saying what happened, where and when. The command line exits with ``code``."""

    code = 1


class StoppedError(RunError):
    """Somebody stopped the run; it can be resumed."""

    code = 3


class LostError(RunError):
    """The process that led the run is gone without a word, as after a crash or a power cut; it can be resumed."""

    code = 4
