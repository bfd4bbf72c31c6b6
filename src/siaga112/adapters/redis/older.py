"""Data that siaga112 before 0.1.0 kept in Redis, which then held the whole site: read it, then delete it.

    siaga112:{SITE}:caller:CALLER   hash    doc (the caller's record), and values derived from it
    siaga112:{SITE}:calls:DAY       hash    call id → entry of the ledger
    siaga112:{SITE}:forgotten:MARK  hash    at, v (version): a caller with that mark was erased
    siaga112:{SITE}:audit           zset    line of the audit trail → its time
    siaga112:{SITE}:tallies         hash    counts over all processes
    siaga112:{SITE}:carried         string  our own: when the data was last carried over

`mode`, `changes` and `now` are still in use and stay. All other keys were derived from these.
"""

import re
from collections.abc import AsyncIterator, Iterator, Mapping, Sequence
from datetime import UTC, datetime
from enum import StrEnum
from typing import Any, Final, NamedTuple

from redis.asyncio import Redis, RedisCluster
from redis.exceptions import NoPermissionError, ResponseError

from siaga112.adapters.redis.connect import at_once, together
from siaga112.adapters.redis.words import mapped
from siaga112.core.codec import load_switch
from siaga112.core.mode import Switch
from siaga112.core.model import DAY, SECOND, Millis
from siaga112.core.text import whole
from siaga112.service.ports import StoreBrokenError
from siaga112.words import say

PAGE: Final = 200
"""Callers, calls or lines read at once."""

SCANNED: Final = 1_000
SECONDS: Final = 60.0
"""The longest that an answer may take; one answer is a whole day of a large centre's calls."""

_LISTS: Final = (
    "blocks",
    "warned",
    "missed",
    "changed",
    "allowed",
    "proposed",
    "imposed",
    "imposed_permanent",
)
"""Keys derived from the records."""

_NOT_ALLOWED: Final = say(
    "Redis: its user may not look for what an older siaga112 kept; for this once, there: redis-cli ACL "
    "SETUSER NAME +scan +zrange +zrem (afterwards: ACL LOAD)"
)
_AUDIT, _TALLIES, _MISDATED = "audit", "tallies", "misdated"
_CARRIED: Final = "carried"
_KEY: Final = re.compile(r"(caller|calls|forgotten):(.+?)(:calls|:away)?")


class Kind(StrEnum):
    """The kind of object that a text encodes."""

    CALLER = "caller"
    CALL = "call"
    LINE = "line"


class Held(NamedTuple):
    """A text in Redis, under a key and, in a hash, a field; `name` identifies the object it encodes."""

    kind: Kind
    key: str
    name: str
    text: bytes

    @property
    def place(self) -> str:
        """Where the text is in Redis."""
        return f"{self.key} {self.name}" if self.kind is Kind.CALL else self.key


class Keys(NamedTuple):
    """The keys of callers, of days, and of the marks of erased callers."""

    callers: Sequence[str]
    days: Sequence[str]
    erased: Sequence[str]
    more: Sequence[str]
    """Keys derived from those."""


class OlderRedis:
    """The data of one site in its Redis."""

    def __init__(self, client: "Redis | RedisCluster", site: str) -> None:
        self._redis: Any = client
        self._site = site

    def __repr__(self) -> str:
        return f"<OlderRedis {self._site}>"

    def _name(self, *parts: str) -> str:
        return ":".join((f"siaga112:{{{self._site}}}", *parts))

    async def close(self) -> None:
        """Close the connections."""
        await self._redis.aclose()

    async def there(self, now: Millis, keep: Millis) -> bool:
        """Return whether there is any such data, without reading it. `keep`: how far back the ledger goes.

        It uses only a command that today's Redis user may run; a WRONGTYPE error also proves that the key
        exists.
        """
        names = [_AUDIT, _TALLIES, *_LISTS, *(f"calls:{day}" for day in _days(now - keep - DAY, now + DAY))]
        with mapped():
            answers = await at_once(self._redis, [("HLEN", self._name(name)) for name in names])
            for answer in answers:
                if isinstance(answer, Exception) and not _other_kind(answer):
                    raise answer
        return any(answers)

    async def carried(self) -> Millis | None:
        """Return when the data was last carried over; None for never."""
        with mapped():
            return whole((await self._redis.get(self._name(_CARRIED)) or b"").decode("ascii", "replace"))

    async def note_carried(self, at: Millis) -> None:
        """Record that the data was carried over, for processes that cannot ask the database."""
        with mapped():
            await self._redis.set(self._name(_CARRIED), at)

    # ── reading ──────────────────────────────────────────────────────────────────────────────────

    async def keys(self) -> Keys:
        """Return all keys of the data.

        Raises:
            StoreBrokenError: if the Redis user may not scan for them.

        """
        found: dict[str, set[str]] = {"caller": set(), "calls": set(), "forgotten": set(), "": set()}
        head = self._name("")
        with mapped():
            try:
                async for key in self._redis.scan_iter(match=f"{head}*", count=SCANNED):
                    name = key.decode("utf-8", "replace")
                    if parts := _KEY.fullmatch(name.removeprefix(head)):
                        found["" if parts[3] else parts[1]].add(name)
            except NoPermissionError as error:
                raise StoreBrokenError(_NOT_ALLOWED) from error
        return Keys(*(sorted(found[name]) for name in ("caller", "calls", "forgotten", "")))

    async def callers(self, keys: Keys) -> AsyncIterator[Sequence[Held]]:
        """Yield the callers' records, in pages."""
        head = self._name("caller", "")
        for names in _pages(keys.callers):
            with mapped():
                docs = await together(self._redis, [("HGET", name, "doc") for name in names])
            yield [
                Held(Kind.CALLER, name, name.removeprefix(head), _text(doc))
                for name, doc in zip(names, docs, strict=True)
                if doc is not None
            ]

    async def calls(self, keys: Keys) -> AsyncIterator[Sequence[Held]]:
        """Yield the entries of the ledger, in pages, day by day."""
        for name in keys.days:
            with mapped():
                (found,) = await together(self._redis, [("HGETALL", name)])
            if isinstance(found, Exception):
                yield [Held(Kind.CALL, name, "", b"")]
                continue
            rows = found.items() if isinstance(found, dict) else zip(found[::2], found[1::2], strict=True)
            for page in _pages([(call.decode("utf-8", "replace"), row) for call, row in rows]):
                yield [Held(Kind.CALL, name, call, row) for call, row in page]

    async def lines(self) -> AsyncIterator[Sequence[Held]]:
        """Yield the lines of the audit trail, oldest first, in pages."""
        name, first, page = self._name(_AUDIT), 0, [b""] * PAGE
        while len(page) == PAGE:
            with mapped():
                page = await self._redis.zrange(name, first, first + PAGE - 1)
            yield [Held(Kind.LINE, name, "", line) for line in page]
            first += PAGE

    async def erased(self, keys: Keys) -> Mapping[str, tuple[Millis, int]]:
        """Return the erased callers: mark → time of erasure, and the version that a new record starts at."""
        found = {}
        for names in _pages(keys.erased):
            with mapped():
                answers = await together(self._redis, [("HMGET", name, "at", "v") for name in names])
            for name, answer in zip(names, answers, strict=True):
                at, version = map(_whole, answer) if isinstance(answer, list) else (None, None)
                if at is not None:
                    found[name.rpartition(":")[2]] = at, version or 0
        return found

    async def tallies(self) -> Mapping[str, int]:
        """Return the counts over all processes."""
        with mapped():
            found = await self._redis.hgetall(self._name(_TALLIES))
        return {name.decode("utf-8", "replace"): count for name, n in found.items() if (count := _whole(n))}

    async def switched(self) -> Switch | None:
        """Return the last switch of the mode; None if there is none or it cannot be read."""
        with mapped():
            text = await self._redis.get(self._name("mode"))
        try:
            return load_switch(text) if text else None
        except ValueError:
            return None

    # ── deleting ─────────────────────────────────────────────────────────────────────────────────

    async def take_away(self, keys: Keys, unreadable: Sequence[Held]) -> None:
        """Delete all of the data except what cannot be read."""
        kept = {held.key for held in unreadable}
        rows = {(held.key, held.name) for held in unreadable}
        gone = [*keys.callers, *keys.days, *keys.erased, *keys.more]
        gone += [self._name(name) for name in (*_LISTS, _AUDIT, _TALLIES, _MISDATED)]
        if not kept:
            gone.append(self._name(_CARRIED))
        commands: list[tuple[object, ...]] = [("DEL", name) for name in gone if name not in kept]
        for day in kept & {*keys.days}:
            with mapped():
                (found,) = await together(self._redis, [("HKEYS", day)])
            if isinstance(found, list):
                calls = [call for call in found if (day, call.decode("utf-8", "replace")) not in rows]
                commands += [("HDEL", day, *some) for some in _pages(calls)]
        if (audit := self._name(_AUDIT)) in kept:
            torn = {held.text for held in unreadable}
            async for lines in self.lines():
                commands += [("ZREM", audit, line.text) for line in lines if line.text not in torn]
        for page in _pages(commands):
            with mapped():
                for answer in await together(self._redis, page):
                    if isinstance(answer, Exception):
                        raise answer


def _pages(all_of_them: Sequence[Any]) -> Iterator[Sequence[Any]]:
    return (all_of_them[first : first + PAGE] for first in range(0, len(all_of_them), PAGE))


def _days(since: Millis, until: Millis) -> Iterator[str]:
    for day in range(max(0, since) // DAY, until // DAY + 1):
        yield f"{datetime.fromtimestamp(day * DAY / SECOND, UTC):%Y-%m-%d}"


def _text(answer: object) -> bytes:
    """Return the text; an empty one, which cannot be read, for any other answer."""
    return answer if isinstance(answer, bytes) else b""


def _whole(answer: bytes | None) -> int | None:
    return whole((answer or b"").decode("ascii", "replace"))


def _other_kind(answer: Exception) -> bool:
    return isinstance(answer, ResponseError) and str(answer).startswith("WRONGTYPE")
