"""Print docs/prompts.md: the words and the length of every prompt (`python -m tests.prompts`)."""

import tomllib
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Final

from tests.lab.announcement import LANGUAGES, Language, told
from tests.lab.asterisk import SHIPPED
from tests.lab.ear import seconds

ROOT: Final = Path(__file__).parents[1]
PAGE: Final = ROOT / "docs/prompts.md"
TEXTS: Final[dict[str, dict[str, str]]] = tomllib.loads((SHIPPED / "sounds/prompts.toml").read_text("utf-8"))
CENTRES_OWN: Final = "contact"
PARTS: Final = ("number-", "month-")

USUAL: Final = datetime(2027, 11, 29, 22, 5, tzinfo=UTC)
"""The end of a block in the usual announcement, which names no year."""

_NOW: Final = datetime(2027, 6, 1, tzinfo=UTC)
_DAYS: Final = tuple(datetime(2028, 1, 1, 22, 5, tzinfo=UTC) + timedelta(days=n) for n in range(366))
_MINUTES: Final = tuple(datetime(2028, 1, 1, tzinfo=UTC) + timedelta(minutes=n) for n in range(24 * 60))

TEMPLATE: Final = Path(__file__).with_suffix(".md").read_text("utf-8")


def lasts(language: Language, level: str, until: datetime | None) -> float:
    """Return the length of an announcement in seconds."""
    return sum(seconds(language, name) for name in told(language, level, until, _NOW))


def longest(language: Language) -> float:
    """Return the longest length of a temporary block's announcement, over all dates and times of day."""
    date = max(lasts(language, "temporary", day) for day in _DAYS)
    time = max(lasts(language, "temporary", minute) for minute in _MINUTES)
    return date + time - lasts(language, "temporary", _DAYS[0])


def _lengths() -> Iterator[str]:
    for what, each in (
        ("a permanent block", [lasts(language, "permanent", None) for language in LANGUAGES]),
        (
            "a temporary block, until 29 November, 22.05",
            [lasts(one, "temporary", USUAL) for one in LANGUAGES],
        ),
        ("the longest of a temporary block", [longest(language) for language in LANGUAGES]),
    ):
        yield f"| {what} | {' | '.join(f'{value:.0f} s' for value in [*each, sum(each)])} |"


def _row(name: str) -> str:
    cells = ""
    for language in LANGUAGES:
        text = TEXTS[language].get(name, "–")
        length = f"{seconds(language, name):.1f}" if name in TEXTS[language] and name != CENTRES_OWN else "–"
        cells += f" {text} | {length} |"
    return f"| `{name}` |{cells}"


def page() -> str:
    """Return the page."""
    names = dict.fromkeys(name for language in LANGUAGES for name in TEXTS[language])
    parts = [name for name in names if name.startswith(PARTS)]
    made = {
        "{lengths}": _lengths(),
        "{prompts}": map(_row, (name for name in names if name not in parts)),
        "{parts}": map(_row, parts),
    }
    text = TEMPLATE
    for place, lines in made.items():
        text = text.replace(place, "\n".join(lines))
    return text


if __name__ == "__main__":
    print(page(), end="")
