"""What is where in Redis, and the scripts that change several keys at once.

All keys of a site carry its name in braces, so that in a Redis Cluster they lie on one slot: what belongs
together is written together or not at all. Sites are spread over the nodes.

    siaga112:{SITE}:caller:CALLER        hash  v (version), doc (record), standing (what a verdict needs)
    siaga112:{SITE}:caller:CALLER:calls  zset  call id → start, of the caller's rows in the ledger
    siaga112:{SITE}:caller:CALLER:away   string, while somebody who was just turned away may call again
    siaga112:{SITE}:calls:DAY            hash  call id → ledger row (DAY in UTC; expires as a whole)
    siaga112:{SITE}:blocks               zset  caller → end of the block in ms, +inf for permanent
    siaga112:{SITE}:warned               zset  caller → until when one more misuse may lead to a block
    siaga112:{SITE}:allowed              set   callers
    siaga112:{SITE}:proposed             set   callers whose block waits for a supervisor
    siaga112:{SITE}:missed               zset  caller → the oldest call that nobody has answered
    siaga112:{SITE}:changed              zset  caller → when a block of theirs last began or was lifted
    siaga112:{SITE}:changes              stream  c (caller), s (new standing), n (a nonce): for replicas
    siaga112:{SITE}:imposed              zset  call → time of the automatic block that it led to, of an hour
    siaga112:{SITE}:imposed_permanent    zset  the same, of permanent blocks alone
    siaga112:{SITE}:forgotten:MARK       hash  at, v (version): somebody was erased whose number has that mark
    siaga112:{SITE}:misdated             hash  call id → start, where the PBX's clock was off at its uniqueid
    siaga112:{SITE}:audit                zset  line of the audit trail → its time
    siaga112:{SITE}:tallies              hash  what is counted over all processes
    siaga112:{SITE}:mode                 string, JSON: mode, at, by, reason of the last switch
    siaga112:{SITE}:now                  string, for seconds: the snapshot that `siaga112 top` shows
"""

import asyncio
import hashlib
import os
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import lru_cache
from typing import Final

from redis.exceptions import ClusterError, ReadOnlyError, RedisClusterException, RedisError
from redis.exceptions import ConnectionError as RedisConnectionError
from redis.exceptions import TimeoutError as RedisTimeoutError

from siaga112.adapters.redis.words import told
from siaga112.core.changes import Change
from siaga112.core.codec import dump_audit_entry, dump_entry, dump_record, dump_standing
from siaga112.core.model import DAY, HOUR, SECOND, Caller, Millis
from siaga112.core.standing import NOBODY
from siaga112.service.ports import StoreBrokenError, StoreDownError, Written

CHANGES: Final = 10_000
"""How many changes of standings the stream keeps, about: a replica that missed more reads all anew."""

WRITTEN: Final[Mapping[object, Written]] = {0: Written.MOVED, 1: Written.DONE, 2: Written.CAPPED}
"""What `_WRITE` answers."""

Command = tuple[object, ...]

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
def mapped() -> Iterator[None]:
    """Map Redis's errors to ours, once."""
    try:
        yield
    except _DOWN as error:
        raise StoreDownError(f"Redis: {told(error)}") from error
    except (RedisError, ValueError) as error:
        down = str(error).startswith("NOREPLICAS")  # the driver has no class for it
        raise (StoreDownError if down else StoreBrokenError)(f"Redis: {told(error)}") from error


@dataclass(frozen=True, slots=True)
class Keys:
    """Names the keys of one site."""

    site: str

    def site_wide(self, *parts: str) -> str:
        """Name what there is once a site."""
        return ":".join((f"siaga112:{{{self.site}}}", *parts))

    def caller(self, caller: Caller) -> str:
        """Name what is held on a caller."""
        return self.site_wide("caller", caller)

    def forgotten(self, caller: Caller) -> str:
        """Name what is held, for days, on one who was erased: 20 bits, which ten thousand numbers share."""
        mark = hashlib.sha256(f"{self.site} {caller}".encode()).hexdigest()[:5]
        return self.site_wide("forgotten", mark)

    def day(self, at: Millis) -> str:
        """Name the ledger of the day with that instant."""
        return self.site_wide("calls", _date(at // DAY))


@lru_cache(maxsize=1_024)
def _date(days: int) -> str:
    return f"{datetime.fromtimestamp(days * DAY / SECOND, UTC):%Y-%m-%d}"


def nonce() -> str:
    """Make what tells a change from another that has its id, in a Redis that lost its last second."""
    return os.urandom(4).hex()


REMEMBERED: Final = 8 * DAY
"""How long it is known that somebody was erased: queue_log may tell of a call a week later."""

_LISTS: Final = ("blocks", "warned", "missed", "changed", "allowed", "proposed")
_PLACES: Final = ("changes", "tallies", "audit", "imposed", "imposed_permanent")

_WRITE: Final = f"""
local record, calls, day = KEYS[1], KEYS[2], KEYS[3]
local changes, tallies, audit, imposed = KEYS[10], KEYS[11], KEYS[12], KEYS[13]
local caller, version, doc, now, nonce, expires = ARGV[1], ARGV[2], ARGV[3], ARGV[4], ARGV[5], ARGV[6]
local call, started, row, row_ends, row_since = ARGV[13], ARGV[14], ARGV[15], ARGV[16], ARGV[17]
local deed, deed_at, deed_since = ARGV[18], ARGV[19], ARGV[20]
local imposing, imposed_at, at = ARGV[21], ARGV[22], ARGV[25]
local caps = {{[imposed] = tonumber(ARGV[23]) or 0, [KEYS[14]] = tonumber(ARGV[24]) or 0}}

if caller ~= '' then
  local gone = redis.call('HMGET', KEYS[15], 'at', 'v')
  if doc ~= '' and (redis.call('HGET', record, 'v') or gone[2] or '0') ~= version then return 0 end
  if call ~= '' and gone[1] and tonumber(gone[1]) >= tonumber(started) then return 0 end
end
if imposing ~= '' then
  for key, cap in pairs(caps) do
    redis.call('ZREMRANGEBYSCORE', key, '-inf', imposed_at - {HOUR})
    local known = redis.call('ZSCORE', key, imposing)
    if cap > 0 and not known and redis.call('ZCARD', key) >= cap then return 2 end
  end
  for key, cap in pairs(caps) do
    if cap > 0 then redis.call('ZADD', key, 'NX', imposed_at, imposing) end
  end
end
if doc ~= '' then
  local known, listed = redis.call('HGET', record, 'standing'), 0
  redis.call('HSET', record, 'v', version + 1, 'doc', doc, 'standing', now)
  if expires == '' then redis.call('PERSIST', record) else redis.call('PEXPIREAT', record, expires) end
  for n = 1, 4 do
    if ARGV[6 + n] == '' then listed = listed + redis.call('ZREM', KEYS[3 + n], caller)
    else redis.call('ZADD', KEYS[3 + n], ARGV[6 + n], caller) end
  end
  for n = 5, 6 do
    if ARGV[6 + n] == '' then listed = listed + redis.call('SREM', KEYS[3 + n], caller)
    else redis.call('SADD', KEYS[3 + n], caller) end
  end
  if ARGV[10] ~= '' then redis.call('ZREMRANGEBYSCORE', KEYS[7], '-inf', ARGV[10] - row_since) end
  if (known or '{dump_standing(NOBODY)}') ~= now or (not known and listed > 0) then
    redis.call('XADD', changes, 'MAXLEN', '~', {CHANGES}, '*', 'c', caller, 's', now, 'n', nonce)
    for n = 4, 5 do redis.call('ZREMRANGEBYSCORE', KEYS[n], '-inf', at) end
  end
end
if call ~= '' then
  redis.call('HSET', day, call, row)
  redis.call('PEXPIREAT', day, row_ends)
  if caller ~= '' then
    redis.call('ZADD', calls, started, call)
    redis.call('ZREMRANGEBYSCORE', calls, '-inf', started - row_since)
    redis.call('PEXPIREAT', calls, row_ends)
  end
end
if deed ~= '' then
  if redis.call('ZADD', audit, deed_at, deed) == 0 then return 1 end
  redis.call('ZREMRANGEBYSCORE', audit, '-inf', deed_since)
end
for n = 26, #ARGV do redis.call('HINCRBY', tallies, ARGV[n], 1) end
return 1
"""

_ERASE: Final = f"""
local known = redis.call('HMGET', KEYS[15], 'at', 'v')
redis.call('HSET', KEYS[15], 'at', math.max(tonumber(known[1] or 0), ARGV[3]))
redis.call('PEXPIREAT', KEYS[15], ARGV[3] + {REMEMBERED})
if redis.call('ZCARD', KEYS[2]) ~= tonumber(ARGV[4]) then return 0 end
local version = redis.call('HGET', KEYS[1], 'v') or 0
redis.call('HSET', KEYS[15], 'v', math.max(tonumber(known[2] or 0), tonumber(version)) + 1)
redis.call('DEL', KEYS[1], KEYS[2], KEYS[3])
for n = 4, 7 do redis.call('ZREM', KEYS[n], ARGV[1]) end
for n = 8, 9 do redis.call('SREM', KEYS[n], ARGV[1]) end
redis.call('DEL', KEYS[10])
redis.call('XADD', KEYS[10], '*', 'n', ARGV[2])
return 1
"""


STANDINGS: Final = """
local found = {}
for n, key in ipairs(KEYS) do
  local held = redis.pcall('HGET', key, 'standing')
  found[n] = type(held) == 'string' and held or ''
end
return found
"""
"""Gives what the records say, '' where there is none that can be read."""


SWITCH: Final = """
local held = redis.call('GET', KEYS[1])
local at = held and string.match(held, '^{"at":(%d+),')
if at and tonumber(at) > tonumber(ARGV[2]) then return 0 end
redis.call('SET', KEYS[1], ARGV[1])
return 1
"""
"""Sets the mode, unless the one there is of later. A mode without a time is older than all."""


def write_script(keys: Keys, change: Change, keep_calls: Millis, keep_audit: Millis) -> Command:
    """Spell a change as one command. EVAL, not EVALSHA: a server that has just become master knows it too."""
    new, entry, audit_entry, imposes = change.replacement, change.entry, change.audit_entry, change.imposes
    caller = new.record.caller if new else entry.finding.call.caller if entry else None
    args: list[object] = [caller or ""]
    if new:
        record, held = new.record, new.held
        args += [new.version, dump_record(record), dump_standing(held), nonce(), _or_none(new.expires)]
        args += [
            (held.until or "+inf") if held.level else "",
            held.warn_until or "",
            record.missed[0].at if record.missed else "",
            record.blocks_changed or "",
            "1" if record.allow else "",
            "1" if record.proposed else "",
        ]
    else:
        args += [""] * 11
    started = 0
    if entry:
        call = entry.finding.call
        started = call.started
        args += [call.id, started, dump_entry(entry), started + keep_calls + DAY, keep_calls]
    else:
        args += ["", "", "", "", keep_calls]
    args += (
        [dump_audit_entry(audit_entry), audit_entry.at, audit_entry.at - keep_audit]
        if audit_entry
        else [""] * 3
    )
    args += imposes or [""] * 4
    args.append(new.at if new else "")
    args += change.tallies
    return _eval(_WRITE, keys, caller, keys.day(started), args)


def erase_script(keys: Keys, caller: Caller, at: Millis, rows: int) -> Command:
    """Spell the erasing of all that is held on a caller, but for the ledger's rows.

    From then on nothing that began up to that instant is written with the caller. Nothing is erased while
    the list of its calls holds more, or less, than `rows`: what is deleted with it nobody would find again.
    A record that begins again has a version that none before it had.

    The stream goes too, since it names the caller: replicas notice, and read all anew.
    """
    away = f"{keys.caller(caller)}:away"
    return _eval(_ERASE, keys, caller, away, [caller, nonce(), at, rows])


def _eval(script: str, keys: Keys, caller: Caller | None, third: str, args: list[object]) -> Command:
    mine = keys.caller(caller or Caller(""))
    names = [mine, f"{mine}:calls", third]
    names += [keys.site_wide(name) for name in (*_LISTS, *_PLACES)]
    names.append(keys.forgotten(caller or Caller("")))
    return ("EVAL", script, len(names), *names, *args)


def _or_none(millis: Millis | None) -> object:
    return "" if millis is None else millis
