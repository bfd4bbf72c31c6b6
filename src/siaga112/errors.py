"""What can go wrong, as the user sees it: one clear line, and the exit code that scripts rely on."""

from collections.abc import Callable
from typing import ClassVar


class SiagaError(Exception):
    """One line that says what, where and the remedy. The command line prints it without a traceback.

    Where `values` are given, `text` names them in braces, so that it can be said in another language.
    """

    def __init__(self, text: str = "", **values: object) -> None:
        super().__init__(text.format(**values) if values else text)
        self.text = text
        self.values = values

    def told(self, translate: Callable[..., str]) -> str:
        """Say it in another language, as far as it is translated, with the remedy of its kind."""
        said = translate(self.text, **self.values) if self.text else ""
        return "; ".join(filter(None, (said, translate(self.remedy) if self.remedy else "")))

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
