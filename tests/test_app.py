"""Parts of the daemon that are wired in `app`."""

import asyncio
from contextlib import suppress

from siaga112.app import Daemon
from siaga112.settings import Settings


async def test_a_part_that_swallows_its_end_is_told_again() -> None:
    """SIGTERM ends the daemon, also where a driver takes a cancelled command for a failed one."""

    async def stubborn() -> None:
        with suppress(asyncio.CancelledError):
            await asyncio.Event().wait()  # ends: cancelled by the daemon
        await asyncio.Event().wait()  # ends: as above

    daemon = Daemon(Settings())
    daemon._parts.append(stubborn)
    stopping = asyncio.Event()
    stopping.set()
    async with asyncio.timeout(30):
        await daemon._until(stopping)
