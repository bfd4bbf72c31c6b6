"""A tenth of a country on this machine: 50 centres, one Redis, 1,000,000 numbers, ten times the mean load.

It prints the table of docs/scale.md: what each part costs, measured here, and what that makes for a centre
and for a country of 500 centres. Every part is the real one: redis-server with its append-only file, the
outbox on disk, the recorder, the daemon's screening half as its own process, calls recorded on Asterisk.
"""

import asyncio
import json
import logging
import os
import socket
import sqlite3
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from contextlib import AsyncExitStack, closing, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from random import Random
from typing import Final

import structlog

from siaga112.adapters.outbox import SqliteOutbox
from siaga112.adapters.redis.block_list import RedisBlockList, key
from siaga112.adapters.redis.connect import connect
from siaga112.app.records import DATABASE
from siaga112.app.store import open_site
from siaga112.captures.replay import Replay
from siaga112.core import codec
from siaga112.core.ami.framer import Framer
from siaga112.core.ami.parser import parse
from siaga112.core.model import DAY, END_OF_TIME, Caller, Entry, Level
from siaga112.core.rules import InForce
from siaga112.core.standing import Standing
from siaga112.service.recording import Recorder
from siaga112.settings.schema import Settings
from tests.fakes.meter import KeptMeter
from tests.lab import ports
from tests.lab.daemon import CONFIG, Daemon
from tests.lab.redis_servers import RedisServer, home
from tests.soak import calls
from tests.soak.calls import Played
from tests.waiting import output, until

CENTRES: Final = 500
CALLS_A_DAY: Final = 25_000_000
NUMBERS: Final = 10_000_000
PEAK: Final = 10
"""The highest load, as a multiple of the day's mean."""

TENTH: Final = 10
SITES: Final = CENTRES // TENTH
KEEP_DAYS: Final = 400
"""`[privacy] keep_calls`, its default."""

RUSH_SECONDS: Final = 20
FLAT_OUT_SECONDS: Final = 8.0
CALLS: Final = 6_000
CALLS_EACH: Final = 10
"""How many calls a caller makes, in the mean."""
MIB: Final = 1 << 20
GIB: Final = 1 << 30
_TICKS: Final = os.sysconf("SC_CLK_TCK")


def mean_rate() -> float:
    """Return the calls a second of the whole country, over the day."""
    return CALLS_A_DAY / 86_400


@dataclass(slots=True)
class Costs:
    """What was measured: times in seconds of one core, memory in bytes."""

    number: float = 0.0
    row: float = 0.0
    track: float = 0.0
    verdict: float = 0.0
    record: float = 0.0
    events: float = 0.0
    rates: dict[str, float] = field(default_factory=dict)
    together: list[str] = field(default_factory=list)
    resident: int = 0


# ── the numbers on the lists ─────────────────────────────────────────────────────────────────────


def fill(server: RedisServer, path: Path, count: int) -> float:
    """Write this many blocked numbers into Redis, spread over the sites; return the bytes of each."""
    before = _used(server)
    told = codec.dump_standing(Standing(level=Level.TEMPORARY, since=0, until=END_OF_TIME - 1)).encode()
    with socket.socket(socket.AF_UNIX) as wire:
        wire.settimeout(60)
        wire.connect(str(path))

        def send(*commands: bytes) -> None:
            wire.sendall(b"".join(commands))
            answers = len(commands)
            while answers:  # ends: the socket has a timeout
                answers -= wire.recv(65_536).count(b"\n")

        for begin in range(0, count, 500):
            numbers = range(begin, min(count, begin + 500))
            rows = [(_site(number), _caller(number)) for number in numbers]
            send(*(_resp(b"HSET", key(site, who).encode(), who.encode(), told) for site, who in rows))
        for number in range(SITES):
            send(_resp(b"SET", b"siaga112:{%b}:edition" % _site(number).encode(), b"scale 0"))
    return (_used(server) - before) / count


def _caller(number: int) -> Caller:
    return Caller(f"+62812{number:08d}")


def _site(number: int) -> str:
    return f"centre-{number % SITES:02d}"


def _resp(*words: bytes) -> bytes:
    return b"*%d\r\n" % len(words) + b"".join(b"$%d\r\n%b\r\n" % (len(word), word) for word in words)


def _used(server: RedisServer) -> int:
    """Return the bytes in use, without what only waits to be written to the file or to a client."""
    told = server.ask("INFO", "memory")
    return int(told["used_memory"]) - int(told["mem_aof_buffer"]) - int(told["mem_clients_normal"])


# ── following the PBX ────────────────────────────────────────────────────────────────────────────


def track(count: int, costs: Costs) -> list[Entry]:
    """Follow this many real calls, one after the other, from their bytes to their outcomes."""
    chance, recorded = Random(112), {name: calls.read(name) for name in calls.MIX}
    data, now = bytearray(), time.time()
    for order in range(count):
        call = recorded[chance.choices(list(calls.MIX), list(calls.MIX.values()))[0]]
        played = Played.begun(now, order, f"0812{chance.randrange(count // CALLS_EACH):08d}")
        data += b"".join(call.played(message, now + later, played) for later, message in call.messages)
    stream = b"Asterisk Call Manager/11.0.0\r\n" + bytes(data)
    replay = Replay(Settings().rules())
    framer, entries, events = Framer(), list[Entry](), 0
    began = time.process_time()
    for begin in range(0, len(stream), 4_096):
        for message in framer.feed(stream[begin : begin + 4_096]):
            events += 1
            entries += replay.run([parse(message, 0)])
    costs.track = (time.process_time() - began) / count
    costs.events = events / count
    return entries


# ── recording, and asking ────────────────────────────────────────────────────────────────────────


async def record(url: str, folder: Path, entries: Sequence[Entry], costs: Costs) -> None:
    """Move calls of one site through its outbox into the database, as fast as possible."""
    async with _Site(url, folder, "flat-out") as (outbox, recorder):
        await recorder.record(entries[:1])
        before, own = _on_disk(folder), time.process_time()
        await outbox.append(entries)
        began = time.monotonic()
        work = asyncio.create_task(recorder.run())
        await _emptied(outbox)
        took = time.monotonic() - began
        await _end(work)
        costs.rates["record"] = len(entries) / took
        costs.record = (time.process_time() - own) / len(entries)
        costs.row = (_on_disk(folder) - before) / len(entries)


class _Site:
    """One site's outbox and recorder, open during the block."""

    def __init__(self, url: str, folder: Path, site: str) -> None:
        keep = KEEP_DAYS * DAY
        self._store = open_site(
            f"sqlite:///{folder}/{DATABASE}", lambda: RedisBlockList(connect(url), site), site, keep, keep
        )
        self._outbox = SqliteOutbox(folder / f"{site}.db")

    async def __aenter__(self) -> tuple[SqliteOutbox, Recorder]:
        await self._outbox.open()
        return self._outbox, Recorder(self._outbox, self._store, InForce(Settings().rules()), KeptMeter())

    async def __aexit__(self, *_: object) -> None:
        await self._outbox.close()
        await self._store.close()


async def screen(agi: int, daemon: Daemon, costs: Costs) -> None:
    """Ask the screening half of one centre as fast as it answers, several at once."""
    before = _cpu(daemon.pid)
    found = await _asking(agi, FLAT_OUT_SECONDS, 0)
    costs.rates["verdict"] = found["asked"] / FLAT_OUT_SECONDS
    costs.verdict = (_cpu(daemon.pid) - before) / found["asked"]


async def _asking(agi: int, seconds: float, rate: float) -> dict[str, float]:
    """Ask in another process about numbers of that centre, every other of which is on its list."""
    arguments = (agi, seconds, rate, 2 * NUMBERS // CENTRES, SITES)
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "benchmarks.asking", *map(str, arguments)), stdout=asyncio.subprocess.PIPE
    )
    out, _ = await output(process, "benchmarks.asking", seconds + 60)
    if process.returncode:
        raise SystemExit(f"benchmarks.asking ended with {process.returncode}: no verdict came")
    found: dict[str, float] = json.loads(out)
    return found


async def rush(agi: int, url: str, folder: Path, entries: Sequence[Entry], times: int) -> str:
    """Run 50 centres at this multiple of the mean: each call is asked about, ends, and is recorded."""
    rate = times * mean_rate() / TENTH
    async with AsyncExitStack() as stack:
        opened = [await stack.enter_async_context(_Site(url, folder, _site(n))) for n in range(SITES)]
        recording = [asyncio.create_task(recorder.run()) for _, recorder in opened]
        asking = asyncio.create_task(_asking(agi, RUSH_SECONDS, rate))
        ending = set[asyncio.Task[None]]()
        began = time.monotonic()
        for order in range(int(RUSH_SECONDS * rate)):
            await asyncio.sleep(began + order / rate - time.monotonic())
            outbox, entry = opened[order % SITES][0], entries[order % len(entries)]
            ending.add(asyncio.create_task(outbox.append([entry])))
        await asyncio.gather(*ending)
        ended = time.monotonic()
        await _emptied(*(outbox for outbox, _ in opened))
        behind, asked = time.monotonic() - ended, await asking
        await _end(*recording)
    return (
        f"At {len(ending) / (ended - began):.0f} calls/s ({times} times the mean), {RUSH_SECONDS} s: "
        f"{asked['asked']:,.0f} verdicts took {1e3 * asked['p50']:.1f} ms (median) and "
        f"{1e3 * asked['p99']:.1f} ms (p99), {asked['unanswered']:,.0f} without an answer; "
        f"all calls were recorded {behind:.2f} s after the last ended."
    )


async def _emptied(*outboxes: SqliteOutbox) -> None:
    """Return when all entries of the outboxes are recorded."""
    await until(lambda: not any(outbox.pending for outbox in outboxes), 120.0)


async def _end(*tasks: asyncio.Task[None]) -> None:
    for task in tasks:
        task.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)


def _cpu(pid: int) -> float:
    """Return the seconds of processor time that a process has used."""
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / _TICKS


def _on_disk(folder: Path) -> int:
    """Return the bytes of the database after its write-ahead log is merged into it."""
    with closing(sqlite3.connect(folder / DATABASE)) as database:
        database.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchall()
    return (folder / DATABASE).stat().st_size


# ── all of it ────────────────────────────────────────────────────────────────────────────────────


@contextmanager
def _screening(url: str) -> Iterator[tuple[Daemon, int]]:
    with tempfile.TemporaryDirectory(prefix="s112-scale-") as folder:
        agi = ports.free()
        more = f'[redis]\nurl = "{url}"\n'
        config = CONFIG.format(state=f"{folder}/state", ami=1, agi=agi, metrics=ports.free(), more=more)
        config = config.replace('site = "lab"', f'site = "{_site(0)}"')
        yield Daemon(Path(folder), config, {}, 0), agi


async def measure() -> Costs:
    """Measure all parts one after the other, and then together."""
    costs = Costs()
    _say(f"following {CALLS:,} calls")
    entries = track(CALLS, costs)
    assert len(entries) == CALLS
    with home() as folder:
        path = folder / "redis" / "redis.sock"
        with RedisServer(folder / "redis", "appendonly yes", "appendfsync everysec") as server:
            _say(f"filling Redis with {NUMBERS // TENTH:,} numbers")
            costs.number = fill(server, path, NUMBERS // TENTH)
            url = f"unix://{path}"
            _say("recording")
            await record(url, folder, entries[: CALLS // 3], costs)
            with _screening(url) as (daemon, agi):
                await daemon.start("--only", "screen")
                try:
                    await daemon.event("store_up", timeout=60)
                    _say("asking")
                    await screen(agi, daemon, costs)
                    for times in (1, PEAK):
                        _say(f"{SITES} centres at {times} times the mean for {RUSH_SECONDS} s")
                        costs.together.append(await rush(agi, url, folder, entries, times))
                finally:
                    await daemon.stop()
            costs.resident = int(server.ask("INFO", "memory")["used_memory_rss"])
    return costs


def table(costs: Costs) -> str:
    """Return, as Markdown, what was measured and what that makes of a centre and of the country."""
    peak = PEAK * mean_rate()

    def load(seconds: float) -> tuple[str, ...]:
        return tuple(f"{seconds * peak / share:.2g} cores" for share in (CENTRES, TENTH, 1))

    def memory(size: float) -> tuple[str, ...]:
        return tuple(_size(size / share) for share in (CENTRES, TENTH, 1))

    rows = [
        ("", "measured here", "a centre", "a tenth: 50 centres", "the country: 500"),
        ("---",) * 5,
        ("calls a day", "", *(f"{CALLS_A_DAY // share:,}" for share in (CENTRES, TENTH, 1))),
        ("calls/s, mean", "", *(f"{mean_rate() / share:,.2f}" for share in (CENTRES, TENTH, 1))),
        (f"calls/s, {PEAK} times that", "", *(f"{peak / share:,.1f}" for share in (CENTRES, TENTH, 1))),
        (
            "following a call, AMI to outcome",
            f"{costs.track * 1e6:,.0f} µs, {costs.events:.0f} events",
            *load(costs.track),
        ),
        (
            "a verdict, in the daemon",
            f"{costs.verdict * 1e6:,.0f} µs; {costs.rates['verdict']:,.0f}/s from one process",
            *load(costs.verdict),
        ),
        (
            "recording a call, in the daemon",
            f"{costs.record * 1e6:,.0f} µs; {costs.rates['record']:,.0f}/s from one outbox",
            *load(costs.record),
        ),
        (
            "numbers on the lists",
            f"{costs.number:,.0f} B each, of {NUMBERS // TENTH:,}",
            *memory(costs.number * NUMBERS),
        ),
        (
            "calls in the ledger on disk, a day of them",
            f"{costs.row:,.0f} B each",
            *memory(costs.row * CALLS_A_DAY),
        ),
        (
            f"the same, kept {KEEP_DAYS} days",
            "",
            *memory(costs.row * CALLS_A_DAY * KEEP_DAYS),
        ),
    ]
    together = "\n\n".join(costs.together)
    return "\n".join(f"| {' | '.join(row)} |" for row in rows) + (
        f"\n\nAll {SITES} centres on one SQLite, and on one Redis with {NUMBERS // TENTH:,} numbers "
        f"({costs.resident / GIB:.2f} GB resident):\n\n{together}"
    )


def _size(size: float) -> str:
    return f"{size / GIB:,.1f} GB" if size >= GIB else f"{size / MIB:,.1f} MB"


def _say(text: str) -> None:
    print(f"… {text}", flush=True)


def main() -> None:
    """Measure and print the table."""
    began = time.monotonic()
    structlog.configure(wrapper_class=structlog.make_filtering_bound_logger(logging.CRITICAL))
    costs = asyncio.run(measure())
    print(table(costs))
    print(
        f"\n({os.cpu_count()} cores, load {os.getloadavg()[0]:.1f}, {time.monotonic() - began:.0f} s in all)"
    )


if __name__ == "__main__":
    main()
