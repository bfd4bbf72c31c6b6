"""Supervision of the process: by systemd over its notify socket, and by a thread of our own.

Die, don't stall: Asterisk waits for ever for an AGI server that accepted a connection, while a closed socket
lets the dialplan go on. So a frozen event loop ends the process, and the service manager starts a new one.
"""

import asyncio
import contextlib
import os
import resource
import socket
import sys
import threading
import time
import traceback
from collections.abc import Callable, Coroutine, Mapping, MutableMapping
from typing import Any, Final

import structlog

from siaga112.core.text import whole
from siaga112.reasons import plainly
from siaga112.sparing import Sparing

FROZEN_SECONDS: Final = 2.0
"""As long as the dialplan's guard waits: no call benefits from a loop that is frozen for longer."""

LOOK_SECONDS: Final = 0.25
FROZEN_EXIT: Final = 70
"""EX_SOFTWARE of sysexits.h."""

SHOWN_CALLS: Final = 12
"""As many of a frozen loop's calls go to the log: enough to reach from a library to who called it."""

WANTED: Final = 65_536
"""The limit of open files that we ask for; the shipped units set the same."""

KEPT: Final = 512
"""Descriptors reserved for callers and for what verdicts need; `/metrics` may not use them."""

AGAIN_SECONDS: Final = (1.0, 2.0, 5.0, 15.0, 60.0)
"""Delays before restarting a part that ended; the last value repeats."""

STEADY_SECONDS: Final = 300.0
"""After running for so long, a part starts again with the first delay."""

_FIRST_HANDED: Final = 3
"""SD_LISTEN_FDS_START."""

_log = structlog.get_logger()


class ServiceManager:
    """systemd's notify protocol (sd_notify(3)); without NOTIFY_SOCKET every call does nothing."""

    def __init__(self, environ: Mapping[str, str] = os.environ) -> None:
        address = environ.get("NOTIFY_SOCKET", "")
        self._address = "\0" + address[1:] if address.startswith("@") else address
        microseconds = environ.get("WATCHDOG_USEC", "")
        mine = environ.get("WATCHDOG_PID", str(os.getpid())) == str(os.getpid())
        self.watchdog_seconds = (whole(microseconds) or 0) / 1e6 if mine else 0.0
        """How often the service manager expects a watchdog message; 0 for never."""

    @staticmethod
    def handed_socket(environ: MutableMapping[str, str] = os.environ) -> socket.socket | None:
        """Return the listening socket from the service manager, if there is one (sd_listen_fds(3)).

        Child processes inherit neither the socket nor the variables.
        """
        mine = environ.pop("LISTEN_PID", "") == str(os.getpid())
        count = environ.pop("LISTEN_FDS", "")
        environ.pop("LISTEN_FDNAMES", None)
        if not mine or not whole(count):
            return None
        try:
            handed = socket.socket(fileno=_FIRST_HANDED)
        except OSError:
            return None
        handed.set_inheritable(False)
        if not handed.getsockopt(socket.SOL_SOCKET, socket.SO_ACCEPTCONN):
            handed.close()
            return None
        return handed

    def tell(self, *states: str) -> None:
        """Send states such as `READY=1`; ignore errors."""
        if not self._address:
            return
        with (
            contextlib.suppress(OSError),
            socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM | socket.SOCK_CLOEXEC) as out,
        ):
            out.settimeout(0)
            out.sendto("\n".join(states).encode(), self._address)

    def reloading(self) -> None:
        """Announce that the configuration is being reloaded; `READY=1` must follow."""
        self.tell("RELOADING=1", f"MONOTONIC_USEC={time.monotonic_ns() // 1_000}")


class Descriptors:
    """The limit of open files for this process: raised as far as possible, with a reserve for callers."""

    def __init__(self) -> None:
        _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
        wanted = WANTED if hard == resource.RLIM_INFINITY else min(hard, WANTED)
        with contextlib.suppress(OSError, ValueError):
            if resource.getrlimit(resource.RLIMIT_NOFILE)[0] < wanted:
                resource.setrlimit(resource.RLIMIT_NOFILE, (wanted, hard))
        self._out = Sparing("out_of_descriptors", "error", seconds=10)

    @staticmethod
    def scarce(descriptor: int) -> bool:
        """Return whether a descriptor with that number belongs to the reserve for callers.

        The system always assigns the lowest free number (POSIX), so the number shows how many are open.
        """
        limit = resource.getrlimit(resource.RLIMIT_NOFILE)[0]
        return limit != resource.RLIM_INFINITY and descriptor >= limit - min(KEPT, limit // 2)

    async def run(self) -> None:
        """Check whether one more file can be opened, and log when it cannot: the sockets do not report it."""
        while True:
            try:
                os.close(os.dup(2))
            except OSError as error:
                limit = resource.getrlimit(resource.RLIMIT_NOFILE)[0]
                self._out(
                    limit=limit,
                    detail=plainly(error),
                    calls="go through unscreened",
                    remedy="raise LimitNOFILE; see who connects",
                )
            await asyncio.sleep(LOOK_SECONDS)


class LoopWatch:
    """End the process when the event loop is frozen; feed the service manager's watchdog.

    If the whole process was stopped (SIGSTOP, a suspended machine), the loop was not frozen: the watching
    thread stopped with it and starts counting again.
    """

    def __init__(self, manager: ServiceManager, frozen_seconds: float = FROZEN_SECONDS) -> None:
        self._manager = manager
        self._frozen = frozen_seconds
        self._turned = time.monotonic()
        self._thread = threading.get_ident()
        self._told = 0.0
        self._timer: asyncio.TimerHandle | None = None
        self._done = threading.Event()

    def begin(self) -> None:
        """Watch from now on; call it in the loop, before a caller can connect."""
        self._thread = threading.get_ident()
        self._turn()
        threading.Thread(target=self._watch, name="loop watch", daemon=True).start()

    def end(self) -> None:
        """Watch no longer; call it when no caller can connect any more."""
        self._done.set()
        if self._timer:
            self._timer.cancel()

    async def run(self) -> None:
        """Watch until cancelled."""
        self.begin()
        try:
            await asyncio.Event().wait()
        finally:
            self.end()

    def _turn(self) -> None:
        """Record each turn of the event loop, for the watching thread and the watchdog."""
        self._turned = time.monotonic()
        if 0 < self._manager.watchdog_seconds <= 3 * (self._turned - self._told):
            self._told = self._turned
            self._manager.tell("WATCHDOG=1")
        self._timer = asyncio.get_running_loop().call_later(LOOK_SECONDS, self._turn)

    def _watch(self) -> None:
        looked = time.monotonic()
        while not self._done.wait(LOOK_SECONDS):
            now = time.monotonic()
            if now - looked > 2 * LOOK_SECONDS:
                self._turned = now
            looked = now
            if now - self._turned > self._frozen:
                seconds = round(now - self._turned, 1)
                _log.critical("loop_frozen", seconds=seconds, where=_where(self._thread), exit=FROZEN_EXIT)
                os._exit(FROZEN_EXIT)


def _where(thread: int) -> list[str]:
    """Return the innermost calls of a thread, the newest first, each as `file:line function`."""
    frame = sys._current_frames().get(thread)  # noqa: SLF001 - the documented function has this name
    stack = traceback.StackSummary.extract(traceback.walk_stack(frame), limit=SHOWN_CALLS, lookup_lines=False)
    return [f"{call.filename}:{call.lineno} {call.name}" for call in stack]


class TaskSupervisor:
    """Keep the parts of the daemon running: none that ends takes another with it, least of all screening."""

    def __init__(self) -> None:
        self.ended: Final[set[str]] = set()
        """The names of parts that wait for their restart."""

    async def keep(self, part: Callable[[], Coroutine[Any, Any, None]]) -> None:
        """Run a part until cancelled; restart it after a pause if it ends, which it never should."""
        name, attempt = _named(part), 0
        me, time_of = asyncio.current_task(), asyncio.get_running_loop().time
        while True:
            began, failure = time_of(), None
            try:
                await part()
            except (Exception, asyncio.CancelledError) as error:  # noqa: BLE001 - our fault, or a driver's
                failure = error
            if me is None or me.cancelling():
                return
            attempt = 0 if time_of() - began > STEADY_SECONDS else attempt
            pause = AGAIN_SECONDS[min(attempt, len(AGAIN_SECONDS) - 1)]
            attempt += 1
            _log.error("part_failed", part=name, detail=str(failure), again_seconds=pause, exc_info=failure)
            self.ended.add(name)
            await asyncio.sleep(pause)
            self.ended.discard(name)


def _named(part: Callable[..., object]) -> str:
    """Return a part's name for the log."""
    part = getattr(part, "func", part)  # of a functools.partial
    owner = getattr(part, "__self__", None)
    return part.__qualname__ if owner is None else type(owner).__name__
