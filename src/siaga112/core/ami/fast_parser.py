"""Fast AMI parser: reuse the layout of an earlier message of the same kind.

Asterisk writes all events of a kind with the same headers in the same order. From each message that passes
every check of `parser.parse`, the reader learns a layout: one pattern of the header names, in which a value
is anything within one line. A message that matches the whole pattern has no duplicate, missing or misplaced
header, because the first message had none. Only its values remain to be checked, and the pattern's groups
yield its fields. A message that matches no layout goes to `parse`: same result, but slower.
"""

import re
from typing import Final

from siaga112.core.ami.events import Event, Malformed
from siaga112.core.ami.parser import KINDS, MAX_LINE, Kind, parse
from siaga112.core.model import FIRST_INSTANT, LAST_INSTANT, Millis

LAYOUTS: Final = 4
"""Maximum number of layouts per kind: enough for optional headers, too few for a caller to fill memory."""

_LINE_END: Final = "\r\n"
_TIME: Final = r"([0-9]{1,12})\.([0-9]{3})[0-9]{0,3}"
_VALUE: Final = ".*"  # `.` excludes the line feed; `read` checks for carriage returns separately
_ABSENT: Final = "((?!))?"


class _Layout:
    """The headers of an accepted message, in order, as a pattern."""

    __slots__ = ("build", "ends", "heard", "match", "places", "timed")

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
        self.heard = 0


class Reader:
    """Parses messages with the same result as `parser.parse`, and remembers their layouts."""

    def __init__(self) -> None:
        self._layouts: dict[bytes, list[_Layout]] = {}
        self._heard: dict[bytes, int] = {}

    def heard(self) -> dict[bytes, int]:
        """Return the number of events parsed since this method last ran, by name."""
        heard, self._heard = self._heard, {}
        for name, layouts in self._layouts.items():
            for layout in layouts:
                if layout.heard:
                    heard[name] = heard.get(name, 0) + layout.heard
                    layout.heard = 0
        return heard

    def read(self, message: bytes, received: Millis) -> Event | Malformed | None:
        """Parse one AMI event, like `parser.parse`."""
        name = message[7 : message.find(b"\r\n")]
        if name in self._layouts:
            text = message.decode("utf-8", "replace")
            for layout in self._layouts[name]:
                found = layout.match(text)
                if found and text.count("\r") == layout.ends and (len(text) <= MAX_LINE or _lines_fit(text)):
                    at = int(found[1] + found[2]) if layout.timed else received
                    if layout.timed and not FIRST_INSTANT <= at < LAST_INSTANT:
                        break
                    layout.heard += 1
                    return layout.build(at, *found.group(*layout.places))
        event = parse(message, received)
        if event is not None and not isinstance(event, Malformed):
            self._learn(name, message)
            self._heard[name] = self._heard.get(name, 0) + 1
        return event

    def _learn(self, name: bytes, message: bytes) -> None:
        kind = KINDS.get(name.decode())
        known = self._layouts.setdefault(name, [])
        if kind and len(kind.used) > 1 and len(known) < LAYOUTS:
            known.append(_Layout(kind, message.decode("utf-8", "replace").split(_LINE_END)))


def _lines_fit(text: str) -> bool:
    return max(map(len, text.split(_LINE_END))) <= MAX_LINE
