"""What is left of a caller on disk after `forget`."""

import re
import sqlite3
import struct
import time
from contextlib import closing
from pathlib import Path
from typing import Final

import pytest
from redis.asyncio import Redis

from siaga112.adapters.redis.embedded import socket_path
from siaga112.core.caller_id import canonical
from tests.faults.calls import answered, misuse, uid
from tests.faults.conftest import NUMBER, Switchboard
from tests.faults.figures import Measured
from tests.lab.daemon import Daemon, running
from tests.waiting import within

pytestmark = pytest.mark.redis

SPELLINGS: Final = (NUMBER, f"+62{NUMBER[1:]}", f"62{NUMBER[1:]}", f"0062{NUMBER[1:]}")
OTHER: Final = "081233333333"
CALLER: Final = f"+62{NUMBER[1:]}"


def hits(folder: Path, number: str = NUMBER) -> dict[str, int]:
    """Return by file how often the number occurs: as text, with or without separators, or as an integer."""
    digits = number[1:]
    text = re.compile(rb"[^0-9A-Za-z]{0,2}".join(one.encode() for one in digits))
    whole = [struct.pack(order, int(one)) for order in ("<q", ">q") for one in (digits, f"62{digits}")]
    found = {}
    for path in folder.rglob("*"):
        if not path.is_file():
            continue
        content = path.read_bytes()
        if count := len(text.findall(content)) + sum(content.count(one) for one in whole):
            found[str(path.relative_to(folder))] = count
    return found


def set_aside(state: Path) -> None:
    """Create what faults leave: unreadable entries, damaged copies, temporary files of a killed Redis."""
    with closing(sqlite3.connect(state / "outbox.db", isolation_level=None, timeout=20)) as database:
        for text in (f'{{"broken": "{CALLER}"', f'{{"broken": "{OTHER}"', b"\xff0812-1111 1111\x00"):
            database.execute("INSERT INTO outbox (entry) VALUES (?)", (text,))
    (state / "outbox.db.damaged-1").write_bytes(b"\x00junk" + CALLER.encode() + b"\x00")
    (state / "siaga112.db.version-0000-1").write_bytes(b"\x00junk" + CALLER.encode() + b"\x00")
    for name in ("temp-rewriteaof-bg-1.aof", "temp-1.rdb"):
        (state / "redis" / name).parent.mkdir(exist_ok=True)
        (state / "redis" / name).write_bytes(b"$14\r\n" + CALLER.encode() + b"\r\n")


async def done(daemon: Daemon, *words: str) -> str:
    """Run a command that must succeed; return its output."""
    output = await daemon.command(*words)
    assert output.code == 0, output.err
    return output.out


async def recorded(daemon: Daemon, calls: int) -> None:
    """Wait until the ledger has that many calls."""
    async with within(120, f"{calls} calls in the ledger"):
        while (await daemon.command("calls", "--since", "3d", "--json")).out.count('"call":') < calls:
            pass  # no sleep: each check runs a command


@pytest.mark.fault("forgotten")
async def test_a_forgotten_number_is_in_no_file(measured: Measured) -> None:
    """After `forget`, no file has the caller's number in any spelling, not even files that were set aside."""
    assert canonical(NUMBER) == CALLER
    now = time.time_ns() // 1_000_000  # the daemon would correct times far from its own
    pbx = Switchboard()
    await pbx.manager.start()
    try:
        async with running(pbx) as daemon:
            state = daemon.folder / "state"
            session = await pbx.manager.session()
            for nth, spelled in enumerate((*SPELLINGS, OTHER)):
                at = now - 300_000 + nth * 20_000
                session.send(misuse(uid(nth, at), spelled, at))
            at = now - 60_000
            session.send(answered(uid(9, at), NUMBER, at, "prank"))
            await recorded(daemon, len(SPELLINGS) + 2)
            await done(daemon, "block", NUMBER, "--for", "2h", "--reason", f"by letter of {NUMBER}")
            since = len(daemon.lines)
            set_aside(state)
            await daemon.event("set_aside", since=since)
            async with (
                within(20, "all three entries set aside"),
                Redis(unix_socket_path=str(socket_path(state))) as redis,
            ):
                await redis.config_set("rdbcompression", "no")  # so that a search finds every number
                while (await daemon.metrics()).count('outbox_lost_total{site="lab"} 3.0') < 1:
                    pass  # no sleep: each check asks the daemon
            before, others = hits(state), hits(state, OTHER)
            assert sum(before.values()) > 10
            assert {name.partition("-")[0] for name in before} >= {"outbox.db.damaged", "siaga112.db.version"}
            told = await done(daemon, "forget", NUMBER, "--yes", "--reason", "asked")
            assert "2 entries set aside, 4 damaged files" in told
            assert "Redis has rewritten its file" in told
            after = hits(state)
            measured("places with the number", sum(after.values()), at_most=0)
            assert after == {}
            assert set(hits(state, OTHER)) & {"outbox.db", "outbox.db-wal"}, others
            await done(daemon, "why", NUMBER)
            assert hits(state) == {}
        assert hits(state) == {}, "nor does the end of the daemon write it"
    finally:
        await pbx.manager.stop()
