"""Pseudonyms for a capture that leaves the centre: each caller keeps one pseudonym throughout.

Digits that could be a phone number are replaced by others of the same length and spelling (`+62…`, `0062…`,
`08…`), so that the pipeline treats them alike.
"""

import hashlib
import re
from typing import Final

_TECHNICAL: Final = re.compile(
    rb"(?:Event|Privilege|Siaga112|Queue-Seen|Waiting-Seen|Member-Since|Uptime|LastReload|ActionID"
    rb"|[A-Za-z]*(?:Uniqueid|[Ll]inkedid|Timestamp|Time|State|StateDesc|Priority|Cause|Cause-txt))"
)
"""Headers without personal data: ids, times, states. All others may contain a number."""

_PERSON: Final = re.compile(rb"[A-Za-z0-9]*(?:CallerID|ConnectedLine)Name|EffectiveConnectedLineName")
_MEMBER_NAME: Final = frozenset({b"MemberName", b"Member-Name"})
"""Headers with an operator's name; without one, the PBX writes the interface."""

_INTERFACE: Final = b"Interface: "
_UNSAID: Final = frozenset({b"Member-Reason", b"Digit"})
"""Why an operator paused, which may name people, and which keys somebody pressed."""

MEMBER_LEAST: Final = 3
"""The shortest member name, in characters, that is replaced everywhere: a shorter one is in many words."""

_NAMING: Final = re.compile(rb"^Variable: [^\r\n]*NAME", re.IGNORECASE | re.MULTILINE)

_CALL_ID: Final = rb"(?<![0-9.])1[0-9]{9}\.[0-9]{1,9}(?![0-9.])"
_CHANNEL: Final = (
    rb"(?P<driver>\b[A-Za-z][A-Za-z0-9]*/)(?P<peer>[^\s,&|()]*)(?P<serial>-[0-9a-f]{8}(?:;[12])?)(?![\w-])"
)
_NUMBER: Final = rb"(?P<number>\+?(?:[0-9](?:[%s]{0,3}(?=[0-9]))?){7,17})(?![0-9])"
_LINE: Final = re.compile(b"|".join((rb"(?P<id>" + _CALL_ID + b")", _CHANNEL, _NUMBER % rb" \-./()_")))
_SEEN: Final = re.compile(b"|".join((rb"(?P<id>" + _CALL_ID + b")", _CHANNEL, _NUMBER % rb"\-./()_")))
"""In our own rows a blank separates fields, and is never part of a number."""

_NAMES_KEPT: Final = 4_096
_PREFIXES: Final = (b"+628", b"00628", b"628", b"08", b"+62", b"0062", b"62", b"0")


def _names_somebody(name: bytes, value: bytes) -> bool:
    """Return whether this header's value is a name to be replaced elsewhere too."""
    if name in _MEMBER_NAME:
        return len(value) >= MEMBER_LEAST and b"/" not in value
    return _PERSON.fullmatch(name) is not None and len(value) > 1 and value != b"<unknown>"


class Pseudonyms:
    """Replace numbers and names in AMI messages. Only the holder of `key` can repeat the pseudonyms."""

    def __init__(self, key: bytes) -> None:
        self._key = key
        self._names: dict[bytes, None] = {}

    def hide(self, message: bytes) -> bytes:
        """Replace every person's number and name in a message, in any header.

        Names are learned from the headers meant for them, and then replaced everywhere.
        """
        lines = message.split(b"\r\n")
        interface = next((line[len(_INTERFACE) :] for line in lines if line.startswith(_INTERFACE)), b"")
        for line in lines:
            name, _, value = line.partition(b": ")
            if _names_somebody(name, value):
                self._names[value] = None
        if len(self._names) > _NAMES_KEPT:
            self._names = dict.fromkeys(list(self._names)[_NAMES_KEPT // 2 :])
        naming = _NAMING.search(message) is not None
        return b"\r\n".join(self._line(line, interface, naming=naming) for line in lines)

    def of(self, number: str) -> str:
        """Return the pseudonym of a number."""
        return self._number(number.encode()).decode()

    def _line(self, line: bytes, interface: bytes, *, naming: bool) -> bytes:
        name, colon, value = line.partition(b": ")
        if not colon:
            name, value = b"", line
        if _TECHNICAL.fullmatch(name):
            return line
        if _PERSON.fullmatch(name) or (naming and name == b"Value"):
            return name + colon + (value if value in {b"", b"<unknown>"} else b"x")
        if name in _UNSAID:
            return name + colon + b"x"
        if name in _MEMBER_NAME and value != interface:
            return name + colon  # like a member without a name, so that the interface identifies it
        for known in self._names:
            if known in value and not known.isdigit():
                value = value.replace(known, b"x")
        return name + colon + self._text(value, _SEEN if name.endswith(b"-Seen") else _LINE)

    def _text(self, text: bytes, form: "re.Pattern[bytes]") -> bytes:
        return form.sub(lambda found: self._found(found, form), text)

    def _found(self, found: "re.Match[bytes]", form: "re.Pattern[bytes]") -> bytes:
        if found["id"]:
            return found[0]
        if found["serial"]:
            return found["driver"] + self._text(found["peer"], form) + found["serial"]
        spelled = found["number"]
        digits = iter(self._number(bytes(c for c in spelled if c in b"+0123456789")))
        return bytes(next(digits) if c in b"+0123456789" else c for c in spelled)

    def _number(self, number: bytes) -> bytes:
        prefix = next((p for p in _PREFIXES if number.startswith(p)), b"")
        # The subscriber's digits alone decide, not the spelling, so one caller keeps one pseudonym.
        rest = number[len(prefix) :]
        digest = hashlib.blake2b(rest, key=self._key, digest_size=16).digest()
        digits = str(int.from_bytes(digest)).encode()[-len(rest) :]
        if prefix.endswith(b"8") and rest:
            digits = rest[:2] + digits[2:]  # the operator's code keeps the number valid
        return prefix + digits
