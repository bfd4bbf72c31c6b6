"""Who watches the process: systemd by its notify socket, and a thread of our own.

Die, don't stall: Asterisk waits for ever for an AGI server that accepted a connection, while a socket
that closes lets the dialplan go on. So a loop that has stopped turning ends the process, and the service
manager starts another.
"""

import asyncio
import contextlib
import os
import socket
import threading
import time
from collections.abc import Mapping, MutableMapping
from typing import Final

import structlog

FROZEN_SECONDS: Final = 2.0
"""As long as the dialplan's guard waits: a loop that stands longer is of no use to any caller."""

LOOK_SECONDS: Final = 0.25
FROZEN_EXIT: Final = 70
"""EX_SOFTWARE of sysexits.h."""

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
        self.watchdog_seconds = int(microseconds) / 1e6 if microseconds.isdigit() and mine else 0.0
        """How often the service manager wants to hear of us; 0 if it does not."""

    @staticmethod
    def handed_socket(environ: MutableMapping[str, str] = os.environ) -> socket.socket | None:
        """Give the listening socket that the service manager keeps for us, if it does (sd_listen_fds(3)).

        It is ours alone then: what this process starts inherits neither it nor the variables.
        """
        mine = environ.pop("LISTEN_PID", "") == str(os.getpid())
        count = environ.pop("LISTEN_FDS", "")
        environ.pop("LISTEN_FDNAMES", None)
        if not mine or not count.isdigit() or int(count) < 1:
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
