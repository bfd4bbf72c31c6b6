"""Bounded waits: a test names what did not come in time, and fails instead of hanging."""

import asyncio
import subprocess
import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager, suppress
from typing import Final

ENDS_SECONDS: Final = 60.0
"""Seconds that a command may take, also on a busy machine."""
KILLED_SECONDS: Final = 10.0
"""Seconds that the kernel may take to end a killed process."""


@asynccontextmanager
async def within(seconds: float, what: str) -> AsyncIterator[None]:
    """Run the block for that many seconds at most. Raises TimeoutError, which names what was waited for."""
    bound = asyncio.timeout(seconds)
    try:
        async with bound:
            yield
    except TimeoutError as error:
        if bound.expired():
            raise TimeoutError(f"not within {seconds:g} s: {what}") from error
        raise


async def until(condition: Callable[[], bool], seconds: float = 5.0, what: str = "") -> None:
    """Return as soon as the condition holds; raise TimeoutError if it does not in time."""
    async with within(seconds, what or _spelled(condition)):
        while not condition():  # noqa: ASYNC110 - a socket's or a process's state has no event of ours
            await asyncio.sleep(0.001)


def block_until(condition: Callable[[], bool], seconds: float = 20.0, what: str = "") -> None:
    """Return as soon as the condition holds, outside an event loop; raise TimeoutError if not in time."""
    deadline = time.monotonic() + seconds
    while not condition():
        if time.monotonic() > deadline:
            raise TimeoutError(f"not within {seconds:g} s: {what or _spelled(condition)}")
        time.sleep(0.01)


async def ended(process: asyncio.subprocess.Process, what: str, seconds: float = ENDS_SECONDS) -> int:
    """Wait for a process's end; return its exit code. Kills it and raises TimeoutError if it does not end."""
    try:
        async with within(seconds, f"the end of {what} (pid {process.pid})"):
            return await process.wait()
    except TimeoutError:
        await killed(process)
        raise


async def output(
    process: asyncio.subprocess.Process, what: str, seconds: float = ENDS_SECONDS
) -> tuple[bytes, bytes]:
    """Return all that a process prints, when it ends. Kills it and raises TimeoutError if it does not end."""
    try:
        async with within(seconds, f"the end of {what} (pid {process.pid})"):
            out, err = await process.communicate()
    except TimeoutError as error:
        await killed(process)
        for stream in (process.stdout, process.stderr):
            if stream is not None:  # what communicate() had read is lost; the rest may still help
                with suppress(TimeoutError):
                    async with asyncio.timeout(1):
                        error.add_note((await stream.read()).decode("utf-8", "replace")[-2_000:])
        raise
    return out or b"", err or b""


async def killed(process: asyncio.subprocess.Process) -> None:
    """Kill a process, if it still runs, and wait for its end."""
    with suppress(ProcessLookupError):
        process.kill()
    async with within(KILLED_SECONDS, f"the end of killed process {process.pid}"):
        await process.wait()


def reap(process: subprocess.Popen[bytes] | subprocess.Popen[str]) -> None:
    """Kill a process of `subprocess`, if it still runs, and wait for its end."""
    process.kill()
    process.wait(KILLED_SECONDS)


def _spelled(condition: Callable[[], bool]) -> str:
    """Return a condition's name and place in the code."""
    code = getattr(condition, "__code__", None)
    return f"{code.co_qualname} ({code.co_filename}:{code.co_firstlineno})" if code else repr(condition)
