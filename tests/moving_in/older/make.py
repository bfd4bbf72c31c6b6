"""Make `redis.json` and `said.json` with the version before 0.1.0, which stored everything in Redis.

    git archive 0b829f8^ src | tar x -C OLDER
    PYTHONPATH=OLDER/src python -m tests.moving_in.older.make

A month of one centre: its recorder records calls and its commands make decisions, each at its time.
`redis.json` has all keys of its Redis without their expiry, `said.json` what its commands print at `NOW`.
"""

import asyncio
import json
import os
import subprocess
import sys
import tempfile
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from importlib import import_module
from pathlib import Path
from typing import Any, Final

from redis import Redis

from siaga112 import logs
from siaga112.adapters.redis.connect import connect
from siaga112.core.ledger import entry_of
from siaga112.core.model import Call, Caller, CallId, Fact, FactKind, Mode
from siaga112.core.rules import InForce
from siaga112.service.recording import Recorder
from siaga112.settings.loading import load
from tests.fakes.meter import KeptMeter
from tests.fakes.outbox import MemoryOutbox
from tests.lab.redis_servers import RedisServer

HERE: Final = Path(__file__).parent
SECOND, MINUTE, HOUR, DAY = 1_000, 60_000, 3_600_000, 86_400_000
NOW: Final = 1_795_863_600_000
"""2026-11-28T11:00:00Z, after everything below."""

PATIENCE: Final = 120.0
"""Seconds that a command may take."""

SITE: Final = "serang"
CONFIG: Final = """\
site = "{site}"
state_dir = "{home}/state"
mode = "enforce"
[redis]
url = "unix://{home}/redis.sock"
[policy]
threshold = 5
permanent = "automatic"
"""

BLOCKED, AGAIN, BY_HAND, LIFTED, NEVER, WAITS, CORRECTED, ERASED, PROPOSED, NEAR, SETTLED = (
    f"+62812111100{number:02}" for number in range(11)
)
TOLD: Final = (BLOCKED, AGAIN, BY_HAND, LIFTED, NEVER, WAITS, CORRECTED, ERASED, PROPOSED, NEAR, SETTLED)
PERIOD: Final = ("--from", "2026-11-01", "--to", "2026-11-28")

ASKED: Final = (
    ("blocks", "--json"),
    ("blocks", "--proposed", "--json"),
    ("allowed", "--json"),
    ("callbacks", "--json"),
    ("calls", "--since", "60d", "--json"),
    ("audit", "--since", "60d", "--json"),
    ("report", *PERIOD, "--format", "json", "--reveal"),
    ("mode",),
    *(("why", caller, "--json") for caller in TOLD),
)
"""The commands whose output is recorded at the end."""

AT: Final = """
import sys, time
at = int(sys.argv.pop(1))
time.time_ns = lambda: at * 1_000_000
from siaga112.cli import main
main()
"""
"""Runs a command at a given time."""


def configured(home: Path) -> Path:
    """Write the configuration."""
    (home / "state").mkdir(mode=0o700)
    config = home / "siaga112.toml"
    config.write_text(CONFIG.format(site=SITE, home=home))
    return config


def command(config: Path, at: int, *words: str, source: str = "") -> str:
    """Return what a command prints at that time. `source`: the other program's folder, if not this one."""
    environ = {**os.environ, **({"PYTHONPATH": source} if source else {})}
    done = subprocess.run(
        [sys.executable, "-c", AT, str(at), "--config", str(config), *words],
        check=False,
        capture_output=True,
        env=environ,
        timeout=PATIENCE,
    )
    assert done.returncode == 0, (words, done.stderr.decode())
    return done.stdout.decode()


def said(config: Path, source: str = "") -> dict[str, Any]:
    """Return what the commands print at `NOW`."""

    def ask(words: tuple[str, ...]) -> Any:
        text = command(config, NOW, *words, source=source)
        return json.loads(text) if text.startswith(("[", "{")) else text

    with ThreadPoolExecutor(2) as several:
        return dict(zip(map(" ".join, ASKED), several.map(ask, ASKED), strict=True))


def loaded(client: Redis, held: dict[str, Any]) -> None:
    """Write all of these keys."""
    for name, value in held.items():
        match value:
            case dict():
                client.hset(name, mapping=value)
            case [[_, _], *_]:
                client.zadd(name, dict(value))
            case list():
                client.sadd(name, *value)
            case _:
                client.set(name, value)


def dumped(client: Redis) -> dict[str, Any]:
    """Return all keys except the stream, which only matters to those who read it live."""
    asked: Any = client  # its types mix sync and async answers
    found: dict[str, Any] = {}
    for key in sorted(asked.keys()):
        name = key.decode()
        match asked.type(key):
            case b"hash":
                found[name] = {f.decode(): v.decode() for f, v in sorted(asked.hgetall(key).items())}
            case b"zset":
                found[name] = [[m.decode(), s] for m, s in asked.zrange(key, 0, -1, withscores=True)]
            case b"set":
                found[name] = sorted(m.decode() for m in asked.smembers(key))
            case b"string":
                found[name] = asked.get(key).decode()
    return found


# ── the month ────────────────────────────────────────────────────────────────────────────────────


def call(number: int, caller: str | None, started: int, *seen: tuple[int, str, str]) -> Call:
    """Return a call. `seen`: after how many seconds what was seen, with its detail."""
    facts = [(0, "arrived", ""), (0, "screened", "ALLOW not_blocked"), *seen]
    made = [Fact(started + 1_000 * after, FactKind(kind), detail) for after, kind, detail in facts]
    made.append(Fact(made[-1].at + 50, FactKind.ENDED, "16"))
    raw = "0" + caller[3:] if caller else "anonymous"
    who = Caller(caller) if caller else None
    return Call(CallId(f"{started // 1_000}.{number}"), raw, who, identified=bool(caller), facts=tuple(made))


KINDS: Final = {
    "prank": ((2, "menu", ""), (10, "left_menu", "")),
    "genuine": (
        (2, "menu", ""), (8, "queued", "siaga112"), (15, "connected", "PJSIP/101"), (95, "marked", "genuine"),
        (100, "parted", ""),
    ),
    "marked prank": (
        (2, "menu", ""), (8, "queued", "siaga112"), (12, "connected", "PJSIP/101"), (20, "marked", "prank"),
        (21, "parted", ""),
    ),
    "answered": ((3, "queued", "siaga112"), (9, "connected", "PJSIP/102"), (70, "parted", "")),
    "abandoned": ((3, "queued", "siaga112"), (44, "left_queue", "")),
    "unserved": ((3, "queued", "siaga112"), (63, "gave_up", "TIMEOUT")),
    "early": ((1, "left_arrival", ""),),
    "in part": ((5, "gap", ""), (9, "left_menu", "")),
}  # fmt: skip


def month() -> list[tuple[int, str, str | None]]:
    """Return the calls of the month: when, which kind, by whom."""
    made: list[tuple[int, str, str | None]] = []
    many = tuple(KINDS)
    for number in range(120):  # everybody else's
        who = None if number % 9 == 0 else f"+628139990{number % 40:04}"
        made.append((NOW - 27 * DAY + number * 5 * HOUR, many[number % len(many)], who))
    for nth in range(7):
        made += [
            (NOW - 3 * HOUR + nth * MINUTE, "prank" if nth < 6 else "turned away", BLOCKED),
            (NOW - 9 * DAY + nth * MINUTE, "prank" if nth < 6 else "turned away", AGAIN),
            (NOW - 8 * DAY + nth * MINUTE, "prank", NEVER),
            (NOW - 7 * DAY + nth * MINUTE, "genuine" if nth == 0 else "prank", PROPOSED),
            (NOW - 5 * DAY + nth * MINUTE, "genuine" if nth == 0 else "prank", SETTLED),
        ]
    made.append((NOW - 4 * DAY, "prank", AGAIN))
    made += [(NOW - 6 * DAY + nth * HOUR, "abandoned", WAITS) for nth in range(3)]
    made += [(NOW - 2 * DAY + nth * HOUR, "marked prank", CORRECTED) for nth in range(2)]
    made += [(NOW - 3 * DAY + nth * HOUR, "prank", ERASED) for nth in range(4)]
    made += [(NOW - 1 * DAY + nth * HOUR, "prank", NEAR) for nth in range(5)]
    return sorted(made, key=lambda one: one[0])


DECIDED: Final = (
    (NOW - 20 * DAY, ("block", BY_HAND, "--permanent", "--reason", "threats, case 12/2026")),
    (NOW - 19 * DAY, ("block", LIFTED, "--for", "30d", "--reason", "the wrong one")),
    (NOW - 18 * DAY, ("unblock", LIFTED, "--reason", "mixed up", "--mistake")),
    (NOW - 17 * DAY, ("allow", NEVER, "--reason", "hospital switchboard")),
    (NOW - 4 * DAY - HOUR, ("dismiss", SETTLED, "--reason", "a child at play, spoken with")),
    (NOW - 30 * HOUR, ("forget", ERASED, "--yes", "--reason", "letter of 3 March")),
    (NOW - 3 * HOUR - MINUTE, ("mode", "enforce", "--reason", "after a month of watching")),
)
"""What people decided, and when."""


async def record(home: Path, config: Path) -> None:
    """Record the calls and make the decisions, in the order of their times."""
    logs.silence()
    rules = load(config).rules()
    stores: Any = import_module("siaga112.adapters.redis.store")  # today's program has none
    store = stores.RedisStore(connect(f"unix://{home}/redis.sock"), SITE, 400 * DAY, 400 * DAY)
    recorder = Recorder(MemoryOutbox(), store, InForce(rules), KeptMeter())
    waiting = list(DECIDED)
    corrected = ""
    for number, (at, kind, who) in enumerate(month()):
        while waiting and waiting[0][0] <= at:
            when, words = waiting.pop(0)
            command(config, when, *words)
        seen = KINDS.get(kind, ())
        made = call(number, who, at, *seen)
        if kind == "turned away":
            arrived, screened, ended = made.facts
            rejected = Fact(at + 20, FactKind.REJECTED)
            made = replace(made, facts=(arrived, replace(screened, detail="BLOCK blocked"), rejected, ended))
        if who == CORRECTED:
            corrected = corrected or made.id
        (error,) = await recorder.record([entry_of(made, rules, Mode.ENFORCE, lambda: "")])
        assert error is None, error
    for when, words in waiting:
        command(config, when, *words)
    command(config, NOW - HOUR, "mark", corrected, "genuine", "--note", "it burned indeed")
    await store.close()


def main() -> None:
    """Write both files."""
    with tempfile.TemporaryDirectory(prefix="s112-older-") as folder:
        home = Path(folder)
        config = configured(home)
        with RedisServer(home), Redis(unix_socket_path=f"{home}/redis.sock") as client:
            asyncio.run(record(home, config))
            for name, content in (("redis.json", dumped(client)), ("said.json", said(config))):
                lines = (f"{json.dumps(key)}: {json.dumps(one)}" for key, one in content.items())
                (HERE / name).write_text("{\n" + ",\n".join(lines) + "\n}\n")


if __name__ == "__main__":
    main()
