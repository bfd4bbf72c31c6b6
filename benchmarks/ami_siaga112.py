"""Our AMI source as the daemon runs it: processor time for EXPECTED typed events.

    python -m benchmarks.ami_siaga112 PORT EXPECTED KINDS

KINDS more kinds of event are registered first. It prints what `peers/ami_panoramisk.py` prints.
"""

import asyncio
import sys
import time
from typing import Final

import uvloop

from siaga112 import logs
from siaga112.adapters.ami import source as ami
from siaga112.adapters.ami.session import AmiAddress
from siaga112.app.records import now
from siaga112.core.ami import events, parser

OURS: Final = frozenset({events.Resumed, events.QueueStatus, events.FullyBooted})
"""Events that our source adds; they are not fed, and not counted, so that counting costs what it costs a
peer.
"""


class _Meter:
    """Counts nothing: counting is a cost of the daemon, not of the parser."""

    def ami_connected(self, *, up: bool) -> None:
        """Print that the stream may come."""
        print("ready" if up else "lost", flush=True)

    def ami_event(self, name: str, at: int, count: int = 1) -> None:
        """Ignore it."""

    def ami_malformed(self, kind: str) -> None:
        """Ignore it."""

    def ami_clock_off(self, count: int) -> None:
        """Ignore it."""

    def ami_gap(self, cause: str) -> None:
        """Ignore it."""

    def ami_reconnect(self, cause: str) -> None:
        """Ignore it."""


def know_more(kinds: int) -> None:
    """Register this many more kinds."""
    for number in range(kinds):
        parser.KINDS[f"Kind{number}"] = parser.KINDS["VarSet"]
    parser.__dict__["WANTED"] = frozenset(name.encode() for name in (*parser.KINDS, "UserEvent"))


async def main(port: int, expected: int) -> None:
    """Follow the stream until this many events have come."""
    source = ami.AmiSource(AmiAddress("127.0.0.1", port, "bench", "bench"), _Meter(), now)
    seen, began = 0, 0.0
    async for slice_ in source.slices():
        began = began or time.process_time()
        seen += len(slice_) if slice_ and type(slice_[0]) not in OURS else 0
        if seen >= expected:
            break
    print(time.process_time() - began, flush=True)


if __name__ == "__main__":
    logs.configure()
    know_more(int(sys.argv[3]))
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        runner.run(main(int(sys.argv[1]), int(sys.argv[2])))
