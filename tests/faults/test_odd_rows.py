"""Whatever is in the outbox, queue_log, AMI or Redis, the daemon starts, screens and keeps running."""

import asyncio
import json
import random
import sqlite3
from contextlib import closing
from pathlib import Path
from typing import Final

import pytest

from siaga112.core.codec import dump_entry
from siaga112.core.model import SECOND
from tests.faults.calls import event, misuse, uid
from tests.faults.conftest import NUMBER, Rig, rig
from tests.faults.figures import Measured
from tests.lab import ports
from tests.lab.redis_servers import USER, RedisServer, home
from tests.samples import NOW, entry, prank
from tests.waiting import within

pytestmark = pytest.mark.redis

FAR: Final = 999_999_999_999
"""A time in the year 33658, in seconds."""

ODD: Final = (
    dump_entry(entry(prank(70))).replace(str(NOW), str(FAR * SECOND)),
    dump_entry(entry(prank(71))).replace(str(NOW), "-1"),
    dump_entry(entry(prank(72))).replace("left_menu", "left_the_building"),
    '{"reached":"","at":1}',
    '{"reached":["+6281211111111"],"at":1}',
    "not json",
    "[" * 5_000,
    "1" * 5_000,
    b"\xff\xfe",
    None,
    17,
    3.5,
)
"""Entries that no store accepts."""

QUEUE_LOG: Final = (
    f"{FAR}|{FAR}.1|siaga112|NONE|ENTERQUEUE||081211111111|1",
    f"{FAR}|{FAR}.1|siaga112|NONE|ABANDON|1|1|3",
    f"{NOW // SECOND}|{NOW // SECOND}.1\0|siaga112|NONE|ENTERQUEUE||\00812|1",
    f"{NOW // SECOND}|{NOW // SECOND}.1\0|siaga112|NONE|ABANDON|1|1|3",
    "\0" * 64,
    f"5|{NOW // SECOND}.2|siaga112|NONE|ENTERQUEUE||081211111111|1",
    f"{NOW // SECOND}|{NOW // SECOND}.3|siaga112|NONE|ENTERQUEUE||081211111111|1",
    f"{NOW // SECOND}|{NOW // SECOND}.3|siaga112|NONE|ABANDON|1|1|3",
)
"""The last two lines are valid: a call that only queue_log has."""

ONCE: Final = "siaga112:{lab}:"
KEYS: Final = (
    *(f"{ONCE}{name}" for name in ("changes", "edition", "mode", "now")),
    *(f"siaga112:lab:standings:{number:03x}" for number in range(0, 4_096, 512)),
)
TOLD: Final = frozenset({"store_broken", "store_down"})
CYCLE_SECONDS: Final = 90.0
"""A stop, a start and a verdict take about 5 s, on a busy machine ten times as long."""


def fill(outbox: Path, *entries: object) -> None:
    """Replace the outbox of a stopped daemon by these entries."""
    with closing(sqlite3.connect(outbox)) as database, database:
        database.execute("DROP TABLE IF EXISTS outbox")
        database.execute("CREATE TABLE outbox (key INTEGER PRIMARY KEY AUTOINCREMENT, entry)")
        for one in entries:
            how = "CAST(? AS TEXT)" if isinstance(one, bytes) else "?"
            database.execute(f"INSERT INTO outbox (entry) VALUES ({how})", (one,))  # noqa: S608 - ours


def aside(outbox: Path) -> int:
    """Return how many entries were set aside. Each must have a reason."""
    with closing(sqlite3.connect(outbox)) as database:
        reasons = [row for (row,) in database.execute("SELECT reason FROM aside")]
    assert all(reasons)
    return len(reasons)


async def restarted(running: Rig) -> None:
    """Start a stopped daemon, and wait until it follows the PBX and screens."""
    since = len(running.daemon.lines)
    await running.daemon.start()
    await running.daemon.event("started", since=since, timeout=CYCLE_SECONDS)
    await running.daemon.event("ami_connected", since=since, timeout=CYCLE_SECONDS)
    running.session = await running.pbx.manager.session()
    assert (await running.ask()).verdict == "ALLOW"


Spoilt = tuple[str, tuple[object, ...]]
"""An SQL statement and its values."""


def spoil_records(state: Path, *statements: Spoilt) -> None:
    """Write into the database of a stopped daemon, as a person or a faulty disk might."""
    with closing(sqlite3.connect(state / "siaga112.db")) as database, database:
        for statement, values in statements:
            database.execute(statement, values)


BROKEN_CALLER: Final = """
INSERT INTO caller (site, caller, version, reached, level, since, warn_until)
VALUES (1, ?, 1, 0, 'often', 'long', 0)
"""
BROKEN_STRIKE: Final = """
INSERT INTO strike (site, caller, call, at, outcome, reason, trunk, attested)
VALUES (1, ?, '1.1', -5, 'asleep', '', '', 7)
"""
BROKEN_LINE: Final = """
INSERT INTO audit (site, at, by, action, subject, detail, reason, digest)
VALUES (1, ?, '', '', '', '', '', 'x')
"""


def broken_caller(caller: str) -> tuple[Spoilt, ...]:
    """Return statements that make a caller's record unreadable."""
    return (BROKEN_CALLER, (caller,)), (BROKEN_STRIKE, (caller,))


def odd_events(call: str) -> bytes:
    """Return the events of a call at an impossible time."""
    return misuse(call, "081266666666", FAR * SECOND)


@pytest.mark.fault("odd_rows")
async def test_what_can_never_be_recorded_goes_aside_and_holds_nobody_up(
    redis: RedisServer, measured: Measured, tmp_path: Path
) -> None:
    """An impossible entry is set aside and counted; it stops neither a start nor the recording of others."""
    log = tmp_path / "queue_log"
    log.write_bytes("\n".join((*QUEUE_LOG, "")).encode())
    redis.ask("SET", KEYS[5], "no standings")
    redis.ask("SET", f"{ONCE}mode", "asleep")
    redis.ask("SET", f"{ONCE}changes", "none")
    more = f'[pbx]\nqueues = ["siaga112"]\nqueue_log = "{log}"\n'
    async with rig(redis, more=more, wait=False) as running:
        await running.daemon.event("ami_connected")
        running.session = await running.pbx.manager.session()
        running.play(odd_events(uid(80, NOW)))
        await running.daemon.stop()
        outbox = running.daemon.folder / "state" / "outbox.db"
        sound = [dump_entry(entry(prank(n))) for n in range(60, 63)]
        fill(outbox, *sound[:1], *ODD, *sound[1:])
        spoil_records(outbox.parent, *broken_caller("+6281255555555"), *broken_caller("+6281244444444"))
        await restarted(running)
        rows = await running.until_recorded(len(sound) + 1)
        call = running.misuse()
        rows = await running.until_recorded(len(sound) + 2)
        assert call in {row.finding.call.id for row in rows}
        async with within(30, "all that is odd aside"):
            while await running.metric("outbox_lost_total") < len(ODD):
                pass  # no sleep: each check asks the daemon
        measured("set aside", aside(outbox))
        measured("counted less than aside", len(ODD) - await running.metric("outbox_lost_total"), at_most=0)
        measured("sound ones lost", len(sound) + 2 - len(rows), at_most=0)
        assert not [line for line in running.daemon.lines if line["event"] == "part_failed"]
        await running.daemon.stop()
        await restarted(running)
        assert aside(outbox) == len(ODD)


@pytest.mark.fault("odd_outbox")
@pytest.mark.parametrize("kind", ["junk", "half", "other"])
async def test_an_outbox_that_is_none_is_kept_beside_a_new_one(
    kind: str, redis: RedisServer, measured: Measured
) -> None:
    """If outbox.db is damaged, the daemon starts with a new one, logs where the old one is, and counts it."""
    async with rig(redis) as running:
        await running.daemon.stop()
        outbox = running.daemon.folder / "state" / "outbox.db"
        if kind == "junk":
            outbox.write_bytes(b"\0junk" * 5_000)
        elif kind == "half":
            outbox.write_bytes(outbox.read_bytes()[:100] + b"\xff" * 4_000)
        else:
            with closing(sqlite3.connect(outbox)) as database:
                database.execute("DROP TABLE outbox")
                database.execute("CREATE TABLE outbox (another TEXT)")
        await restarted(running)
        call = running.misuse()
        rows = await running.until_recorded(1)
        assert [row.finding.call.id for row in rows] == [call]
        line = await running.daemon.event("outbox_damaged")
        assert line["kept"].startswith(f"{outbox}.damaged-")
        measured("not counted", 1 - await running.metric("outbox_lost_total"), at_most=0)


async def no_redis(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    """Answer like a web server, not like Redis."""
    await reader.read(64)  # ends: with the client
    writer.write(b"HTTP/1.1 400 Bad Request\r\n\r\n")
    writer.close()


@pytest.mark.fault("odd_redis")
@pytest.mark.parametrize("kind", ["select", "none"])
async def test_a_redis_that_takes_nothing_ends_nothing(
    kind: str, redis: RedisServer, measured: Measured
) -> None:
    """If Redis is unusable, the daemon answers ALLOW, loses no ended call, and logs what is wrong."""
    with home() as folder:
        server = await asyncio.start_server(no_redis, "127.0.0.1", 0)
        port = server.sockets[0].getsockname()[1]
        guarded_port = ports.free()
        with RedisServer(folder, f"port {guarded_port}", "bind 127.0.0.1") as guarded:
            url = f"redis://127.0.0.1:{port}"
            if kind == "select":
                guarded.ask("ACL", "SETUSER", *USER.split()[1:])
                url = f"redis://siaga112:change-me@127.0.0.1:{guarded_port}/1"
            async with rig(redis, url=url, wait=False) as running:
                await running.daemon.event("started")
                await running.daemon.event("ami_connected")
                running.session = await running.pbx.manager.session()
                call = running.misuse()
                said = await running.daemon.wait_for(lambda line: line["event"] in TOLD)
                assert ("not Redis" if kind == "none" else "SELECT") in said["detail"]
                (row,) = await running.until_recorded(1)
                assert row.finding.call.id == call
                answers = [await running.ask() for _ in range(10)]
                measured("not ALLOW", sum(one.verdict != "ALLOW" for one in answers), at_most=0)
                assert not [line for line in running.daemon.lines if line["event"] == "part_failed"]
                doctor = await running.daemon.command("doctor", "--json")
                redis_lines = [line for line in json.loads(doctor.out) if "edis" in json.dumps(line)]
                assert any(line["health"] == "fail" for line in redis_lines), redis_lines
        server.close()


@pytest.mark.fault("odd_span")
@pytest.mark.night
async def test_no_span_and_no_record_makes_a_listing_fail(redis: RedisServer, measured: Measured) -> None:
    """A block of 273,973 years is refused; if one is stored, or an unreadable record, lists still work."""
    far, broken = "+6281255555555", "+6281244444444"
    async with rig(redis) as running:
        refused = await running.daemon.command(
            *("block", NUMBER, "--for", "99999999d", "--reason", "a slip of the finger")
        )
        assert (refused.code, "100 years" in refused.err) == (2, True), refused
        await running.done("block", far, "--for", "1d", "--reason", "a slip of the finger")
        await running.daemon.stop()
        spoil_records(
            running.daemon.folder / "state",
            *broken_caller(broken),
            ("UPDATE caller SET until = ? WHERE caller = ?", (8 * 10**18, far)),
            ("UPDATE block SET until = ? WHERE caller = ?", (8 * 10**18, far)),
            (BROKEN_LINE, (NOW + 0.5,)),
        )
        await restarted(running)
        listed = await running.daemon.command("blocks", "--json")
        assert [row["caller"] for row in listed.json] == [far]
        assert broken in listed.err
        traces = 0
        for words in (
            *(("why", far), ("subject", far), ("why", broken), ("blocks",), ("audit",), ("report",)),
            *(("unblock", far, "--reason", "a slip"), ("forget", broken, "--yes", "--reason", "unreadable")),
        ):
            said = await running.daemon.command(*words)
            traces += "Traceback" in said.err
            assert said.code == 0 or broken in words, (words, said)
        measured("tracebacks", traces, at_most=0)
        assert (await running.daemon.command("blocks", "--json")).json == []


def junk(chance: random.Random) -> bytes:
    """Return random bytes, or an entry with random damage."""
    sound = dump_entry(entry(prank(chance.randrange(90)))).encode()
    match chance.randrange(4):
        case 0:
            return chance.randbytes(chance.randrange(60))
        case 1:
            at = chance.randrange(len(sound))
            return sound[:at] + chance.randbytes(3) + sound[at + 3 :]
        case 2:
            return sound.replace(str(NOW)[:6].encode(), str(chance.randrange(10**9)).encode(), 2)
        case _:
            odd = {"reached": chance.random(), "at": chance.randrange(-(10**20), 10**20)}
            return json.dumps(odd).encode()


COLUMNS: Final = (
    *(("site", name) for name in ("epoch", "published", "mode", "mode_at")),
    *(("caller", name) for name in ("version", "level", "since", "until", "warn_until", "dropped")),
    *(("call", name) for name in ("outcome", "started", "facts", "deciding")),
    *(("strike", "at"), ("block", "level"), ("audit", "at"), ("tally", "count"), ("imposition", "at")),
    ("unpublished", "version"),
)


def spoil(redis: RedisServer, state: Path, chance: random.Random) -> None:
    """Put junk under some of our Redis keys and into some columns, in place of what is there."""
    for key in KEYS:
        if chance.random() < 0.5:
            redis.ask("DEL", key)
            kind = chance.randrange(4)
            name, value = junk(chance), junk(chance)
            if kind == 0:
                redis.ask("SET", key, value)
            elif kind == 1:
                redis.ask("HSET", key, name, value)
            elif kind == 2:
                redis.ask("HSET", key, f"+6281211111{chance.randrange(100):03}", value)
            else:
                redis.ask("XADD", key, "*", "c", name, "s", value)
    with closing(sqlite3.connect(state / "siaga112.db")) as database, database:
        for table, column in COLUMNS:
            if chance.random() < 0.3:
                odd = chance.choice((junk(chance), junk(chance).decode("latin-1"), -5, 1.5, 2**63 - 1))
                database.execute(f"UPDATE {table} SET {column} = ?", (odd,))  # noqa: S608 - ours


@pytest.mark.fault("odd_junk")
async def test_no_junk_anywhere_keeps_the_daemon_from_starting_and_screening(
    redis: RedisServer, measured: Measured, tmp_path: Path, *, full: bool
) -> None:
    """Whatever junk the stores hold, the daemon starts, answers every question, and no part of it fails."""
    log, seeds = tmp_path / "queue_log", 10 if full else 2
    log.touch()
    more = f'[pbx]\nqueues = ["siaga112"]\nqueue_log = "{log}"\n'
    silent = 0
    async with rig(redis, more=more) as running:
        for seed in range(seeds):
            chance = random.Random(seed)
            async with within(CYCLE_SECONDS, f"seed {seed}: stopped, spoilt, started, asked"):
                await running.daemon.stop()
                fill(running.daemon.folder / "state" / "outbox.db", *(junk(chance) for _ in range(40)))
                log.write_bytes(
                    b"\n".join(
                        chance.choice((junk(chance), QUEUE_LOG[chance.randrange(len(QUEUE_LOG))].encode()))
                        for _ in range(40)
                    )
                )
                spoil(redis, running.daemon.folder / "state", chance)
                await restarted(running)
                running.play(event("Hangup", chance.randrange(10**15), Uniqueid=junk(chance).hex()))
                silent += (await running.ask(NUMBER)).verdict != "ALLOW"
        failed = sum(line["event"] == "part_failed" for line in running.daemon.lines)
        measured("no verdict", silent, at_most=0)
        measured("parts failed", failed, at_most=0)
        measured("starts", seeds)
