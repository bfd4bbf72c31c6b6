"""The block list in Redis: what a verdict needs of each caller, for one site.

    siaga112:SITE:standings:BUCKET   hash    caller → standing, of those whose number falls into that bucket
    siaga112:SITE:away:CALLER        string  while somebody who was just turned away may call again
    siaga112:{SITE}:changes          stream  c (caller), s (new standing), n (a nonce): for replicas
    siaga112:{SITE}:edition          string  of which database this is the block list, and as of what change
    siaga112:{SITE}:mode             string  JSON: mode, at, by, reason of the last switch
    siaga112:{SITE}:now              string  for seconds: the snapshot that `siaga112 top` shows

Nothing of it is the only copy. Buckets lie on any slot of a Cluster; what there is once a site lies on one.

A key a caller would let Redis end it with the block. But then all standings are found by SCAN alone, which
shows the keys of every centre on that Redis to each of them; and in buckets a number takes half the memory.
"""

import asyncio
import os
from collections import defaultdict
from collections.abc import AsyncIterator, Iterable, Mapping, Sequence
from typing import Any, Final
from zlib import crc32

from redis.asyncio import Redis, RedisCluster

from siaga112.adapters.redis.connect import at_once, together
from siaga112.adapters.redis.words import mapped
from siaga112.core.caller_id import kept
from siaga112.core.codec import (
    dump_snapshot,
    dump_standing,
    dump_switch,
    load_snapshot,
    load_standing,
    load_switch,
)
from siaga112.core.mode import Switch
from siaga112.core.model import SECOND, Caller, Millis, Mode
from siaga112.core.snapshot import LIFE, Snapshot
from siaga112.core.standing import NOBODY, Standing
from siaga112.core.text import whole
from siaga112.service.ports import Edition, FeedChanges, FeedPosition

CHANGES: Final = 10_000
"""How many changes of standings the stream keeps, about: a replica that missed more reads all anew."""

PAGE: Final = 1_000
"""How many changes are read at once."""

BUCKETS: Final = 4_096
"""A million callers are some 250 in each, which Redis keeps in one piece; and all are read in a tenth of a
second, however few there are."""

_TOGETHER: Final = 500
"""How many standings are written, or buckets read, in one trip."""

_COMPARED: Final = 64
"""Buckets of which many callers are asked about at once: to read their answers takes some milliseconds."""

_FEW: Final = 16
"""How many are read first, when it is not known yet how much is in them."""

_CALLERS: Final = 4_000
"""About how many callers are read in one trip."""

Changes = Iterable[tuple[Caller, Standing]]
Command = tuple[object, ...]


def bucket(site: str, number: int) -> str:
    """Name one of the hashes in which a site's standings lie."""
    return f"siaga112:{site}:standings:{number:03x}"


def key(site: str, caller: Caller) -> str:
    """Name the one in which a caller's lies."""
    return bucket(site, crc32(caller.encode()) % BUCKETS)


class RedisBlockList:
    """`service.ports.BlockList` on one Redis, for one site."""

    def __init__(self, client: "Redis | RedisCluster", site: str) -> None:
        self._redis: Any = client
        self._site = site

    def __repr__(self) -> str:
        return f"<RedisBlockList {self._site}>"

    def _of(self, caller: Caller) -> str:
        return key(self._site, caller)

    def _away(self, caller: Caller) -> str:
        return f"siaga112:{self._site}:away:{caller}"

    def _once(self, name: str) -> str:
        return f"siaga112:{{{self._site}}}:{name}"

    async def ping(self) -> None:
        """Return if Redis answers and takes commands."""
        with mapped():
            await self._redis.ping()

    async def close(self) -> None:
        """Close the connections."""
        await self._redis.aclose()

    # ── verdicts ─────────────────────────────────────────────────────────────────────────────────

    async def standing(self, caller: Caller) -> Standing:
        """Give a caller's standing: the one round trip of a verdict."""
        with mapped():
            text = await self._redis.hget(self._of(caller), caller)
            return load_standing(text) if text else NOBODY

    async def turned_away(self, caller: Caller, within: Millis) -> bool:
        """Note that a caller is being turned away; say whether that happened within this time already."""
        with mapped():
            return await self._redis.set(self._away(caller), "1", px=within, nx=True) is None

    async def forget(self, caller: Caller) -> None:
        """Keep nothing that was noted beside a caller's standing."""
        with mapped():
            await self._redis.delete(self._away(caller))

    # ── publishing ───────────────────────────────────────────────────────────────────────────────

    async def edition(self) -> Edition | None:
        """Say of what this is the block list; None if it is not whole."""
        with mapped():
            text = await self._redis.get(self._once("edition"))
            epoch, _, count = (text or b"").decode("ascii", "replace").partition(" ")
            changes = whole(count)
            return None if changes is None else Edition(epoch, changes)

    async def publish(self, changes: Sequence[tuple[Caller, Standing]], edition: Edition) -> None:
        """Put standings in place of those that were, tell who follows, and say as of what it is whole."""
        await self._send(self._put(*one) for one in changes)
        feed = self._once("changes")
        told: list[Command] = [
            (
                *("XADD", feed, "MAXLEN", "~", CHANGES, "*"),
                *("c", caller, "s", dump_standing(standing), "n", _nonce()),
            )
            for caller, standing in changes
        ]
        await self._send(told)
        found = await self.edition()  # another process may have published more meanwhile
        if found is None or found.epoch != edition.epoch or found.changes < edition.changes:
            await self._send([self._finished(edition)])

    async def put(self, standings: Changes) -> None:
        """Put standings in place of those that were, and tell nobody: the list is being made anew."""
        held: dict[str, list[str]] = defaultdict(list)
        gone: dict[str, list[str]] = defaultdict(list)
        for nth, (caller, standing) in enumerate(standings):
            if standing == NOBODY:
                gone[self._of(caller)].append(caller)
            else:
                held[self._of(caller)] += caller, dump_standing(standing)
            if nth % PAGE == 0:
                await asyncio.sleep(0)  # verdicts come first
        await self._send(("HDEL", name, *callers) for name, callers in gone.items())
        await self._send(("HSET", name, *fields) for name, fields in held.items())

    async def begin(self) -> None:
        """Say that the list is not whole from now on."""
        with mapped():
            await self._redis.delete(self._once("edition"))

    async def finish(self, edition: Edition) -> None:
        """Say that it is whole: those who follow read all anew."""
        feed = self._once("changes")
        await self._send([("DEL", feed), ("XADD", feed, "*", "n", _nonce()), self._finished(edition)])

    async def standings_of(self, callers: Sequence[Caller]) -> Sequence[Standing]:
        """Give the standings of these callers; nobody's for what is none of ours."""
        buckets: dict[str, list[Caller]] = defaultdict(list)
        for nth, caller in enumerate(callers):
            buckets[self._of(caller)].append(caller)
            if nth % PAGE == 0:
                await asyncio.sleep(0)  # verdicts come first
        found: dict[Caller, Standing] = {}
        asked = list(buckets.items())
        for first in range(0, len(asked), _COMPARED):
            some = asked[first : first + _COMPARED]
            answers = await self._ask([("HMGET", name, *whose) for name, whose in some])
            for (_, whose), answer in zip(some, answers, strict=True):
                if answer is not None:
                    found.update(zip(whose, map(_readable, answer), strict=True))
        return [found.get(caller, NOBODY) for caller in callers]

    async def callers(self) -> AsyncIterator[Sequence[Caller]]:
        """Give in pages who has a standing here, some maybe twice."""
        async for pages in self._read("HKEYS"):
            yield [caller for page in pages for caller in map(kept, page) if caller]

    async def count(self) -> int:
        """Say on how many callers there is a standing here."""
        asked = [("HLEN", bucket(self._site, number)) for number in range(BUCKETS)]
        return sum(n or 0 for n in await self._ask(asked))

    def _finished(self, edition: Edition) -> Command:
        return ("SET", self._once("edition"), f"{edition.epoch} {edition.changes}")

    def _put(self, caller: Caller, standing: Standing) -> Command:
        if standing == NOBODY:
            return ("HDEL", self._of(caller), caller)
        return ("HSET", self._of(caller), caller, dump_standing(standing))

    async def _send(self, commands: Iterable[Command]) -> None:
        """Send commands, many in one trip; the first that is refused is the error of all."""
        waiting = list(commands)
        for first in range(0, len(waiting), _TOGETHER):
            with mapped():
                for answer in await together(self._redis, waiting[first : first + _TOGETHER]):
                    if isinstance(answer, Exception):
                        raise answer

    # ── the feed ─────────────────────────────────────────────────────────────────────────────────

    async def last_change(self) -> FeedPosition | None:
        """Give the place of the last change, to follow from; None while the list is not whole."""
        if await self.edition() is None:
            return None
        with mapped():
            last = await self._redis.xrevrange(self._once("changes"), count=1)
            return _place(*last[0]) if last else None

    async def standings(self) -> AsyncIterator[Sequence[tuple[Caller, Standing]]]:
        """Give them in pages."""
        async for pages in self._read("HGETALL"):
            yield [
                (caller, _readable(text))
                for page in pages
                for name, text in _pairs(page)
                if (caller := kept(name))
            ]

    async def _read(self, question: str) -> AsyncIterator[Sequence[Any]]:
        """Ask all buckets, many at once; what is none of ours has nothing in it.

        As many as have some thousands of callers: whoever reads them gives verdicts too.
        """
        first, some = 0, _FEW
        while first < BUCKETS:
            asked = [(question, bucket(self._site, n)) for n in range(first, min(first + some, BUCKETS))]
            found = [answer for answer in await self._ask(asked) if answer is not None]
            yield found
            first += some
            some = max(1, min(_TOGETHER, some * _CALLERS // max(1, sum(map(len, found)))))

    async def _ask(self, questions: Sequence[Command]) -> list[Any]:
        """Ask about buckets; None for one that is none of ours. What may not be asked is an error."""
        with mapped():
            answers = await at_once(self._redis, questions)
            for answer in answers:
                if isinstance(answer, Exception) and not str(answer).startswith("WRONGTYPE"):
                    raise answer
        return [None if isinstance(answer, Exception) else answer for answer in answers]

    async def wait(self, place: FeedPosition, seconds: float) -> None:
        """Let Redis answer when there is something after that place."""
        with mapped():
            await self._redis.xread({self._once("changes"): place.id}, count=1, block=int(seconds * SECOND))

    async def changes(self, place: FeedPosition) -> FeedChanges | None:
        """Give what came after our own last one, which must still be there: else some may be missed."""
        with mapped():
            found = await self._redis.xrange(self._once("changes"), min=place.id, count=PAGE)
        if not found or _place(*found[0]) != place:
            return None
        try:
            changes = [
                (caller, load_standing(fields[b"s"]))
                for _, fields in found[1:]
                if b"c" in fields and (caller := kept(fields[b"c"]))
            ]
        except (KeyError, ValueError):  # not an entry of ours: what it stands for may be missed
            return None
        return FeedChanges(_place(*found[-1]), changes)

    # ── the site ─────────────────────────────────────────────────────────────────────────────────

    async def switched(self) -> Switch | None:
        """Give the site's mode, if anybody has switched it."""
        with mapped():
            text = await self._redis.get(self._once("mode"))
            return load_switch(text) if text else None

    async def switch(self, switch: Switch, instead_of: Mode) -> bool:
        """Tell the site's mode; False, and nothing done, if one of later than that is told already."""
        del instead_of  # there is no trail here
        told = await self.switched()
        if told and told.at > switch.at:
            return False
        with mapped():
            await self._redis.set(self._once("mode"), dump_switch(switch))
        return True

    async def put_snapshot(self, snapshot: Snapshot) -> None:
        """Show what goes on now, in place of what was."""
        with mapped():
            await self._redis.set(self._once("now"), dump_snapshot(snapshot), px=LIFE)

    async def snapshot(self) -> Snapshot | None:
        """Give what goes on now."""
        with mapped():
            text = await self._redis.get(self._once("now"))
            return load_snapshot(text) if text else None


def _nonce() -> str:
    """Make what tells a change from another that has its id, in a Redis that lost its last second."""
    return os.urandom(4).hex()


def _place(id_: bytes, fields: Mapping[bytes, bytes]) -> FeedPosition:
    return FeedPosition(id_.decode(), fields.get(b"n", b"").decode("ascii", "replace"))


def _pairs(found: Any) -> Iterable[tuple[bytes, bytes]]:
    """Pair what HGETALL gives: a mapping or, where the driver leaves that to us, one after the other."""
    return found.items() if isinstance(found, dict) else zip(found[::2], found[1::2], strict=True)


def _readable(text: object) -> Standing:
    """Read a standing; of one that cannot be read nobody is turned away."""
    try:
        return load_standing(text) if isinstance(text, bytes) else NOBODY
    except ValueError:
        return NOBODY
