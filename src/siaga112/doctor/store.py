"""Checks of Redis and the database: durability and access."""

from collections.abc import Iterator
from typing import Final

from siaga112.core.model import Mode
from siaga112.doctor.lines import Line, fail, ok, unchecked, warn
from siaga112.doctor.manager import compared
from siaga112.doctor.observations import DatabaseSeen, Examined, NotSeen, RedisSeen, Wanted

_ACL = "in redis-acl.conf: this user as `siaga112 acl` prints it"
OTHERS: Final = "siaga112:{another-site}:mode"
"""One of our keys, but of another site."""
_GRANT = "in redis-acl.conf: add +info +time for this user"


def database(seen: Examined) -> Iterator[Line]:
    """Check that the records can be written durably."""
    wanted, found = seen.wanted, seen.database
    where = wanted.database or f"SQLite in {wanted.state_dir}"
    if isinstance(found, NotSeen):
        remedy = f"in [database] of {wanted.config}: url" if wanted.database else "siaga112 run makes it"
        yield fail(f"the database does not answer: {found.why}", remedy)
        return
    if found.newer:
        yield fail(
            f"{where}: its tables have version {found.version}, newer than this program's",
            "install the newer siaga112 here too; or go back as docs/upgrade.md says",
        )
    elif not found.known:
        what = f"its tables have version {found.version}, older than this program's"
        yield fail(f"{where}: {what if found.version else 'it has no tables yet'}", "siaga112 migrate")
    if found.read_only:
        yield fail(
            f"{where} is a replica, which takes no writes",
            f"in [database] of {wanted.config}: the address of the primary",
        )
    if found.only_reads:
        yield fail(
            f"{where} takes no writes: default_transaction_read_only = on",
            "there: ALTER ROLE the-user RESET default_transaction_read_only (or in postgresql.conf)",
        )
    if found.lacking:
        yield fail(
            f"{where}: the user may not do what siaga112 does: {_few(found.lacking)}",
            "there, as the tables' owner: GRANT SELECT, INSERT, UPDATE, DELETE ON ALL TABLES IN SCHEMA "
            "public TO the-user",
        )
    if found.old:
        yield fail(
            f"{found.server} is older than what siaga112 needs (SQLite 3.35, PostgreSQL 13)",
            "apt upgrade; a PostgreSQL is upgraded by pg_upgrade, after a backup (siaga112 backup FILE)",
        )
    if found.unsafe:
        yield warn(
            f"a crash of PostgreSQL can lose calls that it has acknowledged: {', '.join(found.unsafe)}",
            "in postgresql.conf: take that out, or set it to on",
        )
    bad = found.read_only or found.only_reads or found.lacking or found.old or found.unsafe
    if found.known and not bad:
        yield ok(f"{where}: version {found.version}, {found.server}")


def _few(names: tuple[str, ...]) -> str:
    return ", ".join(names[:3]) + (f" and {len(names) - 3} more" if len(names) > 3 else "")  # noqa: PLR2004 - as shown


def reachable(seen: Examined) -> Line:
    """Check that Redis answers."""
    wanted, redis = seen.wanted, seen.redis
    if isinstance(redis, RedisSeen):
        if any(server.follows for server in redis.servers or ()):
            return fail(
                f"{wanted.redis} is a replica, which takes no writes: no decision reaches verdicts",
                f"in [redis] of {wanted.config}: url of the primary (or redis+sentinel://…)",
            )
        return ok(f"Redis answers: {wanted.redis}")
    if wanted.embedded:
        return fail(
            f"the embedded Redis in {wanted.state_dir} does not answer: {redis.why}",
            "systemctl start siaga112.target (or: siaga112 run), as the same user",
        )
    return fail(f"{wanted.redis}: {redis.why}", f"in [redis] of {wanted.config}: url")


def persistence(redis: RedisSeen, _: Wanted) -> Iterator[Line]:
    """Check that the block list survives a restart of Redis."""
    if redis.servers is None:
        yield unchecked("the user may not ask INFO", _GRANT)
    elif any(server.last_write_failed for server in redis.servers):
        yield fail("Redis could not write its data to disk", "on its machine: df -h; then redis.conf: dir")
    elif not all(server.append_only for server in redis.servers):
        yield warn(
            "Redis keeps no append-only file: after its restart callers go through until the block list is "
            "made again",
            "in redis.conf: appendonly yes (at once: redis-cli CONFIG SET appendonly yes)",
        )
    else:
        yield ok("append-only file, written without error")


def eviction(redis: RedisSeen, _: Wanted) -> Iterator[Line]:
    """Check that Redis does not silently evict blocks when its memory is full."""
    if redis.servers is None:
        yield unchecked("the user may not ask INFO", _GRANT)
        return
    line = "in redis.conf: maxmemory-policy noeviction"
    for server in redis.servers:
        if server.eviction != "noeviction" and server.limited:
            yield fail(f"Redis throws blocks away when its memory is full: {server.eviction}", line)
            return
        if server.eviction != "noeviction":
            yield warn(f"maxmemory-policy is {server.eviction}: a maxmemory would throw blocks away", line)
            return
    yield ok("nothing is evicted")


def rights(redis: RedisSeen, wanted: Wanted) -> Iterator[Line]:
    """Compare the user's rights with what siaga112 needs."""
    if wanted.embedded:
        yield ok("the embedded Redis is ours alone")
        return
    if redis.lacking:
        yield fail(f"the user may not do what siaga112 does: {', '.join(redis.lacking)}", _ACL)
    others = [words for words in redis.excessive or () if OTHERS in words]
    if others:
        yield warn("the user opens the keys of other sites too, and their callers' numbers", _ACL)
    if more := [words for words in redis.excessive or () if words not in others]:
        yield warn(f"the user may do what siaga112 never does: {', '.join(more)}", _ACL)
    if redis.lacking is None:
        yield unchecked("Redis before 7 does not tell what a user may", "compare redis-acl.conf by eye")
    elif not (redis.lacking or redis.excessive):
        yield ok("the user may do what siaga112 does, and nothing else")


def clock(redis: RedisSeen, _: Wanted) -> Iterator[Line]:
    """Compare Redis's clock with ours."""
    yield (
        compared("Redis's", redis.ahead)
        if redis.ahead is not None
        else unchecked("the user may not ask TIME", _GRANT)
    )


def older(redis: RedisSeen, _: Wanted) -> Iterator[Line]:
    """Look whether what siaga112 before 0.1.0 kept there, which was all, has been carried over."""
    if not redis.older:
        yield ok("nothing of siaga112 before 0.1.0")
    elif not redis.carried:
        yield fail(
            "calls, blocks and the allow list of siaga112 before 0.1.0 are there, and not in the database",
            "siaga112 migrate --from-redis",
        )
    else:
        yield warn(
            "what siaga112 before 0.1.0 kept is carried over, and still there, where `forget` does not reach",
            "when nobody goes back to that version: siaga112 migrate --forget-old",
        )


def mode(seen: Examined) -> Iterator[Line]:
    """Report the mode: one place that says off is enough."""
    wanted = seen.wanted
    kept = seen.database.mode if isinstance(seen.database, DatabaseSeen) else None
    if not isinstance(seen.redis, RedisSeen):
        yield unchecked("Redis does not answer")
        return
    switched = seen.redis.mode or kept or wanted.mode
    match Mode.OFF if Mode.OFF in {wanted.mode, wanted.held, kept} else switched:
        case Mode.OBSERVE:
            yield ok("observe: nobody is rejected yet (siaga112 mode enforce begins to)")
        case Mode.ENFORCE:
            yield ok("enforce: blocked callers are rejected")
        case Mode.OFF:
            yield warn("off: every call goes through, no strikes are given", "siaga112 mode observe")
