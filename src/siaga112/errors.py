"""What can go wrong, as the user sees it: one clear line, and the exit code that scripts rely on."""

from collections.abc import Callable, Mapping
from typing import ClassVar, Self


class Said(str):
    """A text with its `values` in braces: English as it stands, and still to be translated.

    A value may be one itself. A driver's own words are a plain string.
    """

    __slots__ = ("text", "values")

    text: str
    values: Mapping[str, object]

    def __new__(cls, text: str, /, **values: object) -> Self:
        """Put the values into the text; what is said so already stays so."""
        if isinstance(text, Said):
            return cls(text.text, **text.values)
        said = super().__new__(cls, text.format(**values) if values else text)
        said.text, said.values = text, values
        return said


class SaidError(Exception):
    """An error that says what is wrong so that it can be said in another language: `Said`."""

    def __init__(self, text: str = "", /, **values: object) -> None:
        self.said = Said(text, **values)
        super().__init__(str(self.said))


class WrongValueError(SaidError, ValueError):
    """What was given is not what it must be."""


def saying(error: BaseException) -> str:
    """Return the text of an error, still to be translated if siaga112 wrote it."""
    return error.said if isinstance(error, SaidError) else str(error)


class SiagaError(SaidError):
    """One line that says what, where and the remedy. The command line prints it without a traceback."""

    def told(self, translate: Callable[..., str]) -> str:
        """Say it in another language, as far as it is translated, with the remedy of its kind."""
        parts = translate(self.said) if self.said else "", translate(self.remedy) if self.remedy else ""
        return "; ".join(filter(None, parts))

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
