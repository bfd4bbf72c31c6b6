"""Pseudonyms for a capture that leaves the house: the same caller stays the same, and nobody's own.

Digits that could be a phone number are replaced by others of the same length and the same spelling
(`+62…`, `0062…`, `08…`), so that the capture means the same to the pipeline.
"""

import hashlib
import re
from typing import Final

_NUMBER: Final = re.compile(rb"(?<![0-9.])(\+?[0-9]{7,17})(?![0-9.])")
"""Runs of digits as long as a number; not uniqueids and timestamps, which have a point."""

_HEADERS: Final = re.compile(
    rb"^((?:[A-Za-z]*(?:CallerID|ConnectedLine)(?:Num|Name)|Exten|Extension|Value|AppData): "
    rb"|Channel-Seen: (?:[^ ]+ ){7}|Member-Seen: (?:[^ ]+ ){2})([^\r]*)",
    re.MULTILINE,
)
_PREFIXES: Final = (b"+628", b"00628", b"628", b"08", b"+62", b"0062", b"62", b"0")


class Pseudonyms:
    """Replaces numbers and names in AMI messages. `key` makes pseudonyms that only its holder can repeat."""

    def __init__(self, key: bytes) -> None:
        self._key = key

    def hide(self, message: bytes) -> bytes:
        """Replace every number and name of a person in a message."""
        return _HEADERS.sub(self._header, message)

    def of(self, number: str) -> str:
        """Replace one number."""
        return self._number(number.encode()).decode()

    def _header(self, found: "re.Match[bytes]") -> bytes:
        name, value = found[1], found[2]
        if b"Name: " in name and value not in {b"", b"<unknown>"}:
            return name + b"x"
        return name + _NUMBER.sub(lambda number: self._number(number[1]), value)

    def _number(self, number: bytes) -> bytes:
        prefix = next((p for p in _PREFIXES if number.startswith(p)), b"")
        # The subscriber's part, and not the spelling, decides: so one caller keeps one pseudonym.
        rest = number[len(prefix) :]
        digest = hashlib.blake2b(rest, key=self._key, digest_size=16).digest()
        digits = str(int.from_bytes(digest)).encode()[-len(rest) :]
        if prefix.endswith(b"8") and rest:
            digits = rest[:2] + digits[2:]  # the operator's code keeps the number valid
        return prefix + digits
