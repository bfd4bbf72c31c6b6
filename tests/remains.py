"""English that is left where people read Indonesian: what is printed or shown is searched for it.

English are the words of our own English pages and texts, but for those that an Indonesian text of ours has
too. So what was never given to the catalogue is found as well as what was left in it.
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
"""What one types, an address, a file, a value's place: the same in any language."""

WORD: Final = re.compile(r"[A-Za-z]+(?:'[a-z]+)?")
SPOKEN: Final = frozenset({"panduan.md", "prompts.md"})
"""Pages that have Indonesian in them."""

BOTH: Final = frozenset(
    {
        *("s", "d", "h", "m", "ms", "id", "agi", "ami", "cdr", "http", "https", "utc", "wib", "openapi"),
        *("permenkominfo", "april", "september", "november"),
    }
)
"""Signs and names that both languages have."""


def _words(text: str) -> set[str]:
    return {word.lower() for word in WORD.findall(TYPED.sub(" ", text))}


@cache
def indonesian() -> frozenset[str]:
    """Give the words of all that is said in Indonesian."""
    with words.PO.open("rb") as file:
        catalog = read_po(file, locale="id", domain=DOMAIN)
    said = [text for one in catalog if one.id for text in _texts(one.string)]
    report = tomllib.loads((words.SOURCE / "report" / "words.toml").read_text("utf-8"))["id"]
    calendar = [*MONTHS[Language.ID], *DAYS[Language.ID]]
    return frozenset(_words(" ".join([*said, *report.values(), *calendar])))


@cache
def english() -> frozenset[str]:
    """Give the words of all that is said in English, but for those that are said in Indonesian too."""
    pages = [path.read_text("utf-8") for path in (ROOT / "docs").glob("*.md") if path.name not in SPOKEN]
    said = [text for one in words.template() if one.id for text in _texts(one.id)]
    return frozenset(_words(" ".join([*pages, *said])) - indonesian() - BOTH)


def _texts(text: Any) -> tuple[str, ...]:
    return text if isinstance(text, tuple) else (text,)


def remains(text: str, own: Iterable[str] = ()) -> list[str]:
    """Give the English words of a text; `own`: the centre's own words, names, kinds and what people wrote."""
    text = TYPED.sub(" ", text)
    for one in sorted(own, key=len, reverse=True):
        text = re.sub(rf"(?<!\w){re.escape(one)}(?!\w)", " ", text)
    return sorted(_words(text) & english())


SILENT: Final = frozenset({"code", "pre", "script", "style"})
NEVER_CLOSED: Final = frozenset({"input", "meta", "link", "br", "img", "hr"})
SEEN: Final = frozenset({"placeholder", "aria-label", "alt"})
"""Attributes that people see or hear."""


class _Page(HTMLParser):
    """Gathers what is seen of a page, but for code and what says that it is in English."""

    def __init__(self) -> None:
        super().__init__()
        self.said: list[str] = []
        self._within: list[bool] = []
        """For each open tag: whether what is in it is left out."""

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        """Note a tag, and what its attributes say."""
        given = dict(attrs)
        out = tag in SILENT or given.get("lang") == "en" or any(self._within[-1:])
        if not out:
            self.said += [text for name, text in attrs if name in SEEN and text]
        if tag not in NEVER_CLOSED:
            self._within.append(out)

    def handle_endtag(self, tag: str) -> None:
        """Note its end."""
        if tag not in NEVER_CLOSED and self._within:
            self._within.pop()

    def handle_data(self, data: str) -> None:
        """Keep what is said."""
        if not any(self._within[-1:]):
            self.said.append(data)


def seen(html: str) -> str:
    """Give what people see of a page."""
    page = _Page()
    page.feed(html)
    return "\n".join(page.said)
