"""What was typed, for what comes to need it: the configuration file and the command's name."""

from dataclasses import dataclass
from pathlib import Path

from siaga112.words import Language


@dataclass(eq=False)
class Invocation:
    """One run of the command line."""

    config: Path | None = None
    """The file named with --config."""
    api: str = ""
    """Where the API is through which a command works, from wherever it is run."""
    lang: Language | None = None
    """The language asked for, if one is."""
    command: str = ""
    """The command, as soon as it is known: some errors come without their context."""


class _Now:
    invocation = Invocation()


def begin() -> None:
    """Begin a run: nothing is known of what was typed."""
    _Now.invocation = Invocation()


def current() -> Invocation:
    """Give the run that goes on."""
    return _Now.invocation
