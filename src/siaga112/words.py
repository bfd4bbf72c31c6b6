"""In which language people are spoken to: the text as the code has it, or its translation (gettext).

The catalogues lie in `locale/`; `make words` brings them up to date, and a test holds them to the code.
"""

import gettext
from enum import StrEnum
from functools import cache
from pathlib import Path
from typing import Final

DOMAIN: Final = "siaga112"
LOCALE: Final = Path(__file__).parent / "locale"


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


class Tongue:
    """Says things in one language. Called with a text of the code, and the values that it names in braces."""

    def __init__(self, language: Language) -> None:
        self.language: Final = language
        self._catalogue = gettext.translation(DOMAIN, LOCALE, [language.value], fallback=True)

    def __call__(self, text: str, /, **values: object) -> str:
        """Translate a text, and put the values in."""
        said = self._catalogue.gettext(text)
        return said.format(**values) if values else said

    def many(self, one: str, more: str, count: int, /, **values: object) -> str:
        """Translate a text that is another for one and for many; `{count}` is the number."""
        return self._catalogue.ngettext(one, more, count).format(count=count, **values)


@cache
def tongue(language: Language = Language.EN) -> Tongue:
    """Give who speaks a language."""
    return Tongue(language)


def say(text: str) -> str:
    """Mark a text for the catalogue that is translated where it is shown."""
    return text
