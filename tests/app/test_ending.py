"""How the daemon ends its parts, and restarts one that fails."""

import asyncio
from contextlib import suppress

import pytest
from structlog.testing import capture_logs

from siaga112.adapters import supervision
from siaga112.app.daemon import Daemon
from siaga112.settings.schema import Settings


async def test_a_part_that_swallows_its_end_is_told_again() -> None:
    """A part that swallows its cancellation is cancelled again, so that SIGTERM always ends the daemon.

    A driver may take a cancelled command for a failed one.
    """

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


async def test_a_part_that_ends_takes_no_other_with_it(monkeypatch: pytest.MonkeyPatch) -> None:
    """A part that fails is logged and restarted while the others go on, and SIGTERM still ends all."""
    monkeypatch.setattr(supervision, "AGAIN_SECONDS", (0.0,))
    begun = 0
    stopping = asyncio.Event()

    async def failing() -> None:
        nonlocal begun
        begun += 1
        if begun == 3:
            stopping.set()
        if begun > 1:
            raise KeyError("ours")

    async def steady() -> None:
        await asyncio.Event().wait()  # ends: cancelled by the daemon

    daemon = Daemon(Settings())
    daemon._parts += [failing, steady]
    with capture_logs() as logs:
        async with asyncio.timeout(30):
            await daemon._until(stopping)
    assert begun >= 3
    assert {line["event"] for line in logs} == {"part_failed"}
    assert "failing" in logs[0]["part"]
