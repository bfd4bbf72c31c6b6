"""The site that a command works on: its configuration and its records, here or through the API."""

import asyncio
import contextlib
import os
import sys
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from functools import lru_cache
from importlib import import_module
from typing import TYPE_CHECKING, Any, Final, TypeVar, cast

import typer

from siaga112.adapters.redis.url import masked
from siaga112.app.deeds import Deeds, deeds
from siaga112.app.desk import open_supervisor
from siaga112.app.lists import NOT_A_NUMBER, Lists, lists
from siaga112.app.records import database_url, open_desk, redis_url
from siaga112.cli import invocation
from siaga112.cli.invocation import Invocation
from siaga112.core.caller_id import typed
from siaga112.core.model import Caller
from siaga112.core.period import Period, read
from siaga112.errors import Said, SiagaError, UnreachableError, UsageError, saying
from siaga112.service.ports import StoreDownError
from siaga112.service.supervisor import AskFirstError, RefusedError, Supervisor
from siaga112.settings.loading import load
from siaga112.settings.schema import Settings
from siaga112.settings.values import masked_database
from siaga112.terminal import printing
from siaga112.words import Language, Tongue, say, tongue

if TYPE_CHECKING:
    from siaga112.adapters.database.records import DatabaseRecords
    from siaga112.app.store import DecidingStore
    from siaga112.cli.remote import Api, RemoteDeeds, RemoteLists

_T = TypeVar("_T")


def settings() -> Settings:
    """Return the configuration that the user named; it is read once per command.

    Raises:
        UsageError: if the command is to work through the API.

    """
    if invocation.current().api:
        raise UsageError(say("this command works on the machine of siaga112 itself, not through --api"))
    return _loaded(invocation.current())


@lru_cache(maxsize=1)
def _loaded(run: Invocation) -> Settings:
    return load(run.config)


def number(text: str) -> Caller:
    """Parse a number that the user typed.

    Raises:
        SiagaError: if it can never be the number of a caller.

    """
    if invocation.current().api:
        return Caller(text)  # the console knows its own number plan
    caller = typed(text, settings().number_plan())
    if caller is None:
        raise SiagaError(NOT_A_NUMBER, number=text)
    return caller


def period(since: str, until: str, now: int) -> Period:
    """Parse the period that the user named."""
    try:
        return read(since, until, now, settings().zone)
    except ValueError as error:
        raise typer.BadParameter(saying(error), param_hint="--from, --to") from error


def with_supervisor(act: Callable[[Supervisor], Awaitable[_T]], by: str = "") -> _T:
    """Run `act` at the supervisor's desk; the store is open while it runs.

    Raises:
        UnreachableError: if Redis or the database does not answer; it says where, and what to check.

    """
    config = settings()

    async def work() -> _T:
        async with desk_store() as store:
            return await act(open_supervisor(config, store, by))

    with reached(config):
        return asyncio.run(work())


@contextlib.asynccontextmanager
async def desk_store() -> "AsyncIterator[DecidingStore]":
    """Open the site's store; at the end, say what it could not read and what is late, and close it."""
    store, t = open_desk(settings()), speaker()
    try:
        yield store
    finally:
        for name, why in store.unreadable.items():
            left_out = t("left out, because it cannot be read: {name} ({why})", name=name, why=why)
            printing.plain(f"siaga112: {left_out}", err=True)
        for what, why in store.late.items():
            printing.plain(f"siaga112: {t.told(what)} ({t.told(why)})", err=True)
        await store.close()


def speaker() -> Tongue:
    """Return the language of the output."""
    run = invocation.current()
    return tongue(run.lang or (Language.EN if run.api else settings().console.lang))


def decide(act: "Callable[[Deeds | RemoteDeeds], Awaitable[str]]", by: str = "") -> None:
    """Take a decision, here or through the API, and print the result."""
    printing.wrapped(_decided(act, by))


def _decided(act: "Callable[[Deeds | RemoteDeeds], Awaitable[_T]]", by: str) -> _T:
    if api := invocation.current().api:
        return asyncio.run(_awaited(act(_remote().RemoteDeeds(_client(api)))))
    return with_supervisor(lambda desk: act(deeds(desk, settings(), speaker())), by)


def decide_first(act: "Callable[[Deeds | RemoteDeeds, bool], Awaitable[_T]]", by: str, *, yes: bool) -> _T:
    """Take a decision that may hit the wrong caller; at a terminal, ask first. Return the result.

    Raises:
        RefusedError: without a terminal; it says what speaks against the decision, and how to go on.
        typer.Abort: if the answer is no.

    """
    try:
        return _decided(lambda deeds: act(deeds, yes), by)
    except AskFirstError as error:
        t = speaker()
        if not sys.stdin.isatty():
            said = t("{why}; nothing was done (--yes: do it anyway)", why=error.told(t))
            raise RefusedError(said) from None
        printing.plain(*(one.told(t) for one in error.cautions), err=True)
        typer.confirm(t("Block anyway?"), abort=True, err=True)
        return _decided(lambda deeds: act(deeds, True), by)


def ask(act: "Callable[[Lists | RemoteLists], Awaitable[_T]]", by: str = "") -> _T:
    """Read a list, here or through the API."""
    if api := invocation.current().api:
        return asyncio.run(_awaited(act(_remote().RemoteLists(_client(api)))))
    return with_supervisor(lambda desk: act(lists(desk, settings(), speaker())), by)


async def _awaited(work: Awaitable[_T]) -> _T:
    return await work


def _client(api: str) -> "Api":
    """Return the API, with the user's token and the language asked for."""
    lang = invocation.current().lang
    made: Api = _remote().Api(api, os.environ.get("SIAGA112_TOKEN", ""), lang.value if lang else "")
    return made


def _remote() -> Any:
    return import_module("siaga112.cli.remote")  # urllib takes time to load, and few commands need it


def with_records(act: "Callable[[DatabaseRecords], Awaitable[_T]]") -> _T:
    """Run `act` on the records themselves."""
    return with_supervisor(lambda desk: act(cast("DecidingStore", desk.store).records))


@contextlib.contextmanager
def reached(config: Settings) -> Iterator[None]:
    """Add to an error of the store where Redis or the database was expected.

    Raises:
        UnreachableError: in place of the store's error.

    """
    try:
        yield
    except StoreDownError as error:
        raise UnreachableError(_told(error.said, config)) from error


def _told(error: Said, config: Settings) -> Said:
    """Return where Redis or the database was expected, why it failed, and what to check."""
    why = error.values.get("why", error)
    if error.startswith("Redis: "):
        remedy = _DAEMON if config.embedded_redis else Said("is it running, and is [redis] url correct?")
        at = masked(redis_url(config))
        return Said("Redis at {at}: {why}; {remedy}", at=at, why=why, remedy=remedy)
    if config.embedded_database:
        return why if isinstance(why, Said) else Said(str(error).removeprefix("database: "))
    at = masked_database(database_url(config))
    said = say("the database at {at}: {why}; is it running, and is [database] url correct?")
    return Said(said, at=at, why=why)


_DAEMON: Final = Said("is the daemon running? systemctl status 'siaga112-*' (or: siaga112 run)")
