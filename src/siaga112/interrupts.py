"""Ctrl-C and SIGTERM: a command ends at once, or in order where it has something to put in order.

Python's own way raises KeyboardInterrupt in whatever runs: the import of a compiled module, a destructor,
the inside of the event loop. It is printed, or lost, and a command that nobody stopped goes on. So here
nothing is raised. The process ends in the handler, which no code can prevent; what stays (a change in Redis,
the outbox) is written whole or not at all. A part that must end in order says so with `Heeding`.

Loaded before everything else, so it loads next to nothing itself.
"""

from __future__ import annotations

import os
import time

TYPE_CHECKING = False
if TYPE_CHECKING:
    import asyncio
    import signal
    import socket
    from collections.abc import Callable
    from types import FrameType, TracebackType
    from typing import NoReturn, Self
else:
    import _signal as signal  # `signal` makes enumerations of it first, and Ctrl-C can come meanwhile

SIGNALS = (signal.SIGINT, signal.SIGTERM)
"""Both are heeded; SIGTERM last, so that who sees it caught knows that SIGINT is too."""

PATIENCE_SECONDS = 3.0
"""An orderly end that takes longer is cut short by the next signal."""

_SIGNALLED = 128
"""A shell adds the signal's number to this for the exit code: 130 after Ctrl-C."""


class _State:
    heed: Callable[[], None] | None = None
    first: float | None = None
    """When the first signal came, on the monotonic clock."""
    number: int = 0
    """The last signal."""
    limit: float = 0.0
    """Seconds after the first signal at which the process ends without another; 0: never."""


_put_back: list[Callable[[], None]] = []


def end_at_once() -> None:
    """Let SIGINT and SIGTERM end the process from now on, with 130 and 143 and without a word."""
    for number in SIGNALS:
        signal.signal(number, _heard)


def _heard(number: int, _: FrameType | None) -> None:
    heed = _State.heed
    _State.number = number
    if heed is None:
        _end(number)
    now = time.monotonic()
    if _State.first is None:
        _State.first = now
        if _State.limit:
            signal.signal(signal.SIGALRM, lambda *_: _end(number))
            signal.setitimer(signal.ITIMER_REAL, _State.limit)
    elif now - _State.first > PATIENCE_SECONDS:
        _end(number)
    heed()


def _end(number: int) -> NoReturn:
    for put_back in reversed(_put_back):
        try:  # noqa: SIM105 - contextlib takes ten milliseconds to load
            put_back()
        except Exception:  # noqa: BLE001, S110 - nothing that is left to do keeps us
            pass
    os._exit(_SIGNALLED + number)


class PuttingBack:
    """Within it, do something before the process is ended: give the terminal back as it was."""

    def __init__(self, what: Callable[[], None]) -> None:
        self._what = what

    def __enter__(self) -> None:
        _put_back.append(self._what)

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        _put_back.remove(self._what)


class Heeding:
    """Within it, call `stop` in the running event loop at each signal, in place of ending the process.

    What then takes longer than `limit` seconds (0: any time), or PATIENCE_SECONDS and a further signal, is
    ended. After the block a signal does nothing more than that: the end has begun.

    The loop's own `add_signal_handler` is not used: as the loop closes, it gives SIGINT back to Python.
    """

    def __init__(self, stop: Callable[[], object], limit: float = 0.0) -> None:
        self._stop = stop
        self._limit = limit
        self._loop: asyncio.AbstractEventLoop
        self._wakers: tuple[socket.socket, socket.socket]
        self._own = True

    def __enter__(self) -> Self:
        import asyncio  # noqa: PLC0415 - loaded long before it is needed here
        import socket  # noqa: PLC0415 - as above

        self._loop = asyncio.get_running_loop()
        self._wakers = ours, its = socket.socketpair()
        for waker in self._wakers:
            waker.settimeout(0)
        self._loop.add_reader(ours, ours.recv, 64)
        theirs = signal.set_wakeup_fd(its.fileno(), warn_on_full_buffer=False)
        self._own = theirs < 0
        if not self._own:
            signal.set_wakeup_fd(theirs, warn_on_full_buffer=False)  # uvloop wakes for signals by itself
        _State.limit = self._limit
        _State.heed = self._tell
        end_at_once()
        return self

    def _tell(self) -> None:
        if not self._loop.is_closed():
            self._loop.call_soon_threadsafe(self._stop)

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        _State.heed = _nothing
        self._loop.remove_reader(self._wakers[0])
        if self._own:
            signal.set_wakeup_fd(-1)
        for waker in self._wakers:
            waker.close()


def _nothing() -> None:
    pass


def exit_code() -> int:
    """Give the exit code of who has ended in order because of a signal."""
    return _SIGNALLED + _State.number


def finished() -> None:
    """Ignore both signals: the work is done and reported, and the interpreter only clears up.

    While it does, it would let SIGINT kill the process.
    """
    signal.setitimer(signal.ITIMER_REAL, 0)
    for number in SIGNALS:
        signal.signal(number, signal.SIG_IGN)
