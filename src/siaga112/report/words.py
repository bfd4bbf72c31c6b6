"""The report's texts, numbers and dates, in Indonesian and English."""

import tomllib
from dataclasses import dataclass
from datetime import date, datetime
from functools import cache
from pathlib import Path
from typing import Final

from siaga112.core.model import SECOND, Millis
from siaga112.core.period import Period
from siaga112.words import DAYS, MONTHS, NOTHING, Language, clock, tongue

DASH: Final = "\N{EN DASH}"
MINUS: Final = "\N{MINUS SIGN}"
NONE: Final = NOTHING


@cache
def _texts() -> dict[str, dict[str, str]]:
    return tomllib.loads(Path(__file__).with_suffix(".toml").read_text(encoding="utf-8"))


@dataclass(frozen=True, slots=True)
class Words:
    """The texts of one language, and its notation of numbers and dates."""

    language: Language

    def __call__(self, key: str, **values: str) -> str:
        """Return a text by its key, with the values filled in."""
        return _texts()[self.language][key].format(**values)

    def _of(self, both: tuple[str, str]) -> str:
        return both[self.language is Language.EN]

    def head(self, key: str) -> str:
        """Return a short heading of several lines."""
        return self(key).replace("|", "\n")

    def number(self, count: int) -> str:
        """Format a whole number."""
        return tongue(self.language).number(count)

    def percent(self, share: float | None) -> str:
        """Format a share as a percentage."""
        return tongue(self.language).percent(share)

    def difference(self, count: int) -> str:
        """Format a difference with its sign."""
        return self._signs(f"{count:+,}").replace("-", MINUS) if count else "0"

    def change(self, now: int, before: int) -> str:
        """Format the relative change of a count, with its sign."""
        return (
            NONE if before == 0 else self._signs(f"{100 * (now - before) / before:+.1f}%").replace("-", MINUS)
        )

    def limit(self, span: Millis) -> str:
        """Format a time limit in seconds."""
        return f"{self._signs(f'{span / SECOND:g}')} {self._of(('detik', 's'))}"

    def seconds(self, span: Millis | None) -> str:
        """Format a duration in seconds, from two minutes on in minutes and seconds."""
        if span is None:
            return NONE
        if span < 120 * SECOND:
            return self._signs(f"{span / SECOND:.1f}") + self._of((" dtk", " s"))
        minutes, seconds = divmod(span // SECOND, 60)
        return f"{self.number(minutes)}{self._of((' mnt', ' min'))} {seconds:02}{self._of((' dtk', ' s'))}"

    def clock(self, span: Millis | None) -> str:
        """Format a long duration as hours:minutes:seconds."""
        if span is None:
            return NONE
        minutes, seconds = divmod(span // SECOND, 60)
        return f"{self.number(minutes // 60)}:{minutes % 60:02}:{seconds:02}"

    def _signs(self, english: str) -> str:
        return tongue(self.language).signs(english)

    def day(self, day: date) -> str:
        """Format a day in ten characters."""
        return f"{DAYS[self.language][day.weekday()][:3]} {day.day:>2} {self.month(day)[:3]}"

    @staticmethod
    def hours(hour: int) -> str:
        """Format an hour of the day."""
        return f"{hour:02}{DASH}{hour + 1:02}"

    def month(self, day: date) -> str:
        """Return the name of a month."""
        return MONTHS[self.language][day.month - 1]

    def date(self, day: date) -> str:
        """Format a date in full."""
        return f"{day.day} {self.month(day)} {day.year}"

    def moment(self, at: datetime) -> str:
        """Format a date with its time."""
        return f"{self.date(at.date())} {clock(at, self.language)}"

    def span(self, period: Period) -> str:
        """Format a period."""
        if not period.whole_days:
            return f"{self.moment(period.since)} {self('until')} {self.moment(period.until)}"
        first, last = period.days[0], period.days[-1]
        if first == last:
            return self.date(first)
        if first.year != last.year:
            return f"{self.date(first)} {DASH} {self.date(last)}"
        if first.month == last.month:
            return f"{first.day} {DASH} {self.date(last)}"
        return f"{first.day} {self.month(first)} {DASH} {self.date(last)}"
