"""`siaga112 top` for real: in a terminal, beside a running daemon, and with read rights alone."""

import asyncio
import json
import os
import re
import signal
import sys
from collections.abc import AsyncIterator
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

import pytest

from siaga112.core.changes import Change
from tests.fakes.manager import Manager, Session, channel, event, new
from tests.lab import ports
from tests.lab.daemon import CONFIG, Daemon, Output, midday
from tests.lab.redis_servers import home, plain
from tests.lab.stores import site_store
from tests.lab.terminal import Terminal, terminal
from tests.samples import NOW, SNAPSHOT, entry, prank

pytestmark = pytest.mark.redis

ENTER, LEAVE = "\x1b[?1049h", "\x1b[?1049l"
SHOW_CURSOR = "\x1b[?25h"
COLOURS = re.compile(r"\x1b\[(?:[0-9;]*;)?(?:3[0-8]|9[0-7])[0-9;]*m")
READER = "+get"
"""All rights that a user who only looks needs, as docs/reference.md says."""


def top(site: Daemon, *options: str, **environ: str) -> AbstractAsyncContextManager[Terminal]:
    """Run `siaga112 top` in a terminal, with the configuration of this site."""
    environ = {"SIAGA112_CONFIG": str(site.config), "PATH": os.environ["PATH"], **environ}
    return terminal(sys.executable, "-m", "siaga112", "top", *options, environ=environ)


@dataclass
class Centre:
    """A daemon that follows a fake manager interface."""

    daemon: Daemon
    manager: Manager
    session: Session

    def waits(self, uid: str = "1795000000.1") -> None:
        """Make a caller arrive, be screened and join the queue."""
        self.session.send(
            new(uid),
            event("VarSet", **channel(uid), Variable="SIAGA_REASON", Value="not_blocked"),
            event("VarSet", **channel(uid), Variable="SIAGA_VERDICT", Value="ALLOW"),
            event("QueueCallerJoin", **channel(uid), Queue="siaga112", Position="1"),
        )


@asynccontextmanager
async def following(*options: str, screen_port: int = 0) -> AsyncIterator[Centre]:
    """Run a daemon with embedded Redis. `screen_port`: the metrics port of its other half, if any."""
    manager = Manager()
    await manager.start()
    with home() as folder:
        metrics = ports.free()
        config = CONFIG.format(
            state=folder / "state", ami=manager.port, agi=ports.free(), metrics=metrics, more=""
        )
        if screen_port:
            config = config.replace(f"screen_port = {metrics}", f"screen_port = {screen_port}")
        daemon = Daemon(folder, config, {"SIAGA112_AMI__SECRET": "lab"}, metrics)
        await daemon.start(*options)
        try:
            await daemon.ready()
            yield Centre(daemon, manager, await manager.session())
        finally:
            await daemon.stop()
            await manager.stop()


@pytest.fixture
async def centre() -> AsyncIterator[Centre]:
    """Run a daemon that is both halves."""
    async with following() as running:
        yield running


@pytest.mark.parametrize("key", ["q", "\x03", ""], ids=["q", "Ctrl-C", "SIGTERM"])
async def test_a_call_is_seen_and_q_leaves(centre: Centre, key: str) -> None:
    """A waiting caller is shown masked; q, Ctrl-C or SIGTERM ends it with 0 and restores the terminal."""
    async with top(centre.daemon) as seen:
        before = seen.attributes
        await seen.shows("calls in progress: 0")
        assert seen.attributes != before, "keys are heard without Enter"
        centre.waits()
        await seen.shows("calls in progress: 1 (1 queue)")
        await seen.shows("+62812*****111  ALLOW    not_blocked")
        await seen.shows("siaga112   1 waiting, longest 0:")
        await seen.shows("ok, last event 0:0")
        if key:
            seen.press(key)
        else:
            seen.process.terminate()
        assert await seen.ended() == 0
        assert seen.attributes == before
    assert seen.raw.count(ENTER) == seen.raw.count(LEAVE) == 1
    assert seen.raw.index(ENTER) < seen.raw.index("calls in progress") < seen.raw.rindex(LEAVE)
    assert seen.raw.rindex(SHOW_CURSOR) > seen.raw.rindex("calls in progress")
    assert "081211111111" not in seen.raw
    assert "+6281211111111" not in seen.raw


async def test_a_terminal_that_changes_its_size_is_drawn_anew(centre: Centre) -> None:
    """A resized terminal is redrawn, other keys do nothing, and with NO_COLOR there are no colours."""
    async with top(centre.daemon, NO_COLOR="1") as seen:
        await seen.shows(f"calls in progress: 0 {'─' * 59}")
        seen.press("x\x1a ")
        since = seen.mark()
        seen.resize(40, 20)
        await seen.shows(f"calls in progress: 0 {'─' * 19}\n", since)
        seen.press("q")
        assert await seen.ended() == 0
    assert not COLOURS.search(seen.raw)


async def test_what_goes_away_is_told_and_comes_back(centre: Centre) -> None:
    """Redis and the daemon are each reported in one line when they go, and shown again when they return."""
    async with top(centre.daemon, "--interval", "200ms") as seen:
        await seen.shows("store        ok")
        since = seen.mark()
        await centre.daemon.stop()
        await seen.shows("is not running", since)
        await seen.shows(f"! daemon {centre.daemon.metrics_url}: connection refused", since)
        since, lines = seen.mark(), len(centre.daemon.lines)
        await centre.daemon.start()
        await centre.daemon.event("ami_connected", since=lines)
        await seen.shows("store        ok", since)
        await seen.shows("s old", since)
        seen.press("q")
        assert await seen.ended() == 0
    assert "Traceback" not in seen.raw


async def test_a_half_that_is_away_is_missed() -> None:
    """Where the halves are two processes, each has its line, and the absent one is reported."""
    port = ports.free()
    async with following("--only", "track", screen_port=port) as centre:
        tracking = centre.daemon
        screening = Daemon(tracking.folder, tracking.config.read_text(), {}, port)
        async with top(tracking) as seen:
            await seen.shows("tracking     up 0:")
            await seen.shows(f"! screening {screening.metrics_url}: connection refused")
            await screening.start("--only", "screen")
            await seen.shows("screening    up 0:")
            await screening.stop()
            seen.press("q")
            assert await seen.ended() == 0


async def test_once_prints_a_frame_and_ends(centre: Centre) -> None:
    """Without a terminal one frame is printed; with `--json` it is one object."""
    centre.waits()
    async with asyncio.timeout(60):
        while not (row := (await centre.daemon.command("top", "--json")).json)["calls"]:
            pass  # each look is a question to the store
    (call,) = row["calls"]
    assert (call["stage"], call["caller"], call["queue"]) == ("queue", "+62812*****111", "siaga112")
    assert call["screened"] == "ALLOW not_blocked"
    assert (row["site"], row["mode"], row["pbx_connected"]) == ("lab", "enforce", True)
    assert row["store"] == {"up": True, "problem": None}
    assert [(one["url"], one["up"]) for one in row["metrics"]] == [(centre.daemon.metrics_url, True)]
    printed = await centre.daemon.command("top", "--reveal")
    assert (printed.code, printed.err) == (0, "")
    assert "+6281211111111" in printed.out
    assert "\x1b" not in printed.out
    assert max(map(len, printed.out.splitlines())) <= 80
    indonesian = (await centre.daemon.command("--lang", "id", "top")).out
    assert "panggilan berlangsung: 1 (1 menunggu)" in indonesian
    assert "putusan terakhir" in indonesian


@asynccontextmanager
async def reading(folder: Path, url: str) -> AsyncIterator[Daemon]:
    """Yield the commands of a site with this Redis, where no daemon runs any more."""
    store = site_store(folder / "state", "lab")
    await store.tallies()
    await store.close()
    metrics = ports.free()
    more = f'[redis]\nurl = "{url}"\n'
    config = CONFIG.format(state=folder / "state", ami=ports.free(), agi=1, metrics=metrics, more=more)
    yield Daemon(folder, config, {"SIAGA112_TIMEZONE": midday()}, metrics)


async def test_leaving_does_not_wait_for_an_answer() -> None:
    """`q` leaves while Redis does not answer."""
    with home() as folder, plain() as server:
        async with reading(folder, server.url) as commands, top(commands) as seen:
            await seen.shows("store        ok")
            server.signal(signal.SIGSTOP)
            await seen.shows("! Redis: ", seen.mark())
            seen.press("q")
            assert await seen.ended() == 0
    assert "Traceback" not in seen.raw


@pytest.mark.parametrize(
    "environ", [{"PYTHONIOENCODING": "latin-1"}, {"TERM": "dumb"}], ids=["latin-1", "dumb"]
)
async def test_a_terminal_that_can_do_little_has_the_words(environ: dict[str, str]) -> None:
    """A terminal without line drawing, or that cannot move the cursor, shows the same words."""
    with home() as folder, plain() as server:
        async with reading(folder, server.url) as commands, top(commands, **environ) as seen:
            await seen.shows("operators  not known")
            if "TERM" not in environ:
                seen.press("q")
            assert await seen.ended() == 0


async def test_looking_changes_nothing() -> None:
    """A user with read rights alone sees everything, live too, and Redis refuses nothing that is asked."""
    with home() as folder, plain() as server:
        server.ask("ACL", "SETUSER", "looker", "on", ">secret", "~siaga112:*", "-@all", *READER.split())
        store = site_store(folder / "state", "lab", server.url)
        await store.write([Change(entry=entry(prank(1, NOW)))])
        url = server.url.replace("unix://", "unix://looker:secret@")
        async with reading(folder, url) as commands:
            await store.put_snapshot(SNAPSHOT)
            server.ask("PERSIST", "siaga112:{lab}:now")
            row = (await commands.command("top", "--json")).json
            assert [call["stage"] for call in row["calls"]] == ["queue", "talking", "ivr"]
            async with top(commands) as seen:
                await seen.shows("total        1")
                await store.write([Change(entry=entry(prank(2, NOW)))])
                await seen.shows("total        2")
                seen.press("q")
                assert await seen.ended() == 0
        await store.close()
        assert server.ask("ACL", "LOG") == []


def failed(ended: Output, code: int) -> str:
    """Check that it ended with this code and without a traceback; return what it printed."""
    assert ended.code == code, ended
    assert "Traceback" not in ended.err
    return ended.out + ended.err


async def test_a_redis_that_is_not_there_ends_once_with_4() -> None:
    """Without Redis, `--once` and `--json` end with 4, and say what is away."""
    with home() as folder:
        async with reading(folder, f"redis://127.0.0.1:{ports.free()}") as commands:
            assert "! Redis: " in failed(await commands.command("top", "--once"), 4)
            row = json.loads(failed(await commands.command("top", "--json"), 4))
            assert (row["store"]["up"], row["calls"], row["today"]) == (False, None, None)


@pytest.mark.parametrize(("interval", "told"), [("fast", "not a duration"), ("10ms", "at least 200ms")])
async def test_an_interval_that_is_none_is_refused(interval: str, told: str) -> None:
    """A wrong interval ends with 2 and the remedy."""
    with home() as folder:
        async with reading(folder, "redis://127.0.0.1:1") as commands:
            assert told in failed(await commands.command("top", "--interval", interval), 2)
