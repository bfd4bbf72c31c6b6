"""Examines a Redis, once, read-only.

The user's rights come from `redis.acl_check_cmd` in a script that runs no command (Redis 7).
"""

import asyncio
import contextlib
import json
import time
from collections.abc import Mapping
from typing import Any, Final

from redis.asyncio import Redis, RedisCluster
from redis.exceptions import NoPermissionError, RedisError, ResponseError

from siaga112.adapters.redis.older import OlderRedis
from siaga112.adapters.redis.words import told
from siaga112.core.codec import load_switch
from siaga112.core.model import DAY, SECOND, Millis, Mode
from siaga112.doctor.observations import NotSeen, RedisSeen, RedisServerSeen
from siaga112.doctor.store import OTHERS
from siaga112.service.ports import StoreBrokenError

SECONDS: Final = 6.0
"""For all questions together."""

_MAY: Final = """
if not redis.acl_check_cmd then return false end
local refused = {}
for number, words in ipairs(ARGV) do
  local known, may = pcall(redis.acl_check_cmd, unpack(cjson.decode(words)))
  if known and may then refused[number] = 0 else refused[number] = 1 end
end
return refused
"""

NEEDED: Final = (
    *("PING", "GET {key}", "SET {key} 1", "DEL {key}", "EVAL return 0"),
    *(
        "HGET {bucket} f",
        "HMGET {bucket} f",
        "HLEN {bucket}",
        "HSET {bucket} f 1",
        "HDEL {bucket} f",
        "HKEYS {bucket}",
        "HGETALL {bucket}",
    ),
    *("XADD {key} * n 1", "XREAD STREAMS {key} 0", "XRANGE {key} - +", "XREVRANGE {key} + -"),
)
"""What siaga112 does, on a key of the site or on a bucket of standings."""

NEVER: Final = (
    "FLUSHALL",
    "CONFIG GET x",
    "KEYS x",
    "ACL LIST",
    "SHUTDOWN",
    "GET another:key",
    "SET another:key 1",
    f"GET {OTHERS}",
    f"SET {OTHERS} 1",
)
"""What siaga112 never does."""


async def examine(client: "Redis | RedisCluster", site: str, keep: Millis = 400 * DAY) -> RedisSeen | NotSeen:
    """Ask. Whoever made the client closes it. `keep`: how far back the ledger goes."""
    try:
        async with asyncio.timeout(SECONDS):
            return await _ask(client, site, keep)
    except TimeoutError:
        return NotSeen(f"no answer within {SECONDS:g} s")
    except (RedisError, OSError) as error:
        return NotSeen(told(error), refused=isinstance(error, ResponseError))


async def _ask(client: Any, site: str, keep: Millis) -> RedisSeen:
    key = f"siaga112:{{{site}}}:mode"
    try:
        await client.ping()
    except NoPermissionError as error:
        if "'select'" in str(error):  # every question would fail the same way
            raise
    mode = await _permitted(client, "GET", key)
    lacking, excessive = await _rights(client, key, f"siaga112:{site}:standings:000")
    older = OlderRedis(client, site)
    there = carried = False
    with contextlib.suppress(StoreBrokenError):  # what the user may not ask is said of its rights
        there = await older.there(int(time.time() * SECOND), keep)
        carried = there and await older.carried() is not None
    return RedisSeen(
        servers=await _servers(client),
        ahead=await _ahead(client),
        lacking=lacking,
        excessive=excessive,
        mode=_mode(mode),
        older=there,
        carried=carried,
    )


def _mode(text: bytes | None) -> Mode | None:
    with contextlib.suppress(ValueError):
        return load_switch(text).mode if text else None
    return None


async def _permitted(client: Any, *words: str, **options: Any) -> Any:
    """Ask; None for what the user may not ask."""
    try:
        return await client.execute_command(*words, **options)
    except NoPermissionError:
        return None


async def _rights(
    client: Any, key: str, bucket: str
) -> tuple[tuple[str, ...] | None, tuple[str, ...] | None]:
    asked = [words.replace("{key}", key).replace("{bucket}", bucket).split() for words in (*NEEDED, *NEVER)]
    asked = [["EVAL", "return 0", "0"] if words[0] == "EVAL" else words for words in asked]
    try:
        refused = await client.eval(_MAY, 1, key, *(json.dumps(words) for words in asked))
    except NoPermissionError:
        return ("EVAL",), None
    if not refused:
        return None, None
    lacking = tuple(_name(words) for words, no in zip(NEEDED, refused, strict=False) if no)
    excessive = tuple(_name(words) for words, no in zip(NEVER, refused[len(NEEDED) :], strict=True) if not no)
    return lacking, excessive


def _name(words: str) -> str:
    return (
        words if "another" in words else words.removesuffix(" x").partition(" {")[0].partition(" return")[0]
    )


async def _servers(client: Any) -> tuple[RedisServerSeen, ...] | None:
    """Examine the server, or each master of a cluster."""
    everywhere = {"target_nodes": RedisCluster.PRIMARIES} if isinstance(client, RedisCluster) else {}
    answers = [
        await _permitted(client, "INFO", part, **everywhere)
        for part in ("persistence", "memory", "replication")
    ]
    if None in answers:
        return None
    parts = ([*one.values()] if everywhere else [one] for one in answers)
    return tuple(
        _server({key: value for part in server for key, value in part.items()})
        for server in zip(*parts, strict=True)
    )


def _server(info: Mapping[str, Any]) -> RedisServerSeen:
    return RedisServerSeen(
        append_only=info["aof_enabled"] == 1,
        last_write_failed="err" in {info["aof_last_write_status"], info["rdb_last_bgsave_status"]},
        eviction=info["maxmemory_policy"],
        memory_limit=info["maxmemory"] or info.get("total_system_memory", 0),
        used=info["used_memory"],
        limited=bool(info["maxmemory"]),
        follows=info["role"] != "master",
    )


async def _ahead(client: Any) -> Millis | None:
    somewhere = {"target_nodes": RedisCluster.RANDOM} if isinstance(client, RedisCluster) else {}
    asked = time.time()
    answer = await _permitted(client, "TIME", **somewhere)
    if answer is None:
        return None
    if isinstance(answer, dict):
        answer = next(iter(answer.values()))
    seconds, micros = answer
    return round((int(seconds) + int(micros) / 1e6 - (asked + time.time()) / 2) * SECOND)
