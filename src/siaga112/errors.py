"""What can go wrong, as the user sees it: one clear line, and the exit code that scripts rely on."""

import os
from typing import ClassVar


class SiagaError(Exception):
    """One line that says what, where and the remedy. The command line prints it without a traceback."""

    exit_code: ClassVar[int] = 1


class ConfigurationError(SiagaError):
    """The configuration cannot be used."""

    exit_code = 3


class UnreachableError(SiagaError):
    """Redis or the PBX does not answer."""

    exit_code = 4


def plainly(error: OSError) -> str:
    """Say what the system says of it, like "connection refused", without a driver's words around it."""
    return (os.strerror(error.errno) if error.errno else str(error)).lower()
