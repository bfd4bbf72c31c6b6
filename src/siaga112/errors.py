"""What can go wrong, as the user sees it: one clear line, and the exit code that scripts rely on."""

from typing import ClassVar


class SiagaError(Exception):
    """One line that says what, where and the remedy. The command line prints it without a traceback."""

    exit_code: ClassVar[int] = 1
    remedy: ClassVar[str] = ""
    """What to look at, where every error of the kind has the same remedy."""


class UsageError(SiagaError):
    """The command was not written as it must be."""

    exit_code = 2


class ConfigurationError(SiagaError):
    """The configuration cannot be used."""

    exit_code = 3


class UnreachableError(SiagaError):
    """Redis or the PBX does not answer."""

    exit_code = 4
