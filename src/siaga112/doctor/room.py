"""Checks of room: whether disk and Redis memory suffice at the current growth."""

from collections.abc import Iterator
from typing import Final

from siaga112.core.model import DAY, Millis
from siaga112.doctor.lines import Line, fail, ok, unchecked, warn
from siaga112.doctor.observations import DatabaseSeen, Examined, Growth, RedisSeen, RedisServerSeen

MEGA: Final = 1 << 20
FREE_FAIL: Final = 100 * MEGA
FREE_WARN: Final = 1024 * MEGA
"""Bytes: less may be filled by a day of much misuse, a copy before a migration, or a log."""

FILES_FAIL: Final = 100
FILES_WARN: Final = 1_000

DAYS: Final = 30
"""With fewer days left, somebody must act within the month."""

STANDING: Final = 100
"""Bytes Redis needs for a caller's standing; 89 were measured for a block (of 100,000)."""

NEARLY: Final = 0.95
"""Of maxmemory: above this a burst of blocks may be rejected."""

_WEEK: Final = 7


def disk(seen: Examined) -> Iterator[Line]:
    """Check how much room the state directory's disk has, and for how long."""
    wanted, room = seen.wanted, seen.host.room
    growth = seen.database.growth if isinstance(seen.database, DatabaseSeen) else None
    if room is None:
        yield unchecked(f"{wanted.state_dir} is not for this user to see")
        return
    look = f"on its machine: df -h {wanted.state_dir}; make room (journalctl --vacuum-size=500M, old backups)"
    bad = False
    if room.free < FREE_WARN:
        bad = True
        judge = fail if room.free < FREE_FAIL else warn
        yield judge(f"{wanted.state_dir} has {_bytes(room.free)} left: with none, ended calls are lost", look)
    if room.files is not None and room.files < FILES_WARN:
        bad = True
        judge = fail if room.files < FILES_FAIL else warn
        yield judge(
            f"{wanted.state_dir} may have {room.files} more files, however much room is left",
            f"on its machine: df -i {wanted.state_dir}; find what makes so many small files, and remove them",
        )
    if wanted.database:
        yield unchecked(
            "how much room PostgreSQL has is known on its machine only",
            "there: df -h (SHOW data_directory says where)",
        )
    elif growth is None:
        yield unchecked("the records were not counted in time: for how many days the room lasts is not known")
    elif (days := lasts(growth, room.free, wanted.keep_calls)) is not None:
        bad = True
        yield warn(
            f"at last week's rate {wanted.state_dir} is full in {days} days "
            f"({growth.week:,} calls, {_bytes(_daily(growth))} a day)",
            f"{look}; or in [privacy] of {wanted.config}: keep_calls, shorter",
        )
    if not bad:
        yield ok(f"{wanted.state_dir} has {_bytes(room.free)} left")


def _daily(growth: Growth) -> float:
    """Return the records' growth in bytes a day."""
    return growth.size / growth.calls * growth.week / _WEEK if growth.calls else 0.0


def lasts(growth: Growth, free: int, keep: Millis) -> int | None:
    """Return for how many days there is room, if few; None if there is enough.

    Once the oldest day reaches the retention, each new day replaces an old one.
    """
    daily = _daily(growth)
    if not daily:
        return None
    days = free / daily
    return None if days >= min(DAYS, (keep - growth.age) / DAY) else int(days)


def memory(seen: Examined) -> Iterator[Line]:
    """Check how many more callers fit in Redis' memory, and for how long."""
    redis = seen.redis
    if not isinstance(redis, RedisSeen):
        yield unchecked("Redis does not answer")
        return
    if not redis.servers:
        yield unchecked("the user may not ask INFO", "in redis-acl.conf: add +info +time for this user")
        return
    growth = seen.database.growth if isinstance(seen.database, DatabaseSeen) else None
    masters = len(redis.servers)
    for server in redis.servers:
        if not server.memory_limit:
            yield unchecked("Redis tells no limit of its memory", "on its machine: free -h")
            return
        line = "in redis.conf: maxmemory, higher (at once: redis-cli CONFIG SET maxmemory 512mb)"
        left = server.memory_limit - server.used
        what = f"{_bytes(server.used)} of {_limit(server)}"
        need = (growth.standings if growth else 0) * STANDING // masters
        if server.limited and server.used >= server.memory_limit * NEARLY:
            yield fail(f"Redis' memory is full, {what}: no new block comes to it", line)
            return
        if server.memory_limit < need:
            yield fail(
                f"Redis has {_limit(server)}, too little for {growth.standings if growth else 0:,} callers "
                f"(about {_bytes(need)})",
                line,
            )
            return
        daily = (growth.new_standings if growth else 0) * STANDING / masters / _WEEK
        if daily and left / daily < DAYS:
            yield warn(
                f"at last week's rate Redis' memory is full in {int(left / daily)} days ({what})", line
            )
            return
    first = redis.servers[0]
    if growth is None:
        yield unchecked("the callers were not counted: for how many days Redis' memory lasts is not known")
    else:
        yield ok(f"Redis uses {_bytes(first.used)} of {_limit(first)}")


def _limit(server: RedisServerSeen) -> str:
    return _bytes(server.memory_limit) + (" (maxmemory)" if server.limited else " (the machine's)")


def _bytes(count: float) -> str:
    for unit in ("B", "kB", "MB"):
        if count < 1_000:  # noqa: PLR2004 - as it is written
            return f"{count:.0f} {unit}"
        count /= 1_000
    return f"{count:.1f} GB"
