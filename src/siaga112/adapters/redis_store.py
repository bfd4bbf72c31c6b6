"""The store in Redis.

Layout, made for Redis Cluster: all that is held on one caller is one hash under one key, so a
strike and the block that it leads to are replaced together or not at all.

    siaga112:{SITE:CALLER}      hash  v (version), doc (record), standing (what a verdict needs)
    siaga112:SITE:calls:DAY     hash  call id → ledger row (DAY in UTC; expires as a whole)
    siaga112:SITE:blocks        zset  caller → end of the block in ms, +inf for permanent
    siaga112:SITE:allowed       set   callers
    siaga112:SITE:mode          string

The lists are indexes: the records are the truth, and a reader checks each against its record.
"""

import asyncio
import re
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from typing import Any, Final

from redis.asyncio import Redis
from redis.asyncio.retry import Retry
from redis.backoff import NoBackoff
from redis.exceptions import ConnectionError as RedisConnectionError
from redis.exceptions import RedisError
from redis.exceptions import TimeoutError as RedisTimeoutError

from siaga112.core.codec import (
    dump_entry,
    dump_record,
    dump_standing,
    load_entry,
    load_record,
    load_standing,
)
from siaga112.core.model import DAY, SECOND, Caller, CallerRecord, CallId, Entry, Level, Millis, Mode
from siaga112.core.policy import NOBODY, Standing
from siaga112.errors import ConfigurationError
from siaga112.service.ports import StoreBrokenError, StoreDownError

COMMAND_SECONDS: Final = 2.0
"""A command that takes longer has failed; verdicts have their own, shorter deadline."""

CONNECTIONS: Final = 1_024
"""As many questions at once as FastAGI takes calls; the driver's own 100 would turn a rush away."""

_UNIQUEID: Final = re.compile(r"(?:.*-)?([0-9]{1,11})\.[0-9]+")
"""As Asterisk writes it: the system's name, if it has one, the second, a number."""

_SAVE: Final = """
if (redis.call('HGET', KEYS[1], 'v') or '0') ~= ARGV[1] then return 0 end
redis.call('HSET', KEYS[1], 'v', tonumber(ARGV[1]) + 1, 'doc', ARGV[2], 'standing', ARGV[3])
if ARGV[4] == '' then redis.call('PERSIST', KEYS[1]) else redis.call('PEXPIREAT', KEYS[1], ARGV[4]) end
return 1
"""


def connect(url: str, seconds: float = COMMAND_SECONDS) -> "Redis":
    """Make a client for `redis://`, `rediss://` or `unix://`; connects at the first command.

    Raises:
        ConfigurationError: naming the schemes, if the URL is none of them.

    """
    try:
        client: Redis = Redis.from_url(
            url,
            socket_timeout=seconds,
            socket_connect_timeout=seconds,
            retry=Retry(NoBackoff(), 1, (RedisConnectionError,)),
            max_connections=CONNECTIONS,
            health_check_interval=0,
        )
    except ValueError as error:
        raise ConfigurationError(
            '[redis] url: write "embedded", or redis://, rediss:// or unix:// and an address'
        ) from error
    return client


@contextmanager
def _mapped() -> Any:
    """Map Redis's errors to ours, once."""
    try:
        yield
    except (RedisConnectionError, RedisTimeoutError, OSError, asyncio.IncompleteReadError) as error:
        raise StoreDownError(f"Redis: {error}") from error
    except (RedisError, ValueError) as error:
        raise StoreBrokenError(f"Redis: {error}") from error


class RedisStore:
    """`service.ports.Store` on one Redis, for one site."""

    def __init__(self, client: "Redis", site: str, keep_calls: Millis) -> None:
        self._redis: Any = client
        self._site = site
        self._keep_calls = keep_calls
        self._save = client.register_script(_SAVE)

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
            done = await self._save(
                keys=[self._caller_key(record.caller)],
                args=[version, dump_record(record), dump_standing(held), "" if expires is None else expires],
            )
            return bool(done)

    async def index(self, record: CallerRecord, held: Standing) -> None:
        """Bring the lists into line with the record."""
        with _mapped():
            if held.level:
                await self._redis.zadd(self._key("blocks"), {record.caller: held.until or "+inf"})
            else:
                await self._redis.zrem(self._key("blocks"), record.caller)
            change = self._redis.sadd if record.allow else self._redis.srem
            await change(self._key("allowed"), record.caller)

    async def blocked(self, now: Millis) -> Sequence[CallerRecord]:
        """Give the records of all callers with a block in force."""
        with _mapped():
            await self._redis.zremrangebyscore(self._key("blocks"), "-inf", now)
            callers = await self._redis.zrange(self._key("blocks"), 0, -1)
        records = [(await self.load(Caller(caller.decode())))[0] for caller in callers]
        return [record for record in records if record.block_at(now)]

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
        records = [(await self.load(Caller(caller.decode())))[0] for caller in sorted(callers)]
        return [record for record in records if record.allow]

    # ── ledger ───────────────────────────────────────────────────────────────────────────────────

    async def put_entry(self, entry: Entry) -> None:
        """Write a row; the day expires as a whole."""
        started = entry.finding.call.started
        key = self._day_key(started)
        with _mapped():
            await self._redis.hset(key, entry.finding.call.id, dump_entry(entry))
            await self._redis.pexpireat(key, started + self._keep_calls + DAY)

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
        day = datetime.fromtimestamp(since / SECOND, UTC).replace(hour=0, minute=0, second=0, microsecond=0)
        while day.timestamp() * SECOND < until:
            with _mapped():
                rows = await self._redis.hvals(self._day_key(int(day.timestamp()) * SECOND))
                entries = [load_entry(row) for row in rows]
            for entry in sorted(entries, key=lambda e: (e.finding.call.started, e.finding.call.id)):
                if since <= entry.finding.call.started < until:
                    yield entry
            day += timedelta(days=1)

    # ── the site ─────────────────────────────────────────────────────────────────────────────────

    async def mode(self) -> Mode | None:
        """Give the site's mode, if set."""
        with _mapped():
            text = await self._redis.get(self._key("mode"))
            return Mode(text.decode()) if text else None

    async def set_mode(self, mode: Mode) -> None:
        """Set the site's mode."""
        with _mapped():
            await self._redis.set(self._key("mode"), mode.value)
