"""The FastAGI codec, without I/O: bytes to request or reply, screening to commands.

Asterisk opens a connection, sends `agi_…: value` lines and a blank line, then answers each command with one
line (res_agi.c). Whatever the peer sends, `Conversation.receive` returns messages or raises `AgiError`, and
never another exception. A blank line in text from the caller can end the header early, and a line break can
add headers. The first value of a header therefore wins, and a line that is not a header or repeats one makes
the request doubtful: its caller is withheld. An odd caller name does not, because callers choose their names
and must not be able to evade a block that way.
"""

import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from functools import lru_cache
from typing import Final

from siaga112.core.model import SECOND
from siaga112.core.screening import Screening, Withheld
from siaga112.core.text import whole
from siaga112.core.values import value

DOCTOR: Final = "siaga112-doctor"
"""The uniqueid in requests from `siaga112 doctor`. No real call has it."""

MAX_REQUEST: Final = 16 * 1_024
"""Maximum bytes of header lines. A real request has about 700."""

MAX_REPLY: Final = 8 * 1_024

HIDDEN: Final = 0x20
"""Presentation "restricted", bits 6 and 7 (Q.931 §4.5.10; callerid.h, AST_PRES_RESTRICTION)."""

_PRESENTATION: Final = 0x60
_NAME: Final = re.compile(r"agi_[a-z0-9_]+")
"""Header names as in `setup_env` (res_agi.c)."""

_DIGIT: Final = re.compile(r"[0-9]")
"""`unknown`, `anonymous` and an empty number have no digit."""


class AgiError(Exception):
    """The peer does not speak AGI."""


@value
class Request:
    """The dialplan's request: script, call and caller's number.

    `number` is '' if it is `withheld`, but a hidden number that the dialplan confirmed is kept for `judged`.
    """

    script: str
    uniqueid: str
    number: str
    withheld: Withheld | None = None

    def judged(self, *, hidden: bool) -> str:
        """Return the number to judge, '' for none. `hidden`: whether hidden numbers are judged too."""
        return self.number if self.withheld is None or (hidden and self.withheld is Withheld.HIDDEN) else ""


@dataclass(frozen=True, slots=True)
class Reply:
    """Asterisk's answer to one command: 200 is success; 510, 511 and 520 reject the command."""

    code: int


@dataclass(frozen=True, slots=True)
class HungUp:
    """The caller hung up during the conversation (`HANGUP` on a line of its own)."""


Message = Request | Reply | HungUp


class Conversation:
    """One FastAGI connection, as a pure state machine."""

    __slots__ = ("_asked", "_buffer", "_searched")

    def __init__(self) -> None:
        self._buffer = bytearray()
        self._searched = 0
        self._asked = False

    def __repr__(self) -> str:
        return f"<Conversation: {'replies' if self._asked else 'request'}, {len(self._buffer)} bytes kept>"

    def receive(self, data: bytes) -> Iterable[Message]:
        """Add received bytes; return the messages that they complete. Raise `AgiError` for invalid input."""
        if self._asked and not self._buffer and 0 <= data.find(b"\n") == len(data) - 1 <= MAX_REPLY:
            message = _read_reply(data[:-1])  # the usual case: one whole line
            return (message,) if message else ()
        if not self._asked and not self._buffer and 0 < data.find(b"\n\n") == len(data) - 2 < MAX_REQUEST:
            request = _read_request(data[:-2])  # the usual case too: a whole request, and nothing else
            self._asked = True
            return (request,)
        self._buffer += data
        return self._messages()

    def _messages(self) -> Iterator[Message]:
        if not self._asked:
            request = self._request()
            if request is None:
                return
            self._asked = True
            yield request
        yield from self._replies()

    def _request(self) -> Request | None:
        end = self._buffer.find(b"\n\n", max(0, self._searched - 1))
        if end < 0:
            self._searched = len(self._buffer)
            head = bytes(self._buffer[:4])
            if not b"agi_".startswith(head):
                raise AgiError("the first line is not an agi_ header")
            if len(self._buffer) > MAX_REQUEST:
                raise AgiError("the request is too long")
            return None
        if end >= MAX_REQUEST:  # the same limit as for a request in pieces
            raise AgiError("the request is too long")
        head = bytes(self._buffer[:end])
        del self._buffer[: end + 2]
        return _read_request(head)

    def _replies(self) -> Iterator[Message]:
        while (end := self._buffer.find(b"\n")) >= 0:
            if end > MAX_REPLY:
                break
            line = bytes(self._buffer[:end])
            del self._buffer[: end + 1]
            message = _read_reply(line)
            if message:
                yield message
        if len(self._buffer) > MAX_REPLY:
            raise AgiError("the reply is too long")


_HEADERS: Final = (
    *("network", "network_script", "request", "channel", "language", "type", "uniqueid", "version"),
    *("callerid", "calleridname", "callingpres", "callingani2", "callington", "callingtns", "dnid"),
    *("rdnis", "context", "extension", "priority", "enhanced", "accountcode", "threadid", "arg_1"),
)
"""The headers in the order of `setup_env` (res_agi.c, Asterisk 16 to 22), with the argument of our dialplan.

Our dialplan adds `arg_2`, the hidden number, only for a caller who hides it.
"""

_READ: Final = frozenset({"network_script", "uniqueid", "callerid", "callingpres", "arg_1"})

_USUAL: Final = re.compile(
    "\n".join(f"agi_{name}: " + ("([ -~]*)" if name in _READ else "[ -~]*") for name in _HEADERS)
    + r"(?:\nagi_arg_2: ([ -~]*))?"
)
"""Matches a normal request at once, in a third of the time that parsing it line by line takes."""


def _read_request(head: bytes) -> Request:
    usual = _USUAL.fullmatch(head.decode("latin-1"))
    if usual and usual[1]:
        script, uniqueid, number, presentation, confirmed, hidden = usual.groups()
        return _request(script, uniqueid, number, confirmed, hidden or "", presentation, forged=False)
    return _read_lines(head)


def _read_lines(head: bytes) -> Request:
    if not head.startswith(b"agi_"):
        raise AgiError("the first line is not an agi_ header")
    headers: dict[str, str] = {}
    forged = False
    for line in head.decode("utf-8", "replace").split("\n"):
        name, colon, value = line.partition(": ")
        if not colon or not _NAME.fullmatch(name) or name in headers:
            forged = True
        headers.setdefault(name, value)
    if "agi_uniqueid" not in headers:
        raise AgiError("the request has no agi_uniqueid")
    number = headers.get("agi_callerid", "")
    return _request(
        headers.get("agi_network_script") or headers.get("agi_request", "").rpartition("/")[2],
        headers["agi_uniqueid"],
        number,
        headers.get("agi_arg_1", number),
        headers.get("agi_arg_2", ""),
        headers.get("agi_callingpres", ""),
        forged=forged,
    )


def _request(  # noqa: PLR0917 - one per header
    script: str, uniqueid: str, number: str, confirmed: str, hidden: str, presentation: str, *, forged: bool
) -> Request:
    script = script.partition("?")[0]
    if forged:
        return Request(script, uniqueid, "", Withheld.DOUBTFUL)
    if _presentation(presentation) == HIDDEN or not _DIGIT.search(number):
        plain = number == hidden and not confirmed  # otherwise, the dialplan has cleaned the number
        return Request(script, uniqueid, number if plain else "", Withheld.HIDDEN)
    if confirmed != number or not number.isprintable():
        return Request(script, uniqueid, "", Withheld.DOUBTFUL)
    return Request(script, uniqueid, number)


def _presentation(octet: str) -> int:
    return (whole(octet, 3) or 0) & _PRESENTATION


def _read_reply(line: bytes) -> Message | None:
    if line == b"HANGUP":
        return HungUp()
    code = line[:3]
    if (read := whole(code)) is None:
        raise AgiError("a reply without a code")
    if line[3:4] == b"-" or line.startswith(b"520 End"):
        # After 520, Asterisk sends the command's usage and then "520 End of proper usage.". The opening
        # line is the reply; the closing line is ignored.
        return Reply(read) if line[3:4] == b"-" else None
    return Reply(read)


def set_variable(name: str, value: str) -> bytes:
    """Return a SET VARIABLE command. The only serialiser towards Asterisk: CR, LF, NUL and quotes never pass.

    Raises:
        ValueError: for such a character. This is a bug, as each value is a number or from a closed set.

    """
    for text in (name, value):
        if not text.isascii() or not text.isprintable() or '"' in text or "\\" in text:
            raise ValueError(f"not a value for a channel variable: {text!r}")
    return f'SET VARIABLE {name} "{value}"\n'.encode("ascii")


@lru_cache(maxsize=256)
def commands(screening: Screening) -> tuple[bytes, ...]:
    """Return the commands for a screening. The verdict comes last, so BLOCK never lacks its details."""
    variables = {"SIAGA_REASON": screening.reason.value}
    if screening.treatment:
        variables["SIAGA_TREATMENT"] = screening.treatment.value
    if screening.level:
        variables["SIAGA_BLOCK_LEVEL"] = screening.level.value
        variables["SIAGA_BLOCK_UNTIL"] = "" if screening.until is None else str(screening.until // SECOND)
    if screening.zone:
        variables["SIAGA_TIMEZONE"] = screening.zone
    if screening.warn:
        variables["SIAGA_NOTICE"] = "WARN"
    variables["SIAGA_VERDICT"] = screening.verdict.value
    return tuple(set_variable(name, value) for name, value in variables.items())
