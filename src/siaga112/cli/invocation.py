"""The command line as it was typed: the configuration file, the API's address, the language, the command."""

from dataclasses import dataclass
from pathlib import Path

from siaga112.words import Language


@dataclass(eq=False)
class Invocation:
    """One run of the command line."""

    config: Path | None = None
    """The file named with --config."""
    api: str = ""
    """The address of the API that the command uses; "" for the records of this machine."""
    lang: Language | None = None
    """The language asked for, if any."""
    command: str = ""
    """The command, once it is known: some errors come without their context."""


class _Now:
    invocation = Invocation()


def begin() -> None:
    """Forget what was typed before."""
    _Now.invocation = Invocation()


def current() -> Invocation:
    """Return the current run."""
    return _Now.invocation
