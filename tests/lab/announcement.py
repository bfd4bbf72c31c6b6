"""The prompts that a blocked caller should hear, to compare with the dialplan's own list."""

from collections.abc import Iterator
from datetime import datetime, timedelta
from typing import Final, Literal

Language = Literal["id", "en"]
LANGUAGES: Final[tuple[Language, ...]] = ("id", "en")


def told(
    language: Language, level: str, until: datetime | None, now: datetime, *, contact: bool = False
) -> list[str]:
    """Return the names of the prompts, in order. `until`, in the centre's zone: None if no end is known."""
    names = [f"blocked-{level}", "in-need"]
    if until and level == "temporary":
        names += ["until", *_instant(language, until, now)]
    return [*names, "contact"] if contact else names


def _instant(language: Language, until: datetime, now: datetime) -> Iterator[str]:
    """Yield the prompts for the first full minute that is not before `until`."""
    minute = (until + timedelta(seconds=59)).replace(second=0, microsecond=0)
    day, month = f"number-{minute.day:02}", f"month-{minute.month:02}"
    yield from (day, month) if language == "id" else (month, day)
    if minute.year != now.astimezone(until.tzinfo).year:
        yield from ("two-thousand", f"number-{minute.year % 100:02}")
    yield "at"
    if language == "id":
        yield f"number-{minute.hour:02}"
        if minute.minute:
            yield from ("past", f"number-{minute.minute:02}")
    else:
        yield f"number-{(minute.hour - 1) % 12 + 1:02}"
        if minute.minute:
            yield from ("oh",) if minute.minute < 10 else ()
            yield f"number-{minute.minute:02}"
        yield "am" if minute.hour < 12 else "pm"
