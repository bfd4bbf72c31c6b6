"""Logs: one JSON object a line on stderr, so that hostile text cannot forge a line.

That holds for what libraries, threads and Python itself have to say too, and what a peer can make them
say comes at most once a second (`sparing`).
"""

import contextlib
import logging
import sys
import threading
import traceback
from typing import Any, Final

import structlog

from siaga112.sparing import Sparing

_LONGEST: Final = 4_000
_KINDS: Final = 256
"""Messages that a library puts together itself are each a kind: no more of them are kept."""


def configure() -> None:
    """Set structlog up for the daemon; panoramisk's own chatter (which shows secrets) is cut off."""
    _quieten_drivers()
    logging.basicConfig(handlers=[_Library()], level=logging.WARNING, force=True)
    logging.captureWarnings(capture=True)
    threading.excepthook = _tell_of_thread
    sys.unraisablehook = _tell_of_unraisable
    structlog.configure(
        processors=[
            structlog.processors.add_log_level,
            structlog.processors.TimeStamper(fmt="iso", utc=True),
            structlog.processors.format_exc_info,
            structlog.processors.JSONRenderer(),
        ],
        wrapper_class=structlog.make_filtering_bound_logger(logging.INFO),
        logger_factory=lambda *_: _Printer(sys.stderr),
        cache_logger_on_first_use=True,
    )


def silence() -> None:
    """Log nothing: what a command has to say it tells in lines for people."""
    _quieten_drivers()
    logging.basicConfig(handlers=[logging.NullHandler()], force=True)
    structlog.configure(processors=[_drop], cache_logger_on_first_use=False)


def _drop(_: Any, __: str, ___: structlog.typing.EventDict) -> structlog.typing.EventDict:
    raise structlog.DropEvent


def _quieten_drivers() -> None:
    logging.getLogger("panoramisk").setLevel(logging.CRITICAL)


class _Printer(structlog.WriteLogger):
    """Writes each line in one piece, since the daemon and its console share stderr.

    A line that cannot be written (its reader is gone, the disk is full) ends no part.
    """

    def msg(self, message: str) -> None:
        """Write a line if possible."""
        with contextlib.suppress(OSError):
            super().msg(message)

    log = debug = info = warn = warning = msg
    fatal = failure = err = error = critical = exception = msg


class _Library(logging.Handler):
    """Lines of libraries: one kind of them is one logger's one message, however it is filled in."""

    def __init__(self) -> None:
        super().__init__()
        self._kinds: dict[str, Sparing] = {}

    def emit(self, record: logging.LogRecord) -> None:
        """Tell of it as one JSON object."""
        error = record.exc_info[1] if record.exc_info else None
        text = record.getMessage()
        if error is not None:
            text = f"{text}: {type(error).__name__}: {error}"
            text = f"{text}\n{''.join(traceback.format_exception(error))}"
        self._kind(record).__call__(logger=record.name, detail=text[:_LONGEST])

    def _kind(self, record: logging.LogRecord) -> Sparing:
        key = f"{record.name} {record.msg}"[:_LONGEST]
        if key not in self._kinds:
            if len(self._kinds) >= _KINDS:
                self._kinds.clear()
            level = "error" if record.levelno >= logging.ERROR else "warning"
            self._kinds[key] = Sparing("library", level)
        return self._kinds[key]


def _tell_of_thread(told: threading.ExceptHookArgs) -> None:
    thread = told.thread.name if told.thread else ""
    structlog.get_logger().error("unexpected", thread=thread, exc_info=told.exc_value or told.exc_type())


def _tell_of_unraisable(told: "sys.UnraisableHookArgs") -> None:
    structlog.get_logger().error("unexpected", detail=told.err_msg or "", exc_info=told.exc_value)
