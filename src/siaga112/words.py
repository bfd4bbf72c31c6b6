"""In which language people are spoken to: the text as the code has it, or its translation (gettext).

The catalogues lie in `locale/`; `make words` brings them up to date, and a test holds them to the code.
"""

import gettext
from datetime import datetime
from enum import StrEnum
from functools import cache
from pathlib import Path
from typing import Final

from siaga112.errors import Said

DOMAIN: Final = "siaga112"
LOCALE: Final = Path(__file__).parent / "locale"


NOTHING: Final = "\N{EN DASH}"
"""Where there is nothing to count."""

_SMALLEST: Final = 0.0005
"""A share below it would round to none at all."""
_LARGEST: Final = 0.9995
"""A share from it on would round to all."""

_SWAPPED: Final = str.maketrans(",.", ".,")


class Language(StrEnum):
    """A language that there is a catalogue for; English is what the code has."""

    ID = "id"
    EN = "en"


DAYS: Final = {
    Language.ID: ("Senin", "Selasa", "Rabu", "Kamis", "Jumat", "Sabtu", "Minggu"),
    Language.EN: ("Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday", "Sunday"),
}
MONTHS: Final = {
    Language.ID: (
        *("Januari", "Februari", "Maret", "April", "Mei", "Juni", "Juli", "Agustus", "September"),
        *("Oktober", "November", "Desember"),
    ),
    Language.EN: (
        *("January", "February", "March", "April", "May", "June", "July", "August", "September"),
        *("October", "November", "December"),
    ),
}
"""The first three letters of each are its short form, of days too."""


def clock(at: datetime, language: Language) -> str:
    """Return a time of day to the minute, as the language writes it: `10:26`, Indonesian `10.26`."""
    return f"{at:%H.%M}" if language is Language.ID else f"{at:%H:%M}"


class Tongue:
    """Says things in one language. Called with a text of the code, and the values that it names in braces."""

    def __init__(self, language: Language) -> None:
        self.language: Final = language
        self._catalogue = gettext.translation(DOMAIN, LOCALE, [language.value], fallback=True)

    def __call__(self, text: str, /, **values: object) -> str:
        """Translate a text, and put the values in; values that siaga112 wrote are translated too."""
        if isinstance(text, Said):
            return self(text.text, **text.values)
        said = self._catalogue.gettext(text) if text else text
        told = {name: self(one) if isinstance(one, Said) else one for name, one in values.items()}
        return said.format(**told) if told else said

    def told(self, text: str) -> str:
        """Translate a text that siaga112 wrote; anything else stays as it is."""
        return self(text) if isinstance(text, Said) else text

    def number(self, count: int) -> str:
        """Write a whole number."""
        return self.signs(f"{count:,}")

    def decimal(self, value: float, places: int = 1) -> str:
        """Write a number with so many places."""
        return self.signs(f"{value:.{places}f}")

    def short(self, value: float) -> str:
        """Write a number with no more places than it has."""
        return self.signs(f"{value:g}")

    def percent(self, share: float | None) -> str:
        """Write a share: no space before the sign, in either language."""
        if share is None:
            return NOTHING
        few, nearly_all = 0 < share < _SMALLEST, _LARGEST <= share < 1
        return self.signs("< 0.1%" if few else "> 99.9%" if nearly_all else f"{100 * share:.1f}%")

    def signs(self, english: str) -> str:
        """Write a number's signs as the language does: in Indonesian the comma parts the places."""
        return english if self.language is Language.EN else english.translate(_SWAPPED)

    def many(self, one: str, more: str, count: int, /, **values: object) -> str:
        """Translate a text that is another for one and for many; `{count}` is the number."""
        return self._catalogue.ngettext(one, more, count).format(count=self.number(count), **values)


@cache
def tongue(language: Language = Language.EN) -> Tongue:
    """Give who speaks a language."""
    return Tongue(language)


def many(one: str, more: str) -> tuple[str, str]:
    """Mark a text that is another for one and for many, for the catalogue, as `say` does."""
    return one, more


def say(text: str) -> str:
    """Mark a text for the catalogue that is translated where it is shown."""
    return text
