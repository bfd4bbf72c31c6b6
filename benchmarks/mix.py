"""The streams that are fed to AMI clients: one recorded call, repeated under other names.

`FULL` is a queue call as a manager user without a filter reads it (`record`), `FILTERED` one as the
shipped event filter lets it through (tests/golden). Their times are moved to now, as a PBX's clock is right.
"""

import re
import time
from pathlib import Path
from typing import Final

from siaga112.core.ami.parser import WANTED, wanted

FULL: Final = Path(__file__).parent / "data" / "queue_call.ami"
FILTERED: Final = Path(__file__).parents[1] / "tests" / "golden" / "22" / "answered_ended_by_operator.ami"

_END: Final = b"\r\n\r\n"
_UID: Final = re.compile(rb"(?:Uniqueid|Linkedid): (\d+\.\d+)")
_BRIDGE: Final = re.compile(rb"BridgeUniqueid: (\S+)")
_TIME: Final = re.compile(rb"(?<=\r\nTimestamp: )\d+")
_NUMBER: Final = re.compile(rb"CallerIDNum: (08\d{6,})")


class Mix:
    """A recorded call that can be repeated any number of times, each with its own ids and caller."""

    def __init__(self, path: Path) -> None:
        messages = [m for m in path.read_bytes().split(_END) if m.startswith(b"Event: ")]
        template = b"".join(message + _END for message in messages)
        since = int(time.time()) - int(_TIME.findall(template)[0])
        template = _TIME.sub(lambda found: b"%d" % (int(found[0]) + since), template)
        self.events: Final = len(messages)
        self.size: Final = len(template)
        self.wanted: Final = sum(m.partition(b"\r\n")[0][7:] in WANTED for m in messages)
        """How many of them a peer gets that has registered our names."""
        self.typed: Final = sum(map(wanted, messages))
        """How many of them become typed events: of the variables that a call sets, only our own."""
        names = {*_UID.findall(template), *_BRIDGE.findall(template), *_NUMBER.findall(template)}
        self._forms = {name: _form(name, place, since) for place, name in enumerate(sorted(names))}
        changing = b"|".join(re.escape(name) for name in sorted(names, key=len, reverse=True))
        # Only whole ids: a timestamp may begin like an id.
        self._pieces = re.split(rb"((?<![\d.])(?:" + changing + rb")(?!\d))", template)

    def call(self, number: int) -> bytes:
        """Return one call."""
        made = {name: form % number for name, form in self._forms.items()}
        return b"".join(made.get(piece, piece) for piece in self._pieces)

    def calls(self, count: int, first: int = 0) -> bytes:
        """Return this many calls, one after the other."""
        return b"".join(self.call(first + number) for number in range(count))


def _form(name: bytes, place: int, since: int) -> bytes:
    if name.startswith(b"08"):
        return b"0812%08d"
    if re.fullmatch(rb"\d+\.\d+", name):  # the uniqueid's second is the call's day in the ledger
        return b"%d.%%d%02d" % (int(name.partition(b".")[0]) + since, place)
    return b"bridge-%%d-%d" % place
