"""Who watches the process: systemd by its notify socket, and a thread of our own.

Die, don't stall: Asterisk waits for ever for an AGI server that accepted a connection, while a socket
that closes lets the dialplan go on. So a loop that has stopped turning ends the process, and the service
manager starts another.
"""

import asyncio
import contextlib
import os
import resource
import socket
import threading
import time
from collections.abc import Callable, Coroutine, Mapping, MutableMapping
from typing import Any, Final

import structlog

from siaga112.core.text import whole
from siaga112.reasons import plainly
from siaga112.sparing import Sparing

FROZEN_SECONDS: Final = 2.0
"""As long as the dialplan's guard waits: a loop that stands longer is of no use to any caller."""

LOOK_SECONDS: Final = 0.25
FROZEN_EXIT: Final = 70
"""EX_SOFTWARE of sysexits.h."""

WANTED: Final = 65_536
"""Files that we would like to be able to open; the shipped units say the same."""

KEPT: Final = 512
"""Of them for callers and what verdicts rest on, and not for `/metrics`."""

AGAIN_SECONDS: Final = (1.0, 2.0, 5.0, 15.0, 60.0)
"""After so long a part that ended is begun anew; the last repeats."""

STEADY_SECONDS: Final = 300.0
"""A part that has gone on for so long begins again with the first of them."""

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
        """How often the service manager wants to hear of us; 0 if it does not."""

    @staticmethod
    def handed_socket(environ: MutableMapping[str, str] = os.environ) -> socket.socket | None:
        """Give the listening socket that the service manager keeps for us, if it does (sd_listen_fds(3)).

        It is ours alone then: what this process starts inherits neither it nor the variables.
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
        """Send states such as `READY=1`. What cannot be sent is no reason to stop."""
        if not self._address:
            return
        with (
            contextlib.suppress(OSError),
            socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM | socket.SOCK_CLOEXEC) as out,
        ):
            out.settimeout(0)
            out.sendto("\n".join(states).encode(), self._address)

    def reloading(self) -> None:
        """Say that the configuration is being read again; `READY=1` follows."""
        self.tell("RELOADING=1", f"MONOTONIC_USEC={time.monotonic_ns() // 1_000}")


class Descriptors:
    """How many files this process may have open: as many as it can get, some of them for callers alone."""

    def __init__(self) -> None:
        _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
        wanted = WANTED if hard == resource.RLIM_INFINITY else min(hard, WANTED)
        with contextlib.suppress(OSError, ValueError):
            if resource.getrlimit(resource.RLIMIT_NOFILE)[0] < wanted:
                resource.setrlimit(resource.RLIMIT_NOFILE, (wanted, hard))
        self._out = Sparing("out_of_descriptors", "error", seconds=10)

    @staticmethod
    def scarce(descriptor: int) -> bool:
        """Say whether a descriptor of that number is one of those kept for callers.

        The lowest free one is always given first (POSIX), so its number says how many are open.
        """
        limit = resource.getrlimit(resource.RLIMIT_NOFILE)[0]
        return limit != resource.RLIM_INFINITY and descriptor >= limit - min(KEPT, limit // 2)

    async def run(self) -> None:
        """Look whether one more file can be opened, and tell when not: the sockets do not say."""
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
    """Ends the process when the event loop has stood still; feeds the service manager's watchdog.

    A process that was stopped as a whole (SIGSTOP, a sleeping machine) is not a loop that stands: the
    watching thread was stopped with it, and begins to count anew.
    """

    def __init__(self, manager: ServiceManager, frozen_seconds: float = FROZEN_SECONDS) -> None:
        self._manager = manager
        self._frozen = frozen_seconds
        self._turned = time.monotonic()
        self._done = threading.Event()

    async def run(self) -> None:
        """Show that the loop turns, for as long as it does."""
        self._turned = time.monotonic()
        threading.Thread(target=self._watch, name="loop watch", daemon=True).start()
        told = 0.0
        try:
            while True:
                self._turned = time.monotonic()
                if 0 < self._manager.watchdog_seconds <= 3 * (self._turned - told):
                    told = self._turned
                    self._manager.tell("WATCHDOG=1")
                await asyncio.sleep(LOOK_SECONDS)
        finally:
            self._done.set()

    def _watch(self) -> None:
        looked = time.monotonic()
        while not self._done.wait(LOOK_SECONDS):
            now = time.monotonic()
            if now - looked > 2 * LOOK_SECONDS:
                self._turned = now
            looked = now
            if now - self._turned > self._frozen:
                _log.critical("loop_frozen", seconds=round(now - self._turned, 1), exit=FROZEN_EXIT)
                os._exit(FROZEN_EXIT)


class TaskSupervisor:
    """Keeps the parts of the daemon going: none that ends takes another with it, least of all screening."""

    def __init__(self) -> None:
        self.ended: Final[set[str]] = set()
        """The parts that wait to be begun anew, by name."""

    async def keep(self, part: Callable[[], Coroutine[Any, Any, None]]) -> None:
        """Run a part until cancelled; one that ends, which none should, is begun anew after a while."""
        name, attempt = _named(part), 0
        me, time_of = asyncio.current_task(), asyncio.get_running_loop().time
        while True:
            began, failure = time_of(), None
            try:
                await part()
            except (Exception, asyncio.CancelledError) as error:  # noqa: BLE001 - our own mistake, or a driver's
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
    """Name a part for the log."""
    part = getattr(part, "func", part)  # of a functools.partial
    owner = getattr(part, "__self__", None)
    return part.__qualname__ if owner is None else type(owner).__name__
