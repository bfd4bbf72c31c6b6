"""Authentication: a person with a session, or a program with a token.

A person logs in with name and password (argon2id). The browser holds a random session id, we keep its
digest. Each form carries the session's CSRF token. Wrong passwords are answered more and more slowly,
whether or not there is such a person. A token is shown once; we keep its digest.
"""

import asyncio
import hmac
import secrets
import time
from collections import OrderedDict
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, replace
from typing import Final

from fastapi import Request
from starlette.datastructures import Headers

from siaga112.adapters import passwords
from siaga112.app.access import TOKEN, digest
from siaga112.core.access import MAY, Permission, Role, Session, Token
from siaga112.core.model import SECOND, AuditEntry, Millis, Via, due
from siaga112.errors import SiagaError
from siaga112.service.ports import People, StoreBrokenError, StoreDownError
from siaga112.words import Language

CACHED_SECONDS: Final = 1.0
"""How long a session or token is cached: a revoked one is rejected after that."""

SEEN_EVERY: Final[Millis] = 60 * SECOND
FREE_TRIES: Final = 3
LONGEST_DELAY: Final = 60.0
FORGET_SECONDS: Final = 900.0
"""After this long without a wrong password the delay is reset."""

WATCHED: Final = 10_000
"""Names and addresses remembered; the oldest are dropped."""

HASHING: Final = 4
"""Logins that may wait for a password hash; further ones are rejected at once."""


class NobodyError(SiagaError):
    """Nobody is logged in, or the token is invalid."""


class MayNotError(SiagaError):
    """The visitor's role lacks the permission."""


class TooOftenError(SiagaError):
    """Too many wrong passwords; `seconds` until the next try is accepted."""

    def __init__(self, seconds: float) -> None:
        super().__init__("too many tries; wait, and try again")
        self.seconds = seconds


@dataclass(frozen=True, slots=True)
class Visitor:
    """Who asks, and how they came in. `numbers`: may see full numbers. `csrf`: the forms' token."""

    name: str
    role: Role
    via: Via
    lang: Language
    numbers: bool = True
    csrf: str = ""
    session: str = ""

    def may(self, permission: Permission) -> bool:
        """Return whether the role has a permission."""
        return permission in MAY[self.role]


class _Delays:
    """The delay after wrong passwords, by name and by address: doubles after the first few tries."""

    def __init__(self, clock: Callable[[], float]) -> None:
        self._clock = clock
        self._wrong: OrderedDict[str, tuple[int, float]] = OrderedDict()

    def left(self, *keys: str) -> float:
        """Return the seconds left to wait."""
        return max((self._left(key) for key in keys), default=0.0)

    def _left(self, key: str) -> float:
        tries, last = self._wrong.get(key, (0, 0.0))
        since = self._clock() - last
        if tries < FREE_TRIES or since > FORGET_SECONDS:
            return 0.0
        return max(0.0, min(LONGEST_DELAY, 2.0 ** (tries - FREE_TRIES)) - since)

    def wrong(self, *keys: str) -> None:
        """Note a wrong password."""
        now = self._clock()
        for key in keys:
            tries, last = self._wrong.pop(key, (0, 0.0))
            self._wrong[key] = (1 if now - last > FORGET_SECONDS else tries + 1, now)
            if len(self._wrong) > WATCHED:
                self._wrong.popitem(last=False)

    def right(self, *keys: str) -> None:
        """Forget the wrong ones."""
        for key in keys:
            self._wrong.pop(key, None)


class Gate:
    """Lets people and programs in."""

    def __init__(
        self, people: People, clock: Callable[[], Millis], lang: Language, idle: Millis, *, secure: bool
    ) -> None:
        self._people = people
        self._clock = clock
        self._lang = lang
        self._idle = idle
        self.cookie: Final = "__Host-siaga112" if secure else "siaga112"
        self.secure: Final = secure
        self._delays = _Delays(time.monotonic)
        self._hashing = asyncio.Semaphore(1)
        self._waiting = 0
        self._known: OrderedDict[str, tuple[float, Visitor]] = OrderedDict()

    async def login(self, name: str, password: str, address: str) -> str:
        """Log a person in; return the session for the browser's cookie.

        Raises:
            NobodyError: if name or password is wrong; it does not say which.
            TooOftenError: after too many wrong passwords, or if too many log in at once.

        """
        name = " ".join(name.split())
        keys = f"name {name.casefold()}", f"from {address}"
        if left := self._delays.left(*keys):
            raise TooOftenError(left)
        if self._waiting >= HASHING:
            raise TooOftenError(1.0)
        self._waiting += 1
        try:
            async with self._hashing:
                person = await self._people.person(name)
                kept = person.password if person and person.disabled_at is None else None
                good = await asyncio.to_thread(passwords.fits, password, kept)
        finally:
            self._waiting -= 1
        if not good or person is None:
            self._delays.wrong(*keys)
            raise NobodyError("there is nobody of that name with that password")
        self._delays.right(*keys)
        now, held = self._clock(), secrets.token_urlsafe(32)
        session = Session(digest(held), person.name, secrets.token_urlsafe(24), now, now)
        line = AuditEntry(now, person.name, "login", "site", f"from {address}", via=Via.CONSOLE)
        await self._people.keep_session(session, line)
        await self._people.end_sessions(before=now - self._idle)
        return held

    async def logout(self, visitor: Visitor) -> None:
        """End a session."""
        self._known.clear()
        await self._people.end_sessions(digest=visitor.session)

    def forget(self) -> None:
        """Empty the cache, after a user or token was changed."""
        self._known.clear()

    async def visitor(self, request: Request) -> Visitor | None:
        """Return the visitor of a session; None if nobody is logged in."""
        held = request.cookies.get(self.cookie)
        if not held:
            return None
        return await self._cached(digest(held), self._of_session)

    async def program(self, headers: Headers) -> Visitor | None:
        """Return the program of a token; None without one."""
        kind, _, held = headers.get("authorization", "").partition(" ")
        if kind.lower() != "bearer" or not held.startswith(TOKEN):
            return None
        visitor = await self._cached(digest(held.strip()), self._of_token)
        wanted = _language(headers.get("accept-language", ""))
        return replace(visitor, lang=wanted) if visitor and wanted else visitor

    async def still(self, request: Request, visitor: Visitor) -> bool:
        """Return whether a stream may go on: its session or token is good, with the rights it began with.

        While the records are away nobody can be shut out, and the wall says that they are.
        """
        program = visitor.via is Via.API
        try:
            found = await (self.program(request.headers) if program else self.visitor(request))
        except (StoreDownError, StoreBrokenError):
            return True
        return found == visitor

    async def _cached(self, key: str, find: Callable[[str], Awaitable[Visitor | None]]) -> Visitor | None:
        now = time.monotonic()
        at, visitor = self._known.get(key, (0.0, None))
        if visitor and now - at < CACHED_SECONDS:
            return visitor
        found = await find(key)
        self._known.pop(key, None)
        if found:
            self._known[key] = (now, found)
            if len(self._known) > WATCHED:
                self._known.popitem(last=False)
        return found

    async def _of_session(self, key: str) -> Visitor | None:
        found = await self._people.session(key)
        if found is None:
            return None
        session, person = found
        now = self._clock()
        if person.disabled_at is not None or abs(now - session.seen) > self._idle:
            return None
        if due(session.seen, now, SEEN_EVERY):
            await self._people.session_seen(key, now)
        lang = Language(person.lang) if person.lang in list(Language) else self._lang
        return Visitor(person.name, person.role, Via.CONSOLE, lang, csrf=session.csrf, session=key)

    async def _of_token(self, key: str) -> Visitor | None:
        token: Token | None = await self._people.token(key)
        if token is None or not token.holds_at(self._clock()):
            return None
        return Visitor(token.name, token.role, Via.API, self._lang, token.numbers)


def _language(accepted: str) -> Language | None:
    first = accepted.partition(",")[0].partition(";")[0].partition("-")[0].strip().lower()
    return Language(first) if first in list(Language) else None


def same(given: str, wanted: str) -> bool:
    """Compare secrets in constant time."""
    return bool(wanted) and hmac.compare_digest(given.encode(), wanted.encode())
