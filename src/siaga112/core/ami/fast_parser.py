"""The quick way from an AMI message to its event: by the layout of one that was read before.

Asterisk writes all events of a kind with the same headers in the same order. A message that passed every
check of `parser.parse` teaches its layout: the names of its headers as one pattern, in which a value is
anything within one line. What that pattern matches as a whole has no header twice, none missing and none
out of place, since the first had not; so only its values are left to be checked, and its fields are where
the pattern says. Whatever matches no layout is read by `parse`: the answer is the same, only later.
"""

import re
from typing import Final

from siaga112.core.ami.events import Event, Malformed
from siaga112.core.ami.parser import KINDS, MAX_LINE, Kind, parse
from siaga112.core.model import Millis, credible

LAYOUTS: Final = 4
"""How many are remembered of each kind: with and without this or that, not all that a caller can forge."""

_LINE_END: Final = "\r\n"
_TIME: Final = r"([0-9]{1,12})\.([0-9]{3})[0-9]{0,3}"
_VALUE: Final = ".*"  # no line feed, for `re`; that there is no carriage return either is checked apart
_ABSENT: Final = "((?!))?"


class _Layout:
    """The headers of a message that was accepted, in their order."""

    __slots__ = ("build", "ends", "match", "places", "timed")

    def __init__(self, kind: Kind, lines: list[str]) -> None:
        names = [line.partition(": ")[0] for line in lines]
        taken = [name for name in names if name in kind.used]
        absent = [name for name in kind.used if name not in taken]
        pattern = [re.escape(lines[0])]
        for name in names[1:]:
            value = f"({_VALUE})" if name in taken else _TIME if name == "Timestamp" else _VALUE
            pattern.append(f"{re.escape(name)}: {value}")
        self.match: Final = re.compile(_LINE_END.join(pattern) + _ABSENT * len(absent)).fullmatch
        self.ends: Final = len(lines) - 1
        self.timed: Final = names[2:3] == ["Timestamp"]
        first = 3 if self.timed else 1
        groups = {name: first + n for n, name in enumerate([*taken, *absent])}
        self.places: Final = [groups[name] for name in kind.used]
        self.build: Final = kind.build


class Reader:
    """Reads messages as `parser.parse` does, and remembers their layouts."""

    def __init__(self) -> None:
        self._layouts: dict[bytes, list[_Layout]] = {}
        self.heard: dict[bytes, int] = {}
        """How many events of each name were read; for whoever counts them to empty."""

    def read(self, message: bytes, received: Millis) -> Event | Malformed | None:
        """Read one AMI event, as `parser.parse`."""
        name = message[7 : message.find(b"\r\n")]
        for layout in self._layouts.get(name, ()):
            text = message.decode("utf-8", "replace")
            found = layout.match(text)
            if found and text.count("\r") == layout.ends and (len(text) <= MAX_LINE or _lines_fit(text)):
                at = int(found[1] + found[2]) if layout.timed else received
                if layout.timed and not credible(at):
                    break
                self.heard[name] = self.heard.get(name, 0) + 1
                return layout.build(at, *found.group(*layout.places))
        event = parse(message, received)
        if event is not None and not isinstance(event, Malformed):
            self._learn(name, message)
            self.heard[name] = self.heard.get(name, 0) + 1
        return event

    def _learn(self, name: bytes, message: bytes) -> None:
        kind = KINDS.get(name.decode())
        known = self._layouts.setdefault(name, [])
        if kind and len(kind.used) > 1 and len(known) < LAYOUTS:
            known.append(_Layout(kind, message.decode("utf-8", "replace").split(_LINE_END)))


def _lines_fit(text: str) -> bool:
    return max(map(len, text.split(_LINE_END))) <= MAX_LINE
