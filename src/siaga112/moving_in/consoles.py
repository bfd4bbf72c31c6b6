"""Parses `database show` of Asterisk's console; FreePBX and Issabel keep their blacklist in that database."""

import re
from collections.abc import Iterable, Iterator
from typing import Final

from siaga112.core.importing import Kind, Refusal
from siaga112.moving_in.listed import Format, Listed, Reading, Recognised, number, reason
from siaga112.words import say

ROW: Final = re.compile(r"/(?P<family>[^/\s]+)/(?P<key>.+?)\s*: (?P<value>.*)")
_COUNT: Final = re.compile(r"[0-9]+ results? found\.")

FAMILIES: Final = {
    Kind.BLOCK: frozenset({"blacklist"}),
    Kind.ALLOW: frozenset({"whitelist", "allowlist"}),
}
"""The families of each list; FreePBX's database has many others."""

SETTINGS: Final = frozenset({"dest", "blocked", "pause"})
"""FreePBX's settings among the numbers: where blocked calls go, whether hidden callers are rejected."""


def read(lines: Iterable[str], reading: Reading) -> Iterator[Listed]:
    """Yield the entries of `database show`."""
    reading.told(Recognised(Format.ASTERISK, say("what Asterisk's `database show` prints")))
    for line, text in enumerate(lines, 1):
        said = text.strip()
        if not said or _COUNT.fullmatch(said):
            continue
        row = ROW.fullmatch(said)
        if row is None:
            yield Listed(line, said[:50], refusal=Refusal.NO_NUMBER)
        elif row["family"].lower() not in FAMILIES[reading.kind] or row["key"].lower() in SETTINGS:
            yield Listed(line, f"{row['family']}/{row['key']}"[:50], refusal=Refusal.NOT_A_NUMBER)
        else:
            yield Listed(line, number(row["key"]), reason(row["value"]))
