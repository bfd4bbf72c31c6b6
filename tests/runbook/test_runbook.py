"""Each alert's situation and what the runbook says to do, with a PBX that is only a manager interface.

Sections with a real PBX's commands are tested in tests/pbx/test_runbook.py.
"""

import contextlib
import json
import resource
import signal
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any, Final

import pytest

from siaga112.adapters.database.connect import connect
from siaga112.adapters.database.records import DatabaseRecords
from siaga112.core.model import DAY, SECOND
from siaga112.service.ports import Parked, WebhookProgress, WebhookResult
from siaga112.service.writing import FULL
from tests.faults.calls import arrives, hangs_up, misuse, queues
from tests.faults.conftest import NUMBER, Rig, rig
from tests.lab import ports
from tests.lab.daemon import PROGRAM
from tests.lab.postgres import Postgres, postgres, with_tables
from tests.lab.redis_servers import RedisServer, home
from tests.runbook.axis import alerts
from tests.runbook.page import sections
from tests.runbook.trying import Trying, until

Situation = Callable[["Bench"], Awaitable[None]]
HERE: Final[dict[str, Situation]] = {}
BY_DAY: Final = {"Block surge", "Callbacks waiting"}
"""The other sections run at night."""

AT_THE_PBX: Final = {
    "PBX unreachable",
    "No events while calls up",
    "Malformed AMI",
    "Withheld share",
    "Service level fast burn",
    "Service level slow burn",
    "Service level below target",
    "No operator available",
}
"""Tested in tests/pbx/test_runbook.py, with a real Asterisk."""

ON_TRUNKS: Final = {"Calls unfollowed", "Calls not seen"}
"""Tested in tests/pbx/test_unfollowed.py, with real trunks: what the doctor finds, and its remedy."""

WATCHED: Final = {"Doctor fails", "Doctor silent"}
"""Tested in tests/pbx/test_doctor.py, with faults of a real PBX."""

OTHER: Final = "081222222222"


class Bench:
    """A rig, and a user who follows the runbook."""

    def __init__(self, found: Rig, trying: Trying, folder: Path, port: int, server: Postgres | None) -> None:
        self.rig, self.trying, self.folder, self.port = found, trying, folder, port
        self._postgres = server

    @property
    def postgres(self) -> Postgres:
        """The PostgreSQL of sections in which the database fails."""
        assert self._postgres
        return self._postgres

    def abandon(self, number: str) -> str:
        """Let a caller hang up while waiting for an operator."""
        call, at = self.rig._next()
        where = {"Context": "siaga112-queue", "Exten": "s", "Priority": "1"}
        self.rig.play(
            arrives(call, number, at),
            queues(call, number, at + 4_000),
            hangs_up(call, number, at + 9_000, where),
        )
        return call

    async def rows(self, *command: str) -> list[dict[str, Any]]:
        """Return the rows that a command lists."""
        return list(json.loads(await self.rig.done(*command, "--json")))

    async def lists(self, count: int, *command: str) -> list[dict[str, Any]]:
        """Wait until a command lists that many rows; return them."""
        found: list[dict[str, Any]] = []

        async def there() -> bool:
            found[:] = await self.rows(*command)
            return len(found) == count

        await until(there)
        return found

    async def shows(self, name: str, value: float, **labels: str) -> None:
        """Wait until a metric has that value."""

        async def there() -> bool:
            return await self.rig.metric(name, **labels) == value

        await until(there)


def situation(section: str) -> Callable[[Situation], Situation]:
    """Return a decorator: the function brings about this section's situation."""

    def keep(act: Situation) -> Situation:
        HERE[section] = act
        return act

    return keep


ON_POSTGRESQL: Final = frozenset({"Database down", "Outbox growing"})
"""Sections in which the database is unreachable, which only PostgreSQL can be."""

MORE: Final = {
    "Block surge": '[policy]\nthreshold = 1\nsurge = false\n[pbx]\nqueues = ["siaga112"]\n',
    "Hourly cap reached": "[policy]\nthreshold = 1\nblocks_per_hour = 1\nsurge = false\n",
    "Blocked then genuine": "[policy]\nthreshold = 1\nsurge = false\n",
    "Webhook parked": f'[events.webhooks.cad]\nurl = "http://127.0.0.1:1/"\nsecret = "whsec_{"A" * 43}="\n',
    "Only observing": "[policy]\nthreshold = 1\nsurge = false\n",
}


SLOW: Final = """
import signal, time
from siaga112.service.screening import Screener
at_hand, pause = Screener._at_hand, [0.15]
def late(self, request):
    time.sleep(pause[0])
    return at_hand(self, request)
signal.signal(signal.SIGUSR2, lambda *_: pause.__setitem__(0, 0.0))
Screener._at_hand = late
from siaga112.cli import main
main()
"""
"""Runs the daemon as on a busy machine: each verdict takes 0.15 s longer, until SIGUSR2."""


@asynccontextmanager
async def benched(section: str) -> AsyncIterator[Bench]:
    """Set up a bench for a section. Its Redis listens where the embedded one would, and at a port."""
    port = ports.free()
    with contextlib.ExitStack() as stack, home() as folder:
        (folder / "supervisor").mkdir()
        server = stack.enter_context(postgres()) if section in ON_POSTGRESQL else None
        environ = {"SIAGA112_DATABASE__URL": with_tables(server.url)} if server else {}
        with RedisServer(folder / "redis", f"port {port}", "appendonly yes", "appendfsync always") as redis:
            program = ("-c", SLOW) if section == "Verdicts slow" else PROGRAM
            async with rig(redis, more=MORE.get(section, ""), program=program, environ=environ) as found:
                trying = Trying(section, found.daemon, folder / "supervisor")
                trying.places |= {
                    "URL": f"redis://127.0.0.1:{port}",
                    "STATE_DIR": str(folder),
                    "NUMBER": NUMBER,
                    "127.0.0.1:9112": f"127.0.0.1:{found.daemon.metrics_port}",
                }
                yield Bench(found, trying, folder, port, server)


@situation("Absent")
async def absent(bench: Bench) -> None:
    """A killed daemon is absent for Prometheus, and a restart of the units brings it back."""
    trying, daemon = bench.trying, bench.rig.daemon
    await trying.holds(5)
    await daemon.stop(signal.SIGKILL)
    await trying.holds(5)
    assert trying.axis.fires(trying.alert)
    await trying.run("curl", code=7)  # curl(1): failed to connect
    assert 'site = "lab"' in await trying.run("siaga112 check-config")
    said = await trying.run("systemctl restart")
    units = Path(__file__).parents[2] / "config" / "systemd"
    assert all((units / f"{unit}.service").is_file() for unit in said.split()[2:])
    since = len(daemon.lines)
    await daemon.start()  # as systemd would
    await daemon.event("started", since=since)
    await trying.holds(5)
    assert trying.axis.silent(trying.alert)


@situation("Daemon restarted")
async def restarted(bench: Bench) -> None:
    """An orderly restart logs `stopped` and fires the alert, which is over a quarter of an hour later."""
    trying, daemon = bench.trying, bench.rig.daemon
    await trying.holds(5)
    await daemon.stop()
    assert daemon.lines[-1]["event"] == "stopped"
    since = len(daemon.lines)
    await daemon.start()
    await daemon.event("started", since=since)
    await trying.holds(3)
    assert trying.axis.fires(trying.alert)
    await trying.holds(16)
    assert trying.axis.silent(trying.alert)


@situation("Mode off")
async def mode_off(bench: Bench) -> None:
    """The audit trail has who switched the mode off, and why; mode enforce ends the alert."""
    trying = bench.trying
    await trying.holds(2)
    await bench.rig.done("mode", "off", "--reason", "flood", "--by", "ratna")
    await bench.shows("mode", 1, mode="off")
    await trying.holds(64)
    assert trying.axis.fires(trying.alert)
    assert "ratna" in (trail := await trying.run("siaga112 audit"))
    assert "flood" in trail
    assert 'mode = "enforce"' in await trying.run("siaga112 check-config")
    await trying.run("siaga112 mode enforce --reason")
    await bench.shows("mode", 1, mode="enforce")
    await trying.holds(2)
    assert trying.axis.silent(trying.alert)


@situation("Only observing")
async def only_observing(bench: Bench) -> None:
    """`blocks` lists callers whom observing spared, `why` explains them, and mode enforce ends the alert."""
    trying = bench.trying
    trying.axis.step_seconds = 6 * 3_600
    await bench.rig.done("mode", "observe")
    await bench.shows("mode", 1, mode="observe")
    for _ in range(2):
        bench.rig.misuse()
    await bench.lists(1, "blocks")
    await trying.holds(122)
    assert trying.axis.fires(trying.alert)
    assert NUMBER[1:] in await trying.run("siaga112 blocks")
    assert "enforce would say BLOCK" in await trying.run("siaga112 why")
    await trying.run("siaga112 mode enforce --reason")
    await bench.shows("mode", 1, mode="enforce")
    await trying.holds(2)
    assert trying.axis.silent(trying.alert)


@situation("Redis down")
async def redis_down(bench: Bench) -> None:
    """Without Redis, the commands say so and a call is recorded; once Redis is up, the alert ends."""
    trying, redis = bench.trying, bench.rig.redis
    await trying.holds(2)
    redis.stop()
    await bench.shows("redis_up", 0)
    await trying.holds(3)
    assert trying.axis.fires(trying.alert)
    assert "! Redis: connection refused" in await trying.run("siaga112 top --once", code=4)
    assert "refused" in await trying.run("redis-cli -u", code=1)
    assert "Could not connect" in await trying.run("redis-cli -s", code=1)
    assert "Filesystem" in await trying.run("df")
    call = bench.rig.misuse()
    assert [row.finding.call.id for row in await bench.rig.until_recorded(1)] == [call]
    redis.start()
    await bench.shows("redis_up", 1)
    for line in (
        f"redis-cli -u redis://127.0.0.1:{bench.port} ping",
        f"redis-cli -s {bench.folder}/redis/redis.sock ping",
    ):
        assert (await trying.typed(line)).out == "PONG\n"
    await trying.holds(2)
    assert trying.axis.silent(trying.alert)


@situation("Database down")
async def database_down(bench: Bench) -> None:
    """Without the database, verdicts continue and a call is recorded later; a backup can be restored."""
    trying, server = bench.trying, bench.postgres
    await trying.holds(2)
    backup = bench.folder / "backup.zip"
    await bench.rig.done("backup", str(backup))
    trying.places["FILE"] = f"{backup} --replace"
    server.stop()
    await bench.shows("database_up", 0)
    await trying.holds(3)
    assert trying.axis.fires(trying.alert)
    assert "is it running, and is [database] url correct?" in await trying.run("siaga112 calls", code=4)
    assert "Filesystem" in await trying.run("df")
    assert (await bench.rig.ask()).reason == "not_blocked"
    bench.rig.misuse()
    await bench.shows("outbox_pending", 1)
    server.start()
    await bench.lists(1, "calls", "--since", "2d")
    assert "restored 0 calls" in await trying.run("siaga112 restore")
    await trying.holds(2)
    assert trying.axis.silent(trying.alert)


@situation("Block list behind")
async def block_list_behind(bench: Bench) -> None:
    """A block made without Redis takes effect once Redis is up; `rebuild` and `mode off` work too."""
    trying, redis = bench.trying, bench.rig.redis
    await trying.holds(2)
    redis.stop()
    await bench.rig.done("block", NUMBER, "--permanent", "--reason", "threats")
    await bench.shows("publish_pending", 1)
    await trying.holds(4)
    assert trying.axis.fires(trying.alert)
    redis.start()
    await bench.rig.told("blocked")
    await bench.shows("publish_pending", 0)
    assert "the block list is whole: 1 caller" in await trying.run("siaga112 rebuild")
    await trying.run("siaga112 mode off --reason")
    await bench.rig.told("mode_off")
    await trying.holds(4)
    assert trying.axis.silent(trying.alert)


@situation("Block list lost")
async def block_list_lost(bench: Bench) -> None:
    """If Redis is emptied, the loss is counted, blocks come back by themselves, and `blocks` lists them."""
    trying, redis = bench.trying, bench.rig.redis
    await bench.rig.done("block", NUMBER, "--permanent", "--reason", "threats")
    await bench.rig.told("blocked")
    before = await bench.rig.metric("block_list_rebuilds_total")
    await trying.holds(4)
    redis.ask("FLUSHALL")
    await bench.shows("block_list_rebuilds_total", before + 1)
    await bench.rig.told("blocked")
    await trying.holds(4)
    assert trying.axis.fires(trying.alert)
    assert "+6281211111111" in await trying.run("siaga112 blocks")
    await trying.holds(20)
    assert trying.axis.silent(trying.alert)


@situation("Outbox growing")
async def outbox_growing(bench: Bench) -> None:
    """A call waits in the outbox while the database is down, and is recorded by itself later."""
    trying, server = bench.trying, bench.postgres
    server.stop()
    bench.rig.misuse()
    await bench.shows("outbox_pending", 1)
    await trying.holds(12)
    assert trying.axis.fires(trying.alert)
    server.start()
    await bench.shows("outbox_pending", 0)
    await bench.lists(1, "calls", "--since", "2d")
    await trying.holds(2)
    assert trying.axis.silent(trying.alert)


@situation("Verdicts fail open")
async def fail_open(bench: Bench) -> None:
    """Without Redis, verdicts fail open with the cause store_down; once it is up, the alert ends."""
    trying, redis = bench.trying, bench.rig.redis
    await trying.holds(6)
    redis.stop()
    await bench.rig.told("store_down")
    for _ in range(50):  # hundreds of questions were answered in the first second
        await bench.rig.ask()
    await trying.holds(4)
    assert await bench.rig.metric("fail_open_total", cause="store_down") >= 1
    assert trying.axis.fires(trying.alert)
    redis.start()
    await bench.rig.told("not_blocked")
    await trying.holds(7)
    assert trying.axis.silent(trying.alert)


@situation("Verdicts slow")
async def slow(bench: Bench) -> None:
    """Verdicts that take 0.15 s longer fire the alert without freezing the loop; fast ones end it."""
    trying = bench.trying
    for _ in range(9):
        await bench.rig.ask()
        await trying.holds(2)
    assert trying.axis.fires(trying.alert)
    assert [line for line in bench.rig.daemon.lines if line["event"] == "loop_frozen"] == []
    bench.rig.daemon.signal(signal.SIGUSR2)
    for _ in range(4):
        await bench.rig.ask()
        await trying.holds(2)
    assert trying.axis.silent(trying.alert)


@situation("Callbacks waiting")
async def callbacks_waiting(bench: Bench) -> None:
    """A caller who gave up waiting is listed, and is off the list once called back."""
    trying = bench.trying
    bench.abandon(NUMBER)
    await bench.lists(1, "callbacks")
    await bench.shows("callbacks_pending", 1)
    await trying.holds(40)
    assert trying.axis.fires(trying.alert)
    assert NUMBER[1:] in await trying.run("siaga112 callbacks")
    assert "is off the list" in await trying.run("siaga112 callbacks --done")
    await bench.shows("callbacks_pending", 0)
    await trying.holds(2)
    assert trying.axis.silent(trying.alert)


@situation("Appeal due")
async def appeal_due(bench: Bench) -> None:
    """A caller whose appeal waits is listed, and is off the list once it is granted."""
    trying = bench.trying
    await trying.run(f'siaga112 block {NUMBER} --for 7d --reason "threats" --yes')
    await trying.run(f'siaga112 appeal {NUMBER} --reason "not me"')
    await bench.shows("appeals_pending", 1)
    await trying.holds(60 * 50)
    assert trying.axis.fires(trying.alert)
    assert NUMBER[1:] in await trying.run("siaga112 appeals")
    assert "granted" in await trying.run("siaga112 unblock")
    await bench.shows("appeals_pending", 0)
    await trying.holds(10)
    assert trying.axis.silent(trying.alert)


@situation("Block surge")
async def block_surge(bench: Bench) -> None:
    """21 callers blocked in an hour are listed and explained; mode observe spares all, `unblock` one."""
    trying, count = bench.trying, 21
    await bench.shows("blocks_active", 0)
    await trying.holds(5)
    for nth in range(count):
        for _ in range(2):
            bench.rig.misuse(f"0812000000{nth:02}")
    await bench.lists(count, "blocks")
    await bench.shows("blocks_imposed_total", count, origin="automatic")
    await trying.holds(3)
    assert trying.axis.fires(trying.alert)
    trying.places["NUMBER"] = "081200000000"
    assert (await trying.run("siaga112 blocks")).count("+62812000000") == count
    assert "strike 2" in await trying.run("siaga112 why")
    await bench.rig.told("blocked", "081200000001")
    await trying.run("siaga112 mode observe --reason")
    await bench.rig.told("would_block", "081200000001")
    assert "is no longer blocked" in await trying.run("siaga112 unblock")
    await bench.rig.told("not_blocked", "081200000000")
    await bench.lists(count - 1, "blocks")


@situation("Hourly cap reached")
async def hourly_cap(bench: Bench) -> None:
    """Blocks beyond the cap are proposed, and each of the three decisions settles one proposal."""
    trying = bench.trying
    await bench.shows("blocks_proposed", 0)
    await trying.holds(5)
    numbers = [f"0812000000{nth:02}" for nth in range(4)]
    for number in numbers:
        for _ in range(2):
            bench.rig.misuse(number)
        await bench.rig.until_recorded(2 * (numbers.index(number) + 1))
    proposed = [row["caller"] for row in await bench.lists(3, "blocks", "--proposed")]
    await bench.shows("blocks_proposed", 3)
    await trying.holds(3)
    assert trying.axis.fires(trying.alert)
    assert all(
        caller in said for said in [await trying.run("siaga112 blocks --proposed")] for caller in proposed
    )
    left = list(proposed)
    for begins in ("siaga112 why", "siaga112 block", "siaga112 confirm", "siaga112 dismiss"):
        trying.places["NUMBER"] = left[0].replace("+", "")
        said = await trying.run(begins)
        if begins == "siaga112 why":
            assert "the hour's automatic blocks are used up" in said
            continue
        left.pop(0)
        assert [row["caller"] for row in await bench.rows("blocks", "--proposed")] == left, begins
    assert "siaga112" in await trying.run("systemctl reload")
    since = len(bench.rig.daemon.lines)
    bench.rig.daemon.signal(signal.SIGHUP)  # what the unit does at a reload
    await bench.rig.daemon.event("reloaded", since=since)
    await bench.shows("blocks_proposed", 0)
    assert {row["caller"] for row in await bench.rows("blocks")} >= set(proposed[:2])


@situation("Webhook parked")
async def webhook_parked(bench: Bench) -> None:
    """A receiver that takes no events is listed with the reason, and `--again` sends what was parked."""
    trying = bench.trying
    await bench.shows("webhooks_total", 0, result="parked")
    await trying.holds(5)
    state = bench.rig.daemon.folder / "state" / "siaga112.db"
    records = DatabaseRecords(connect(f"sqlite:///{state}"), "lab")
    why = "connection refused"
    try:
        progress = WebhookProgress("cad", 1, None, 9, 1, 2, why)
        await records.keep_webhook(progress, WebhookResult.PARKED, Parked("cad", 1, 1, why, "{}"))
    finally:
        await records.close()
    await bench.shows("webhooks_total", 1, result="parked")
    await trying.holds(3)
    assert trying.axis.fires(trying.alert)
    trying.places["NAME"] = "cad"
    told = await trying.run("siaga112 webhooks")
    assert why in told
    assert "1 parked events are sent again" in await trying.run("siaga112 webhooks --again")


@situation("Blocked then genuine")
async def blocked_then_genuine(bench: Bench) -> None:
    """The genuine call is listed, `why` shows the caller's block, and `allow` exempts the caller."""
    trying = bench.trying
    for _ in range(2):
        bench.rig.misuse()
    await bench.lists(1, "blocks")
    await bench.rig.done("unblock", NUMBER, "--reason", "the phone was stolen")
    await bench.shows("marks_total", 0)
    await trying.holds(5)
    call = bench.rig.answer("genuine", time.time_ns() // 1_000_000)
    await bench.shows("blocked_then_genuine_total", 1)
    await trying.holds(3)
    assert trying.axis.fires(trying.alert)
    assert call in await trying.run("siaga112 calls")
    story = await trying.run("siaga112 why")
    assert "temporary block" in story
    assert "the phone was stolen" in story
    await trying.run("siaga112 allow")
    await bench.rig.told("allow_listed")


@situation("Clocks apart")
async def clocks_apart(bench: Bench) -> None:
    """A call is no strike while the PBX is two days ahead; once its clock is right, the alert clears."""
    trying, daemon = bench.trying, bench.rig.daemon
    await bench.shows("ami_clock_off_total", 0)
    await trying.holds(5)
    call, at = bench.rig._next()
    bench.rig.play(misuse(call, NUMBER, at + 2 * DAY))
    assert (await daemon.settled(call))["spared"] == "clock"
    await trying.holds(3)
    assert trying.axis.fires(trying.alert)
    assert (await daemon.event("ami_clock_off"))["pbx_ahead_seconds"] > DAY / SECOND
    assert "PBX clock" in await trying.run("siaga112 doctor", code=4)  # this PBX is only a manager interface
    await trying.run("systemctl enable")
    assert (await daemon.settled(bench.rig.misuse()))["strike"]
    await bench.rig.done("block", NUMBER, "--for", "1d", "--reason", "while the clock was wrong")
    assert "+6281211111111" in await trying.run("siaga112 blocks")
    assert "is no longer blocked" in await trying.run("siaga112 unblock")
    await trying.holds(17)
    assert trying.axis.silent(trying.alert)


@situation("Outbox lost")
async def outbox_lost(bench: Bench) -> None:
    """If the disk stays full and more calls end than can wait, the oldest are lost."""
    trying, daemon = bench.trying, bench.rig.daemon
    await trying.holds(5)
    outbox = Path(daemon.folder) / "state" / "outbox.db"
    limits = resource.prlimit(daemon.pid, resource.RLIMIT_FSIZE)
    resource.prlimit(daemon.pid, resource.RLIMIT_FSIZE, (1, limits[1]))
    bench.rig.redis.stop()

    for _ in range(FULL):
        bench.rig.misuse()

    async def lost() -> bool:
        bench.rig.misuse()
        return await bench.rig.metric("outbox_lost_total") > 0

    await until(lost)
    await trying.holds(3)
    assert trying.axis.fires(trying.alert)
    await daemon.event("outbox_failed")
    trying.places["STATE_DIR"] = str(outbox.parent)
    assert "Filesystem" in await trying.run("df")
    await trying.run("siaga112 doctor", code=4)  # there is no PBX here
    resource.prlimit(daemon.pid, resource.RLIMIT_FSIZE, limits)
    bench.rig.redis.start()
    await daemon.settled(bench.rig.misuse())
    await trying.holds(62)
    assert trying.axis.silent(trying.alert)


@pytest.mark.redis
@pytest.mark.parametrize(
    "section", [pytest.param(one, marks=[] if one in BY_DAY else [pytest.mark.night]) for one in HERE]
)
async def test_the_runbook_holds_in_the_alerts_situation(section: str) -> None:
    """In its situation the alert fires, and each command of its section does what the section says."""
    async with benched(section) as bench:
        await HERE[section](bench)
        bench.trying.done()


def test_every_alert_has_a_section_that_is_tried() -> None:
    """Each alert has a section in the runbook, and each section's situation is brought about by a test."""
    linked = {rule["annotations"]["runbook_url"].partition("#")[2] for rule in alerts()}
    assert {name.lower().replace(" ", "-") for name in sections()} == linked
    assert set(HERE) | AT_THE_PBX | ON_TRUNKS | WATCHED == set(sections())
