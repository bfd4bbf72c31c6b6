"""Run a part of siaga112 as a child process, so that its failures affect nothing else."""

import asyncio
import contextlib
import os
import signal
from collections.abc import Awaitable, Callable, Sequence
from typing import Final

import structlog

CHILD: Final = "SIAGA112_CHILD"
"""Set in a child's environment: its standard input closes when its parent ends."""

LOOK_SECONDS: Final = 2.0
"""How often we check whether the child is wanted and running."""

AGAIN_SECONDS: Final = (1.0, 5.0, 30.0)
"""Delays before restarting a child that ended; the last value repeats."""

STEADY_SECONDS: Final = 60.0
END_SECONDS: Final = 3.0

_OURS_ALONE: Final = ("NOTIFY_", "WATCHDOG_", "LISTEN_")
"""Environment variables from the service manager to us: a child that used them would answer in our place."""

_log = structlog.get_logger()


class Child:
    """Keep a process running while it is wanted. `run` watches it; `stop` ends it."""

    def __init__(self, name: str, command: Sequence[str], wanted: Callable[[], Awaitable[bool]]) -> None:
        self._name: Final = name
        self._command: Final = command
        self._wanted = wanted
        self._process: asyncio.subprocess.Process | None = None
        self._making: asyncio.Future[asyncio.subprocess.Process] | None = None

    async def run(self) -> None:
        """Start the child when it is wanted, and restart it whenever it ends; runs for ever."""
        clock = asyncio.get_running_loop().time
        tries, began = 0, 0.0
        while True:
            await asyncio.sleep(LOOK_SECONDS)
            if self._process and self._process.returncode is not None:
                pause = AGAIN_SECONDS[min(tries, len(AGAIN_SECONDS) - 1)]
                code = self._process.returncode
                _log.warning("child_ended", child=self._name, code=code, again_seconds=pause)
                tries = 0 if clock() - began > STEADY_SECONDS else tries + 1
                self._process = None
                await asyncio.sleep(pause)
            if self._process is None and await self._wanted():
                began = clock()
                await self._start()

    async def _start(self) -> None:
        self._making = asyncio.ensure_future(
            asyncio.create_subprocess_exec(
                *self._command,
                stdin=asyncio.subprocess.PIPE,  # closes when we end, whatever ends us
                env=_environ(),
                start_new_session=True,  # keep Ctrl-C for ourselves; `stop` ends the child when we are done
            )
        )
        try:
            self._process = await asyncio.shield(self._making)
        except OSError as error:
            _log.error("child_not_started", child=self._name, detail=str(error))
        else:
            _log.info("child_started", child=self._name, pid=self._process.pid)

    def reload(self) -> None:
        """Make the child reload its configuration, if it is running."""
        if self._process and self._process.returncode is None:
            with contextlib.suppress(ProcessLookupError):
                self._process.send_signal(signal.SIGHUP)

    async def stop(self) -> None:
        """End the child, if it is running: SIGTERM, then SIGKILL."""
        if self._making:  # cancelled while starting it: the process exists all the same
            with contextlib.suppress(OSError):
                self._process = await self._making
        process, self._process = self._process, None
        if process is None or process.returncode is not None:
            return
        for number in (signal.SIGTERM, signal.SIGKILL):
            with contextlib.suppress(ProcessLookupError):
                process.send_signal(number)
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(END_SECONDS):
                    await process.wait()
                    return


def _environ() -> dict[str, str]:
    held = {name: value for name, value in os.environ.items() if not name.startswith(_OURS_ALONE)}
    return held | {CHILD: "1"}
