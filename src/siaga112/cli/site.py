"""The site that a command is about: its configuration, and its records with the store open around them."""

import asyncio
import contextlib
from collections.abc import Awaitable, Callable, Iterator
from functools import lru_cache
from typing import Final, TypeVar

import typer

from siaga112.adapters.redis.url import masked
from siaga112.app.desk import open_supervisor
from siaga112.app.records import database_url, open_desk, redis_url
from siaga112.cli import invocation
from siaga112.cli.invocation import Invocation
from siaga112.core import durations
from siaga112.core.caller_id import typed
from siaga112.core.model import FIRST_INSTANT, SECOND, Caller
from siaga112.core.period import Period, instant, read
from siaga112.errors import SiagaError, UnreachableError
from siaga112.service.ports import StoreDownError
from siaga112.service.supervisor import Supervisor
from siaga112.settings.loading import load
from siaga112.settings.schema import Settings
from siaga112.settings.values import masked_database
from siaga112.terminal import printing

_T = TypeVar("_T")


def settings() -> Settings:
    """Give the configuration that the user named; read once a command."""
    return _loaded(invocation.current())


@lru_cache(maxsize=1)
def _loaded(run: Invocation) -> Settings:
    return load(run.config)


def number(text: str) -> Caller:
    """Read a number that the user typed.

    Raises:
        SiagaError: if it is none that could ever be blocked.

    """
    caller = typed(text, settings().number_plan())
    if caller is None:
        why = "hidden, service, too short, not valid or in never_block"
        raise SiagaError(f'"{text}" is not the number of a caller ({why})')
    return caller


def period(since: str, until: str, now: int) -> Period:
    """Read the period that the user named."""
    try:
        return read(since, until, now, settings().zone)
    except ValueError as error:
        raise typer.BadParameter(str(error), param_hint="--from, --to") from error


def start(text: str, now: int) -> int:
    """Read how far back, or from when."""
    try:
        return max(FIRST_INSTANT, now - durations.parse(text))
    except ValueError:
        pass
    try:
        return int(instant(text, settings().zone).timestamp() * SECOND)
    except ValueError as error:
        raise typer.BadParameter(f'{error}; or write a duration ("24h")', param_hint="--since") from None


def with_supervisor(act: Callable[[Supervisor], Awaitable[_T]], by: str = "") -> _T:
    """Run one act at the supervisor's desk, with the store open around it.

    Raises:
        UnreachableError: if what it needs does not answer; with where it was sought, and what to look at.

    """
    config = settings()

    async def work() -> _T:
        store = open_desk(config)
        try:
            return await act(open_supervisor(config, store, by))
        finally:
            for name, why in store.unreadable.items():
                printing.plain(f"siaga112: left out, for it cannot be read: {name} ({why})", err=True)
            for what, why in store.late.items():
                printing.plain(f"siaga112: {what} ({why})", err=True)
            await store.close()

    with reached(config):
        return asyncio.run(work())


@contextlib.contextmanager
def reached(config: Settings) -> Iterator[None]:
    """Say where what does not answer was sought.

    Raises:
        UnreachableError: in place of what the store says.

    """
    try:
        yield
    except StoreDownError as error:
        raise UnreachableError(_told(str(error), config)) from error


def _told(error: str, config: Settings) -> str:
    """Say where what does not answer was sought, and what to look at."""
    if error.startswith("Redis: "):
        remedy = _DAEMON if config.embedded_redis else "is it running, and [redis] url right?"
        return f"Redis at {masked(redis_url(config))}: {error.removeprefix('Redis: ')}; {remedy}"
    if config.embedded_database:
        return error.removeprefix("database: ")
    at = masked_database(database_url(config))
    return (
        f"the database at {at}: {error.removeprefix('database: ')}; is it running, and [database] url right?"
    )


_DAEMON: Final = "is the daemon running? systemctl status 'siaga112-*' (or: siaga112 run)"
