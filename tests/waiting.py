"""Waiting for what a test cannot be told of."""

import asyncio
from collections.abc import Callable


async def until(condition: Callable[[], bool], seconds: float = 5.0) -> None:
    """Return as soon as the condition holds; raise TimeoutError if it does not in time."""
    async with asyncio.timeout(seconds):
        while not condition():  # noqa: ASYNC110 - a socket's or a process's state has no event of ours
            await asyncio.sleep(0.001)
