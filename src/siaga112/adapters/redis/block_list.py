"""The block list in Redis: the standing of each caller of one site, which is all that a verdict needs.

    siaga112:SITE:standings:BUCKET   hash    caller → standing, for the callers in that bucket
    siaga112:SITE:rejected:CALLER    string  exists for a while after this caller was rejected
    siaga112:{SITE}:changes          stream  c (caller), s (new standing), n (a nonce): for replicas
    siaga112:{SITE}:edition          string  the database that this list belongs to, and its last change
    siaga112:{SITE}:mode             string  JSON: mode, at, by, reason of the last switch
    siaga112:{SITE}:now              string  for seconds: the snapshot that `siaga112 top` shows

None of this is the only copy. Buckets spread over the slots of a Cluster; the keys that a site has once share
a slot.

With one key per caller, Redis could expire it with the block. But then only SCAN would find all standings,
and SCAN returns the keys of every centre on that Redis; and in buckets a number takes half the memory.
"""

import asyncio
import os
from collections import defaultdict
from collections.abc import AsyncIterator, Iterable, Mapping, Sequence
from typing import Any, Final

from redis.asyncio import Redis, RedisCluster
from redis.exceptions import NoPermissionError

from siaga112.adapters.redis.connect import at_once, together
from siaga112.adapters.redis.words import mapped
from siaga112.core.caller_id import all_kept, kept
from siaga112.core.codec import (
    dump_snapshot,
    dump_standing,
    dump_switch,
    load_snapshot,
    load_standing,
    load_standings,
    load_switch,
)
from siaga112.core.mode import Switch
from siaga112.core.model import SECOND, Caller, Millis, Mode
from siaga112.core.snapshot import LIFE, Snapshot
from siaga112.core.standing import NOBODY, Standing
from siaga112.core.standing_table import SHELVES, shelf_of
from siaga112.core.text import whole
from siaga112.service.ports import Edition, FeedChanges, FeedPosition

CHANGES: Final = 10_000
"""The approximate length of the stream; a replica that missed more changes reloads everything."""

PAGE: Final = 1_000
"""Changes read at once."""

BUCKETS: Final = SHELVES
"""A million callers make about 250 per bucket, small enough for Redis's compact encoding. Reading all
buckets takes a tenth of a second even if they are empty."""

_TOGETHER: Final = 500
"""Standings written, or buckets read, in one round trip."""

_COMPARED: Final = 64
"""Buckets per round trip when many callers are looked up: parsing the answers takes some milliseconds."""

_FEW: Final = 16
"""Buckets in the first round trip, before we know how full they are."""

_CALLERS: Final = 2_000
"""Approximate number of callers read in one round trip."""

Changes = Iterable[tuple[Caller, Standing]]
Command = tuple[object, ...]


def bucket(site: str, number: int) -> str:
    """Return the key of one of the hashes with a site's standings."""
    return f"siaga112:{site}:standings:{number:03x}"


def key(site: str, caller: Caller) -> str:
    """Return the key of the hash with a caller's standing."""
    return bucket(site, shelf_of(caller))


class RedisBlockList:
    """Implements `service.ports.BlockList` on one Redis, for one site."""

    def __init__(self, client: "Redis | RedisCluster", site: str) -> None:
        self._redis: Any = client
        self._site = site

    def __repr__(self) -> str:
        return f"<RedisBlockList {self._site}>"

    def _of(self, caller: Caller) -> str:
        return key(self._site, caller)

    def _rejected(self, caller: Caller) -> str:
        return f"siaga112:{self._site}:rejected:{caller}"

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
        """Return a caller's standing; the only round trip of a verdict."""
        with mapped():
            text = await self._redis.hget(self._of(caller), caller)
            return load_standing(text) if text else NOBODY

    async def rejected_again(self, caller: Caller, within: Millis) -> bool:
        """Record that a caller is being rejected; return whether that happened within this time before."""
        with mapped():
            return await self._redis.set(self._rejected(caller), "1", px=within, nx=True) is None

    async def forget(self, caller: Caller) -> None:
        """Delete what is stored about a caller beside the standing."""
        with mapped():
            await self._redis.delete(self._rejected(caller))

    # ── publishing ───────────────────────────────────────────────────────────────────────────────

    async def server(self) -> str:
        """Return the run id of the Redis that answers, or of all masters; '' if we may not ask."""
        everywhere = {"target_nodes": RedisCluster.PRIMARIES} if isinstance(self._redis, RedisCluster) else {}
        with mapped():
            try:
                told = await self._redis.info("server", **everywhere)
            except NoPermissionError:  # a fail-over is then seen by the edition alone
                return ""
            return " ".join(sorted(one["run_id"] for one in (told.values() if everywhere else (told,))))

    async def edition(self) -> Edition | None:
        """Return the edition of this block list; None if the list is incomplete."""
        with mapped():
            text = await self._redis.get(self._once("edition"))
            epoch, _, count = (text or b"").decode("ascii", "replace").partition(" ")
            changes = whole(count)
            return None if changes is None else Edition(epoch, changes)

    async def publish(self, changes: Sequence[tuple[Caller, Standing]], edition: Edition) -> None:
        """Write standings, announce them to replicas, and record the edition that they complete."""
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
        """Write standings without announcing them, while the list is being rebuilt."""
        held: dict[int, list[str]] = defaultdict(list)
        gone: dict[int, list[str]] = defaultdict(list)
        for nth, (caller, standing) in enumerate(standings):
            if standing.level is None and standing == NOBODY:
                gone[shelf_of(caller)].append(caller)
            else:
                held[shelf_of(caller)] += caller, dump_standing(standing)
            if nth % PAGE == 0:
                await asyncio.sleep(0)  # let verdicts run
        await self._send(("HDEL", bucket(self._site, number), *callers) for number, callers in gone.items())
        await self._send(("HSET", bucket(self._site, number), *fields) for number, fields in held.items())

    async def begin(self) -> None:
        """Mark the list as incomplete."""
        with mapped():
            await self._redis.delete(self._once("edition"))

    async def finish(self, edition: Edition) -> None:
        """Mark the list as complete, and make replicas reload everything."""
        feed = self._once("changes")
        await self._send([("DEL", feed), ("XADD", feed, "*", "n", _nonce()), self._finished(edition)])

    async def standings_of(self, callers: Sequence[Caller]) -> Sequence[Standing]:
        """Return the standings of these callers; the empty one for a value that cannot be read."""
        buckets: dict[str, list[Caller]] = defaultdict(list)
        for nth, caller in enumerate(callers):
            buckets[self._of(caller)].append(caller)
            if nth % PAGE == 0:
                await asyncio.sleep(0)  # let verdicts run
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
        """Yield the callers with a standing here, in pages; some may appear twice."""
        async for pages in self._read("HKEYS"):
            yield [caller for page in pages for caller in all_kept(page) if caller]

    async def count(self) -> int:
        """Return the number of callers with a standing here."""
        asked = [("HLEN", bucket(self._site, number)) for number in range(BUCKETS)]
        return sum(n or 0 for n in await self._ask(asked))

    def _finished(self, edition: Edition) -> Command:
        return ("SET", self._once("edition"), f"{edition.epoch} {edition.changes}")

    def _put(self, caller: Caller, standing: Standing) -> Command:
        if standing == NOBODY:
            return ("HDEL", self._of(caller), caller)
        return ("HSET", self._of(caller), caller, dump_standing(standing))

    async def _send(self, commands: Iterable[Command]) -> None:
        """Send commands, many per round trip; raise the first error among their answers."""
        waiting = list(commands)
        for first in range(0, len(waiting), _TOGETHER):
            with mapped():
                for answer in await together(self._redis, waiting[first : first + _TOGETHER]):
                    if isinstance(answer, Exception):
                        raise answer

    # ── the feed ─────────────────────────────────────────────────────────────────────────────────

    async def last_change(self) -> FeedPosition | None:
        """Return the position of the last change, to follow from; None while the list is incomplete."""
        if await self.edition() is None:
            return None
        with mapped():
            last = await self._redis.xrevrange(self._once("changes"), count=1)
            return _place(*last[0]) if last else None

    async def standings(self) -> AsyncIterator[Sequence[tuple[Caller, Standing]]]:
        """Yield all standings in pages."""
        async for pages in self._read("HGETALL"):
            yield [one for page in pages for one in _held(page)]

    async def _read(self, question: str) -> AsyncIterator[Sequence[Any]]:
        """Read all buckets, many per round trip; skip keys of another type.

        A round trip covers a few thousand callers at most, since the process that reads them also gives
        verdicts.
        """
        first, some = 0, _FEW
        while first < BUCKETS:
            asked = [(question, bucket(self._site, n)) for n in range(first, min(first + some, BUCKETS))]
            found = [answer for answer in await self._ask(asked) if answer is not None]
            yield found
            first += some
            some = max(1, min(_TOGETHER, some * _CALLERS // max(1, sum(map(len, found)))))

    async def _ask(self, questions: Sequence[Command]) -> list[Any]:
        """Query buckets; the answer is None for a key of another type. Any other error is raised."""
        with mapped():
            answers = await at_once(self._redis, questions)
            for answer in answers:
                if isinstance(answer, Exception) and not str(answer).startswith("WRONGTYPE"):
                    raise answer
        return [None if isinstance(answer, Exception) else answer for answer in answers]

    async def wait(self, place: FeedPosition, seconds: float) -> None:
        """Wait until there is a change after that position, or for `seconds`."""
        with mapped():
            await self._redis.xread({self._once("changes"): place.id}, count=1, block=int(seconds * SECOND))

    async def changes(self, place: FeedPosition) -> FeedChanges | None:
        """Return the changes after `place`; None if that entry is gone, since changes may be missing."""
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
        except (KeyError, ValueError):  # a foreign entry: the change it replaced may be missing
            return None
        return FeedChanges(_place(*found[-1]), changes)

    # ── the site ─────────────────────────────────────────────────────────────────────────────────

    async def switched(self) -> Switch | None:
        """Return the last switch of the site's mode; None if nobody has switched it."""
        with mapped():
            text = await self._redis.get(self._once("mode"))
            return load_switch(text) if text else None

    async def switch(self, switch: Switch, instead_of: Mode) -> bool:
        """Store the site's mode; return False and do nothing if a later switch is already stored."""
        del instead_of  # the audit trail is elsewhere
        told = await self.switched()
        if told and told.at > switch.at:
            return False
        with mapped():
            await self._redis.set(self._once("mode"), dump_switch(switch))
        return True

    async def put_snapshot(self, snapshot: Snapshot) -> None:
        """Replace the snapshot of the current calls."""
        with mapped():
            await self._redis.set(self._once("now"), dump_snapshot(snapshot), px=LIFE)

    async def snapshot(self) -> Snapshot | None:
        """Return the snapshot of the current calls; None if there is none."""
        with mapped():
            text = await self._redis.get(self._once("now"))
            return load_snapshot(text) if text else None


def _nonce() -> str:
    """Return a nonce that tells two changes with the same id apart, if Redis lost its last second."""
    return os.urandom(4).hex()


def _place(id_: bytes, fields: Mapping[bytes, bytes]) -> FeedPosition:
    return FeedPosition(id_.decode(), fields.get(b"n", b"").decode("ascii", "replace"))


def _held(found: Any) -> list[tuple[Caller, Standing]]:
    """Parse the answer to HGETALL: a mapping or, from a pipeline, a flat list."""
    names, texts = (
        (list(found), list(found.values())) if isinstance(found, dict) else (found[::2], found[1::2])
    )
    try:
        standings = load_standings(texts)
    except ValueError:
        standings = [_readable(text) for text in texts]
    return [
        (caller, standing)
        for caller, standing in zip(all_kept(names), standings, strict=True)
        if caller is not None
    ]


def _readable(text: object) -> Standing:
    """Parse a standing; one that cannot be read blocks nobody."""
    try:
        return load_standing(text) if isinstance(text, bytes) else NOBODY
    except ValueError:
        return NOBODY
