"""The demo's spare caller: `./call NUMBER [KEYS]` calls 112 from that number, and hangs up after a while."""

import asyncio
import contextlib
import sys
import tempfile
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from tests.lab.sipp import place_call

LISTENS_SECONDS: Final = 3.0
SPEAKS_SECONDS: Final = 10.0
USAGE: Final = "usage: ./call NUMBER [KEYS]      for example: ./call 081355555555 1"


@dataclass(frozen=True, slots=True)
class Exchange:
    """The part of a PBX that a caller needs to know."""

    sip_port: int
    folder: Path
    version: str = "22"

    def before_stop(self, end: Callable[[], Awaitable[None]]) -> None:
        """Do nothing: the caller waits for the call's end itself."""


async def call(exchange: Exchange, number: str, keys: str) -> str:
    """Call, stay a while, and hang up; return in words how it ended."""
    placed = await place_call(exchange, number=number, presses=keys)
    with contextlib.suppress(TimeoutError):
        ending = await placed.ended(timeout=SPEAKS_SECONDS if keys else LISTENS_SECONDS)
        return f"the PBX ended the call (SIP {ending.status})"
    await placed.hang_up()
    return "hung up"


def main(arguments: list[str]) -> int:
    """Place one call; return the exit code."""
    port, number, keys = arguments[0], *([*arguments[1:], "", ""][:2])
    if not number.isdigit() or len(arguments) > 3:
        print(USAGE, file=sys.stderr)
        return 2
    print(f"{number} calls 112{f', presses {keys}' if keys else ''}", flush=True)
    with tempfile.TemporaryDirectory(prefix="siaga112-call-") as folder:
        print(asyncio.run(call(Exchange(int(port), Path(folder)), number, keys)))
    return 0


if __name__ == "__main__":
    try:
        sys.exit(main(sys.argv[1:]))
    except KeyboardInterrupt:
        sys.exit(130)
