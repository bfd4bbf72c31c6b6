"""The store in Redis.

Layout, made for Redis Cluster: all that is held on one caller is one hash under one key, so a
strike and the block that it leads to are replaced together or not at all.

    siaga112:{SITE:CALLER}        hash  v (version), doc (record), standing (what a verdict needs)
    siaga112:{SITE:CALLER}:calls  zset  call id → start, of the caller's rows in the ledger
    siaga112:{SITE:CALLER}:away   string, while somebody who was just turned away may call again
    siaga112:SITE:calls:DAY       hash  call id → ledger row (DAY in UTC; expires as a whole)
    siaga112:SITE:blocks          zset  caller → end of the block in ms, +inf for permanent
    siaga112:SITE:changed         zset  caller → when a block of theirs last began or was lifted
    siaga112:SITE:missed          zset  caller → the oldest call that nobody has answered
    siaga112:SITE:allowed         set   callers
    siaga112:SITE:proposed        set   callers whose block waits for a supervisor
    siaga112:SITE:imposed         zset  call → time of the automatic block of the last hour that it led to
    siaga112:SITE:audit           zset  line of the audit trail → its time
    siaga112:SITE:tallies         hash  what is counted over all processes
    siaga112:SITE:mode            string
    siaga112:SITE:now             string, for seconds: the snapshot that `siaga112 top` shows

The lists are indexes: the records are the truth, and a reader checks each against its record.
"""

import asyncio
import re
from collections.abc import AsyncIterator, Callable, Collection, Iterator, Mapping, Sequence
from contextlib import contextmanager
from datetime import UTC, datetime
from itertools import count
from typing import Any, Final, TypeVar

from redis.asyncio import Redis, RedisCluster
from redis.exceptions import ClusterError, ReadOnlyError, RedisClusterException, RedisError
from redis.exceptions import ConnectionError as RedisConnectionError
from redis.exceptions import TimeoutError as RedisTimeoutError

from siaga112.core.codec import (
    dump_deed,
    dump_entry,
    dump_record,
    dump_snapshot,
    dump_standing,
    load_blocks,
    load_deed,
    load_entry,
    load_record,
    load_row,
    load_snapshot,
    load_standing,
)
from siaga112.core.figures import Row
from siaga112.core.model import (
    DAY,
    SECOND,
    Block,
    Caller,
    CallerRecord,
    CallId,
    Deed,
    Entry,
    Level,
    Millis,
    Mode,
)
from siaga112.core.policy import NOBODY, Standing
from siaga112.core.snapshot import LIFE, Snapshot
from siaga112.service.ports import StoreBrokenError, StoreDownError

_T = TypeVar("_T")

_TOGETHER: Final = 500
"""How many records are asked for in one trip."""

PAGE: Final = 1_000
"""How many callers a look through the lists takes at once."""

_UNIQUEID: Final = re.compile(r"(?:.*-)?([0-9]{1,11})\.[0-9]+")
"""As Asterisk writes it: the system's name, if it has one, the second, a number."""

_SAVE: Final = """
if (redis.call('HGET', KEYS[1], 'v') or '0') ~= ARGV[1] then return 0 end
redis.call('HSET', KEYS[1], 'v', tonumber(ARGV[1]) + 1, 'doc', ARGV[2], 'standing', ARGV[3])
if ARGV[4] == '' then redis.call('PERSIST', KEYS[1]) else redis.call('PEXPIREAT', KEYS[1], ARGV[4]) end
return 1
"""


_RESERVE: Final = """
redis.call('ZREMRANGEBYSCORE', KEYS[1], '-inf', ARGV[2] - 3600000)
if redis.call('ZSCORE', KEYS[1], ARGV[1]) then return 1 end
if redis.call('ZCARD', KEYS[1]) >= tonumber(ARGV[3]) then return 0 end
redis.call('ZADD', KEYS[1], ARGV[2], ARGV[1])
return 1
"""

_DOWN: Final = (
    RedisConnectionError,
    RedisTimeoutError,
    OSError,
    asyncio.IncompleteReadError,
    # A fail-over that is not over yet: the old master is a replica now, or the cluster lacks one.
    ReadOnlyError,
    ClusterError,
    RedisClusterException,
)


@contextmanager
def _mapped() -> Any:
    """Map Redis's errors to ours, once."""
    try:
        yield
    except _DOWN as error:
        raise StoreDownError(f"Redis: {error}") from error
    except (RedisError, ValueError) as error:
        down = str(error).startswith("NOREPLICAS")  # the driver has no class for it
        raise (StoreDownError if down else StoreBrokenError)(f"Redis: {error}") from error


class RedisStore:
    """`service.ports.Store` on one Redis, for one site."""

    def __init__(
        self,
        client: "Redis | RedisCluster",
        site: str,
        keep_calls: Millis,
        keep_audit: Millis = 400 * DAY,
    ) -> None:
        self._redis: Any = client
        self._site = site
        self._keep_calls = keep_calls
        self._keep_audit = keep_audit

    def __repr__(self) -> str:
        return f"<RedisStore {self._site}>"

    def _caller_key(self, caller: Caller) -> str:
        return f"siaga112:{{{self._site}:{caller}}}"

    def _key(self, *parts: str) -> str:
        return ":".join(("siaga112", self._site, *parts))

    def _day_key(self, at: Millis) -> str:
        return self._key("calls", f"{datetime.fromtimestamp(at / SECOND, UTC):%Y-%m-%d}")

    async def ping(self) -> None:
        """Return if Redis answers and takes commands."""
        with _mapped():
            await self._redis.ping()

    async def close(self) -> None:
        """Close the connections."""
        await self._redis.aclose()

    # ── callers ──────────────────────────────────────────────────────────────────────────────────

    async def standing(self, caller: Caller) -> Standing:
        """Give a caller's standing: the one round trip of a verdict."""
        with _mapped():
            text = await self._redis.hget(self._caller_key(caller), "standing")
            return load_standing(text) if text else NOBODY

    async def load(self, caller: Caller) -> tuple[CallerRecord, int]:
        """Give a caller's record and its version."""
        with _mapped():
            version, doc = await self._redis.hmget(self._caller_key(caller), "v", "doc")
            return (load_record(doc), int(version)) if doc else (CallerRecord(caller), 0)

    async def save(self, record: CallerRecord, held: Standing, version: int, expires: Millis | None) -> bool:
        """Replace the record if nobody else did."""
        with _mapped():
            args = (version, dump_record(record), dump_standing(held), "" if expires is None else expires)
            # EVAL, not EVALSHA: it knows the script on every server, also on one that has just become master.
            return bool(await self._redis.eval(_SAVE, 1, self._caller_key(record.caller), *args))

    async def index(self, record: CallerRecord, held: Standing) -> None:
        """Bring the lists into line with the record."""
        with _mapped():
            caller = record.caller
            trip = self._redis.pipeline(transaction=False)
            if held.level:
                trip.zadd(self._key("blocks"), {caller: held.until or "+inf"})
            else:
                trip.zrem(self._key("blocks"), caller)
            if record.missed:
                trip.zadd(self._key("missed"), {caller: record.missed[0].at})
            else:
                trip.zrem(self._key("missed"), caller)
            if changed := record.blocks_changed:
                trip.zadd(self._key("changed"), {caller: changed})
                trip.zremrangebyscore(self._key("changed"), "-inf", changed - self._keep_calls)
            else:
                trip.zrem(self._key("changed"), caller)
            for name, listed in (("allowed", record.allow), ("proposed", record.proposed)):
                (trip.sadd if listed else trip.srem)(self._key(name), caller)
            await trip.execute()

    async def blocked(self, now: Millis) -> Sequence[CallerRecord]:
        """Give the records of all callers with a block in force."""
        with _mapped():
            await self._redis.zremrangebyscore(self._key("blocks"), "-inf", now)
            callers = await self._redis.zrange(self._key("blocks"), 0, -1)
        return [record for record in await self._records(callers) if record.block_at(now)]

    async def block_counts(self, now: Millis) -> Mapping[Level, int]:
        """Count the blocks in force from the list alone: two counts, however many blocks."""
        with _mapped():
            key = self._key("blocks")
            temporary = await self._redis.zcount(key, f"({now}", "(+inf")
            permanent = await self._redis.zcount(key, "+inf", "+inf")
            return {Level.TEMPORARY: temporary, Level.PERMANENT: permanent}

    async def allowed(self) -> Sequence[CallerRecord]:
        """Give the records of all callers on the allow list."""
        with _mapped():
            callers = await self._redis.smembers(self._key("allowed"))
        return [record for record in await self._records(sorted(callers)) if record.allow]

    async def proposed(self) -> Sequence[CallerRecord]:
        """Give the records of all callers whose block waits for a supervisor."""
        with _mapped():
            callers = await self._redis.smembers(self._key("proposed"))
        return [record for record in await self._records(sorted(callers)) if record.proposed]

    async def proposed_count(self) -> int:
        """Count them, without reading them."""
        with _mapped():
            return int(await self._redis.scard(self._key("proposed")))

    async def missed(self) -> Sequence[CallerRecord]:
        """Give the records of all callers who wait for a call-back, longest first."""
        with _mapped():
            callers = await self._redis.zrange(self._key("missed"), 0, -1)
        return [record for record in await self._records(callers) if record.missed]

    async def missed_count(self) -> tuple[int, Millis | None]:
        """Count them, and say since when the oldest waits, without reading them."""
        with _mapped():
            count = await self._redis.zcard(self._key("missed"))
            oldest = await self._redis.zrange(self._key("missed"), 0, 0, withscores=True)
            return int(count), int(oldest[0][1]) if oldest else None

    async def listed(self) -> AsyncIterator[Caller]:
        """Give who is on any list; of the long ones a page at a time. Whose place moves may be left out."""
        for name in ("allowed", "proposed"):
            with _mapped():
                callers = await self._redis.smembers(self._key(name))
            for caller in callers:
                yield Caller(caller.decode())
        for name in ("blocks", "missed"):
            for first in count(0, PAGE):
                with _mapped():
                    page = await self._redis.zrange(self._key(name), first, first + PAGE - 1)
                if not page:
                    break
                for caller in page:
                    yield Caller(caller.decode())

    async def _records(self, callers: Sequence[bytes]) -> list[CallerRecord]:
        return await self._read(callers, load_record)

    async def _read(self, callers: Sequence[bytes], load: Callable[[bytes], _T]) -> list[_T]:
        """Read the records of these callers, of those that have one."""
        read = []
        for n in range(0, len(callers), _TOGETHER):
            with _mapped():
                trip = self._redis.pipeline(transaction=False)
                for caller in callers[n : n + _TOGETHER]:
                    trip.hget(self._caller_key(Caller(caller.decode())), "doc")
                read += [load(doc) for doc in await trip.execute() if doc]
        return read

    async def blocks_of_changed(self, since: Millis) -> Sequence[Block]:
        """Give all blocks of the callers one of whose blocks began or was lifted since then."""
        with _mapped():
            callers = await self._redis.zrange(self._key("changed"), since, "+inf", byscore=True)
        return [block for blocks in await self._read(callers, load_blocks) for block in blocks]

    async def reserve_block(self, call: CallId, at: Millis, cap: int) -> bool:
        """Take one of the automatic blocks of the hour before `at`."""
        with _mapped():
            return bool(await self._redis.eval(_RESERVE, 1, self._key("imposed"), call, at, cap))

    async def turned_away(self, caller: Caller, within: Millis) -> bool:
        """Note that a caller is being turned away; say whether that happened within this time already."""
        with _mapped():
            key = f"{self._caller_key(caller)}:away"
            return await self._redis.set(key, "1", px=within, nx=True) is None

    async def erase(self, caller: Caller) -> None:
        """Delete a caller's record, its place on every list, and the list of its calls."""
        key = self._caller_key(caller)
        with _mapped():
            await self._redis.delete(key, f"{key}:calls", f"{key}:away")
            trip = self._redis.pipeline(transaction=False)
            for name in ("blocks", "missed", "changed"):
                trip.zrem(self._key(name), caller)
            for name in ("allowed", "proposed"):
                trip.srem(self._key(name), caller)
            await trip.execute()

    # ── ledger ───────────────────────────────────────────────────────────────────────────────────

    async def put_entry(self, entry: Entry) -> None:
        """Write a row; the day expires as a whole."""
        call = entry.finding.call
        ends = call.started + self._keep_calls + DAY
        with _mapped():
            await self._redis.hset(self._day_key(call.started), call.id, dump_entry(entry))
            trip = self._redis.pipeline(transaction=False)
            trip.pexpireat(self._day_key(call.started), ends)
            if call.caller:
                mine = f"{self._caller_key(call.caller)}:calls"
                trip.zadd(mine, {call.id: call.started})
                trip.zremrangebyscore(mine, "-inf", call.started - self._keep_calls)
                trip.pexpireat(mine, ends)
            await trip.execute()

    async def calls_of(self, caller: Caller) -> Sequence[CallId]:
        """Give a caller's calls that the ledger holds, oldest first."""
        with _mapped():
            calls = await self._redis.zrange(f"{self._caller_key(caller)}:calls", 0, -1)
            return [CallId(call.decode()) for call in calls]

    async def entry(self, call: CallId) -> Entry | None:
        """Find a row by its call: the uniqueid carries the second in which the channel was made."""
        made = _UNIQUEID.fullmatch(call)
        if made is None:
            return None
        for day in (0, 1, -1):
            with _mapped():
                text = await self._redis.hget(self._day_key(int(made[1]) * SECOND + day * DAY), call)
                if text:
                    return load_entry(text)
        return None

    async def entries(self, since: Millis, until: Millis) -> AsyncIterator[Entry]:
        """Give the rows of calls that started in [since, until), oldest first, a day at a time."""
        async for entries in self._days(since, until, load_entry):
            for entry in sorted(entries, key=lambda e: (e.finding.call.started, e.finding.call.id)):
                if since <= entry.finding.call.started < until:
                    yield entry

    async def rows(self, since: Millis, until: Millis) -> AsyncIterator[Sequence[Row]]:
        """Give what figures need of the same rows, a day at a time, in any order."""
        async for rows in self._days(since, until, load_row):
            yield [row for row in rows if since <= row.started < until]

    async def ledger_calls(self, since: Millis, until: Millis) -> Collection[CallId]:
        """Give the calls of the days that have a part in that time."""
        with _mapped():
            days = [await self._redis.hkeys(day) for day in self._day_keys(since, until)]
            return [CallId(call.decode()) for calls in days for call in calls]

    async def _days(
        self, since: Millis, until: Millis, load: Callable[[bytes], _T]
    ) -> AsyncIterator[Sequence[_T]]:
        for day in self._day_keys(since, until):
            with _mapped():
                rows = [load(text) for text in await self._redis.hvals(day)]
            yield rows

    def _day_keys(self, since: Millis, until: Millis) -> Iterator[str]:
        return (self._day_key(day) for day in range(since // DAY * DAY, until, DAY))

    # ── the site ─────────────────────────────────────────────────────────────────────────────────

    async def write_deed(self, deed: Deed) -> bool:
        """Add a line to the audit trail; what is older than may be kept goes."""
        with _mapped():
            new = await self._redis.zadd(self._key("audit"), {dump_deed(deed): deed.at})
            await self._redis.zremrangebyscore(self._key("audit"), "-inf", deed.at - self._keep_audit)
            return bool(new)

    async def deeds(self, since: Millis, until: Millis) -> Sequence[Deed]:
        """Give the lines of that time, oldest first."""
        with _mapped():
            lines = await self._redis.zrange(self._key("audit"), since, f"({until}", byscore=True)
            return [load_deed(line) for line in lines]

    async def erase_deeds(self, subject: str) -> int:
        """Delete the lines about a subject; say how many there were."""
        with _mapped():
            lines = await self._redis.zrange(self._key("audit"), 0, -1)
            gone = [line for line in lines if load_deed(line).subject == subject]
            return int(await self._redis.zrem(self._key("audit"), *gone)) if gone else 0

    async def tally(self, name: str) -> None:
        """Count one more of what may happen in any process of the site."""
        with _mapped():
            await self._redis.hincrby(self._key("tallies"), name, 1)

    async def tallies(self) -> Mapping[str, int]:
        """Give these counts."""
        with _mapped():
            counts = await self._redis.hgetall(self._key("tallies"))
            return {name.decode(): int(count) for name, count in counts.items()}

    async def mode(self) -> Mode | None:
        """Give the site's mode, if set."""
        with _mapped():
            text = await self._redis.get(self._key("mode"))
            return Mode(text.decode()) if text else None

    async def set_mode(self, mode: Mode) -> None:
        """Set the site's mode."""
        with _mapped():
            await self._redis.set(self._key("mode"), mode.value)

    async def put_snapshot(self, snapshot: Snapshot) -> None:
        """Show what goes on now, in place of what was."""
        with _mapped():
            await self._redis.set(self._key("now"), dump_snapshot(snapshot), px=LIFE)

    async def snapshot(self) -> Snapshot | None:
        """Give what goes on now."""
        with _mapped():
            text = await self._redis.get(self._key("now"))
            return load_snapshot(text) if text else None
