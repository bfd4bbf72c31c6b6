"""English words left where people read Indonesian, in what is printed or shown.

A word is English if our English pages or texts use it and none of our Indonesian texts does. This finds texts
that never reached the catalogue as well as texts that it leaves in English.
"""

import re
import tomllib
from collections.abc import Iterable
from functools import cache
from html.parser import HTMLParser
from pathlib import Path
from typing import Any, Final

from babel.messages.pofile import read_po

from siaga112.words import DAYS, DOMAIN, MONTHS, Language
from tests import words

ROOT: Final = Path(__file__).parents[1]
TYPED: Final = re.compile(
    r"siaga112:? (?:run --only console|[a-z-]+(?: (?:list|add|NUMBER|off))?)|sudo -u siaga112|SELECT|VACUUM|"
    r"redis-cli \w+|systemctl status|--[a-z-]+|\[[a-z.]+\](?: [a-z_]+)?|\{\w+\}|`[^`]*`|\w+://\S+|"
    r"[\w/.+-]*/[\w/.+-]+|\b(?:kinds|districts) di konfigurasi|\b\w+\.(?:toml|db|zip|csv)\b|\bstate_dir\b|"
    r"\bprivate = true\b|\bs112_[\w-]+|\bviewer, operator, supervisor, privacy, admin\b|"
    r"\bnever_block\b|\bfail-open\b|\bLast-Event-ID\b|\bmode = \"off\"|\bmode off --|"
    r"\bDURATION\b|\bNUMBER\b|\bNAME\b"
)
"""Commands, addresses, files and placeholders, which are the same in any language."""

WORD: Final = re.compile(r"[A-Za-z]+(?:'[a-z]+)?")
SPOKEN: Final = frozenset({"panduan.md", "prompts.md"})
"""Pages that contain Indonesian."""

BOTH: Final = frozenset(
    {
        *("s", "d", "h", "m", "ms", "id", "agi", "ami", "cdr", "http", "https", "utc", "wib", "openapi"),
        *("permenkominfo", "april", "september", "november"),
    }
)
"""Abbreviations and names that both languages use."""


def _words(text: str) -> set[str]:
    return {word.lower() for word in WORD.findall(TYPED.sub(" ", text))}


@cache
def indonesian() -> frozenset[str]:
    """Return the words of all Indonesian texts."""
    with words.PO.open("rb") as file:
        catalog = read_po(file, locale="id", domain=DOMAIN)
    said = [text for one in catalog if one.id for text in _texts(one.string)]
    report = tomllib.loads((words.SOURCE / "report" / "words.toml").read_text("utf-8"))["id"]
    calendar = [*MONTHS[Language.ID], *DAYS[Language.ID]]
    return frozenset(_words(" ".join([*said, *report.values(), *calendar])))


@cache
def english() -> frozenset[str]:
    """Return the words of all English texts, except those that Indonesian texts use too."""
    pages = [path.read_text("utf-8") for path in (ROOT / "docs").glob("*.md") if path.name not in SPOKEN]
    said = [text for one in words.template() if one.id for text in _texts(one.id)]
    return frozenset(_words(" ".join([*pages, *said])) - indonesian() - BOTH)


def _texts(text: Any) -> tuple[str, ...]:
    return text if isinstance(text, tuple) else (text,)


def remains(text: str, own: Iterable[str] = ()) -> list[str]:
    """Return the English words of a text, except those of `own`: the centre's words and what people wrote."""
    text = TYPED.sub(" ", text)
    for one in sorted(own, key=len, reverse=True):
        text = re.sub(rf"(?<!\w){re.escape(one)}(?!\w)", " ", text)
    return sorted(_words(text) & english())


SILENT: Final = frozenset({"code", "pre", "script", "style"})
NEVER_CLOSED: Final = frozenset({"input", "meta", "link", "br", "img", "hr"})
SEEN: Final = frozenset({"placeholder", "aria-label", "alt"})
"""Attributes that people see or hear."""


class _Page(HTMLParser):
    """Collects the visible text of a page, except code and what is marked as English."""

    def __init__(self) -> None:
        super().__init__()
        self.said: list[str] = []
        self._within: list[bool] = []
        """For each open tag: whether its content is left out."""

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        """Note a tag, and the text of its attributes."""
        given = dict(attrs)
        out = tag in SILENT or given.get("lang") == "en" or any(self._within[-1:])
        if not out:
            self.said += [text for name, text in attrs if name in SEEN and text]
        if tag not in NEVER_CLOSED:
            self._within.append(out)

    def handle_endtag(self, tag: str) -> None:
        """Note the end of a tag."""
        if tag not in NEVER_CLOSED and self._within:
            self._within.pop()

    def handle_data(self, data: str) -> None:
        """Keep the text, unless it is left out."""
        if not any(self._within[-1:]):
            self.said.append(data)


def seen(html: str) -> str:
    """Return the visible text of a page."""
    page = _Page()
    page.feed(html)
    return "\n".join(page.said)
