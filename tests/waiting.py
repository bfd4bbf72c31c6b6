"""Waiting for what a test cannot be told of."""

import asyncio
import time
from collections.abc import Callable


async def until(condition: Callable[[], bool], seconds: float = 5.0) -> None:
    """Return as soon as the condition holds; raise TimeoutError if it does not in time."""
    async with asyncio.timeout(seconds):
        while not condition():  # noqa: ASYNC110 - a socket's or a process's state has no event of ours
            await asyncio.sleep(0.001)


def block_until(condition: Callable[[], bool], seconds: float = 20.0) -> None:
    """Return as soon as the condition holds, outside an event loop; raise TimeoutError if not in time."""
    deadline = time.monotonic() + seconds
    while not condition():
        if time.monotonic() > deadline:
            raise TimeoutError(f"not within {seconds:g} s")
        time.sleep(0.01)
