"""Logs: one JSON object a line on stderr, so that hostile text cannot forge a line."""

import logging
import sys
from typing import Any

import structlog


def configure() -> None:
    """Set structlog up for the daemon; panoramisk's own chatter (which shows secrets) is cut off."""
    _quieten_drivers()
    structlog.configure(
        processors=[
            structlog.processors.add_log_level,
            structlog.processors.TimeStamper(fmt="iso", utc=True),
            structlog.processors.format_exc_info,
            structlog.processors.JSONRenderer(),
        ],
        wrapper_class=structlog.make_filtering_bound_logger(logging.INFO),
        logger_factory=structlog.PrintLoggerFactory(sys.stderr),
        cache_logger_on_first_use=True,
    )


def silence() -> None:
    """Log nothing: what a command has to say it tells in lines for people."""
    _quieten_drivers()
    structlog.configure(processors=[_drop], cache_logger_on_first_use=False)


def _drop(_: Any, __: str, ___: structlog.typing.EventDict) -> structlog.typing.EventDict:
    raise structlog.DropEvent


def _quieten_drivers() -> None:
    logging.getLogger("panoramisk").setLevel(logging.CRITICAL)
