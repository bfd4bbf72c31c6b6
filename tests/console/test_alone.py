"""`siaga112 run --only console` as the only process: start, reload and end, with and without records."""

import asyncio
import json
import signal
import tempfile
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any, Final

import aiohttp
import pytest

from siaga112.adapters.child import CHILD
from siaga112.adapters.database.connect import connect
from siaga112.adapters.database.records import DatabaseRecords
from siaga112.adapters.database.versions import bring
from siaga112.core.announcements import Announcement, EventType
from siaga112.core.model import CallId
from tests.lab import ports
from tests.lab.daemon import Daemon
from tests.waiting import ended, killed, within

PATIENCE: Final = 30.0

CONFIG: Final = """\
site = "lab"
mode = "{mode}"
state_dir = "{state}"
[redis]
url = "redis://127.0.0.1:{nobody}/0"
"""
"""No Redis listens on that port: to be ready, the console needs only the records."""


class Alone(Daemon):
    """The console without a daemon."""

    def __init__(self, folder: Path) -> None:
        self.nobody = ports.free()
        super().__init__(folder, self.text("observe", folder), {}, ports.free())

    def text(self, mode: str, folder: Path) -> str:
        """Return the text of a configuration file."""
        return CONFIG.format(mode=mode, state=folder / "state", nobody=self.nobody)

    def make_records(self) -> None:
        """Create the tables, as the daemon does at its start."""
        state = self.folder / "state"
        state.mkdir(0o700, exist_ok=True)
        engine = connect(f"sqlite:///{state}/siaga112.db")
        bring(engine)
        engine.dispose()

    async def get(self, path: str, token: str = "") -> tuple[int, Any]:
        """Send a request; return the status and the JSON."""
        headers = {"Authorization": f"Bearer {token}"} if token else {}
        async with (
            within(PATIENCE, path),
            aiohttp.ClientSession() as session,
            session.get(self.console_url + path, headers=headers) as answer,
        ):
            return answer.status, await answer.json(content_type=None)

    async def becomes(self, path: str, wanted: tuple[int, Any], token: str = "") -> None:
        """Ask until the answer is the wanted one."""
        async with within(PATIENCE, f"{wanted} from {path}"):
            while await self.get(path, token) != wanted:
                pass  # each look is a question


@asynccontextmanager
async def alone(*, records: bool = True) -> AsyncIterator[Alone]:
    """Run a console by itself until the block ends."""
    with tempfile.TemporaryDirectory(prefix="siaga112-") as folder:
        console = Alone(Path(folder))
        if records:
            console.make_records()
        await console.start("--only", "console")
        try:
            if records:
                await console.event("console")
            yield console
        finally:
            await console.stop()


async def test_it_says_that_it_lives_and_that_it_is_ready() -> None:
    """/healthz answers at once and /readyz after the records were read, without Redis, PBX or user."""
    async with alone() as console:
        assert await console.get("/healthz") == (200, {"ok": True})
        await console.becomes("/readyz", (200, {"records": True}))


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT], ids=lambda one: one.name)
async def test_it_ends_at_once_and_cleanly(number: signal.Signals) -> None:
    """On SIGTERM or SIGINT it exits with status 0, logs `stopped` last and deletes its state file."""
    async with alone() as console:
        await console.becomes("/readyz", (200, {"records": True}))
        assert await console.stop(number) == 0
        assert console.lines[-1]["event"] == "stopped"
        assert not [one for one in console.lines if one.get("level") == "error"]
        assert not [*(console.folder / "state").glob("running*")]


async def test_it_ends_at_once_while_somebody_follows_events() -> None:
    """A program that follows events without end does not delay the console's end."""
    async with alone() as console:
        token = await console.add_token("wall", "viewer")
        headers = {"Authorization": f"Bearer {token}"}
        url = f"{console.console_url}/api/v1/events"
        async with aiohttp.ClientSession() as session, session.get(url, headers=headers) as answer:
            assert answer.status == 200
            async with within(5, "its end"):
                assert await console.stop() == 0


async def test_sighup_takes_the_new_configuration_over() -> None:
    """After SIGHUP, the same process answers by the new configuration."""
    async with alone() as console:
        token = await console.add_token("wall", "viewer")
        status, mode = await console.get("/api/v1/mode", token)
        assert (status, mode["mode"]) == (200, "observe")
        pid, since = console.pid, len(console.lines)
        console.config.write_text(console.text("enforce", console.folder), "utf-8")
        console.signal(signal.SIGHUP)
        await console.event("reloaded", since=since)
        async with within(PATIENCE, "the new mode"):
            while (await console.get("/api/v1/mode", token))[1]["mode"] != "enforce":
                pass  # each look is a question
        assert console.pid == pid


async def test_sighup_while_it_waits_for_the_records_is_heeded_when_they_are_there() -> None:
    """A SIGHUP during the wait for the records takes effect when they exist, and ends nothing."""
    async with alone(records=False) as console:
        await console.event("records_not_reached")
        console.config.write_text(console.text("enforce", console.folder), "utf-8")
        console.signal(signal.SIGHUP)
        console.make_records()
        await console.event("reloaded")
        token = await console.add_token("wall", "viewer")
        await console.becomes("/readyz", (200, {"records": True}))
        assert (await console.get("/api/v1/mode", token))[1]["mode"] == "enforce"


@pytest.mark.parametrize("text", ["mode = [[[", 'mode = "sometimes"\n', "\0", 'unknown = "key"\n'])
async def test_sighup_with_a_bad_configuration_changes_nothing(text: str) -> None:
    """A bad configuration is refused with one log line, and the one in force stays."""
    async with alone() as console:
        since = len(console.lines)
        console.config.write_text(text, "utf-8")
        console.signal(signal.SIGHUP)
        refused = await console.event("reload_refused", since=since)
        assert refused["kept"] == "the configuration in force"
        await console.becomes("/readyz", (200, {"records": True}))
        assert await console.stop() == 0


async def test_it_waits_for_the_records_and_then_serves() -> None:
    """Started before the tables exist, it logs so once and is ready as soon as they do."""
    async with alone(records=False) as console:
        await console.event("records_not_reached")
        console.make_records()
        await console.event("console")
        await console.becomes("/readyz", (200, {"records": True}))
        assert [one["event"] for one in console.lines].count("records_not_reached") == 1


async def test_while_it_waits_for_the_records_it_heeds_who_ends_it() -> None:
    """While it still waits for the records, SIGTERM ends it with status 0."""
    async with alone(records=False) as console:
        await console.event("records_not_reached")
        console.signal(signal.SIGTERM)
        async with within(10, "its end"):
            assert await console.ended() == 0
        assert console.lines[-1]["event"] == "stopped"


@pytest.mark.parametrize("records", [True, False], ids=["serving", "waiting for the records"])
async def test_a_part_of_a_daemon_ends_with_it(records: bool) -> None:  # noqa: FBT001 - a parameter of pytest's
    """A console that is a child ends with status 0 when the daemon's end of its standard input closes."""
    with tempfile.TemporaryDirectory(prefix="siaga112-") as folder:
        console = Alone(Path(folder))
        if records:
            console.make_records()
        process = await asyncio.create_subprocess_exec(
            *(*console.command_line, "run", "--only", "console"),
            env=console.environ | {CHILD: "1"},
            stdin=asyncio.subprocess.PIPE,
            stdout=asyncio.subprocess.DEVNULL,
            stderr=asyncio.subprocess.PIPE,
        )
        try:
            assert process.stdin
            assert process.stderr
            async with within(PATIENCE, "its first line"):
                first = json.loads(await process.stderr.readline())
            assert first["event"] == ("console" if records else "records_not_reached")
            process.stdin.close()
            assert await ended(process, "the console", 10) == 0
        finally:
            await killed(process)


async def test_the_first_event_of_all_is_told_to_who_follows() -> None:
    """A program that follows events gets the very first event of a new site."""
    async with alone() as console:
        await console.becomes("/readyz", (200, {"records": True}))
        token = await console.add_token("wall", "viewer")
        records = DatabaseRecords(connect(f"sqlite:///{console.folder}/state/siaga112.db"), "lab")
        headers = {"Authorization": f"Bearer {token}"}
        url = f"{console.console_url}/api/v1/events"
        try:
            async with (
                within(PATIENCE, "the event"),
                aiohttp.ClientSession() as session,
                session.get(url, headers=headers) as answer,
            ):
                assert await records.last_announced() == 0
                await records.announce([Announcement(EventType.CALL_STARTED, 1_000, CallId("1.1"))])
                told = b""
                while b"id.siaga112.call.started" not in told:
                    told += await answer.content.readany()
        finally:
            await records.close()


async def test_an_address_that_is_taken_is_said_in_one_line() -> None:
    """A port in use ends the start with a message that names it, without a traceback."""
    async with alone() as first:
        second = await first.begin("run", "--only", "console")
        refused = await Daemon.finish(second, "a second console")
        assert refused.code != 0
        said = f"the console cannot listen on 127.0.0.1:{first.console_port}"
        assert said in refused.err
        assert "Traceback" not in refused.err
        assert '"event": "console"' not in refused.err, "it must not say that it is there before it listens"
        await first.becomes("/readyz", (200, {"records": True}))


async def test_a_hundred_who_come_at_once_are_answered() -> None:
    """A hundred simultaneous requests are all answered, and the console ends cleanly afterwards."""
    async with alone() as console:
        await console.becomes("/readyz", (200, {"records": True}))
        answers = await asyncio.gather(*(console.get("/healthz") for _ in range(100)))
        assert set(map(str, answers)) == {"(200, {'ok': True})"}
        assert await console.stop() == 0
