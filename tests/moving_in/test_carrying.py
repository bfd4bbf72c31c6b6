"""Migration of what siaga112 before 0.1.0 kept in Redis: a month of data written by that version."""

import io
import json
import subprocess
import tarfile
import tempfile
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager, suppress
from dataclasses import dataclass
from itertools import chain
from pathlib import Path
from typing import Any, Final

import pytest
from redis import Redis

from siaga112.adapters.database.backup import TABLES
from siaga112.adapters.database.records import DatabaseRecords
from siaga112.adapters.redis.connect import connect, together
from siaga112.adapters.redis.older import OlderRedis
from siaga112.adapters.redis.server import EmbeddedRedis
from siaga112.app import upkeep
from siaga112.core.model import Caller, CallId, Level
from siaga112.moving_in.carrying import Carrier
from siaga112.service.ports import StoreDownError
from siaga112.settings.loading import load
from siaga112.settings.schema import Settings
from tests.lab.redis_servers import ACL, LOGIN, RedisServer, cluster, sentinels, tls
from tests.moving_in.older.make import (
    AGAIN,
    BLOCKED,
    BY_HAND,
    CONFIG,
    DAY,
    ERASED,
    HOUR,
    LIFTED,
    NEAR,
    NEVER,
    NOW,
    PATIENCE,
    SETTLED,
    SITE,
    command,
    configured,
    dumped,
    loaded,
    said,
)

pytestmark = pytest.mark.redis

OLDER: Final = Path(__file__).parent / "older"
HELD: Final[dict[str, Any]] = json.loads((OLDER / "redis.json").read_text("utf-8"))
SAID: Final[dict[str, Any]] = json.loads((OLDER / "said.json").read_text("utf-8"))
BEFORE: Final = "0b829f8^"
"""The last version that kept everything in Redis."""

NOTHING: Final = {"caller", "dropped", "withdrawn"}
"""Fields of a record that are no evidence by themselves."""

OTHERWISE: Final = {
    *(f".why {who} --json[0].treatment: 'reject', now 'announce'" for who in (BLOCKED, AGAIN, BY_HAND)),
    *(f".why {SETTLED} --json[0].strikes[{nth}].weight: 1.0, now 0.0" for nth in range(6)),
}
"""Intended differences: blocked callers now hear so by default, and a forgiven strike weighs nothing."""

HEAD: Final = f"siaga112:{{{SITE}}}"
OURS: Final = {f"{HEAD}:edition", f"{HEAD}:carried", f"{HEAD}:mode"}


@dataclass(frozen=True)
class Centre:
    """A centre with the older program's data in Redis."""

    home: Path
    server: RedisServer
    config: Path

    @property
    def redis(self) -> Redis:
        """A client of its Redis."""
        return Redis(unix_socket_path=self.server.url.removeprefix("unix://"))

    def __call__(self, *words: str, at: int = NOW + HOUR) -> str:
        """Return the output of one of today's commands."""
        return command(self.config, at, *words)

    def old_keys(self) -> dict[str, Any]:
        """Return the contents of the older program's keys; both versions use the mode's."""
        return {
            name: value
            for name, value in dumped(self.redis).items()
            if name not in OURS and not name.startswith(f"siaga112:{SITE}:")
        }

    @property
    def settings(self) -> Settings:
        """Its configuration."""
        return load(self.config, {})

    @asynccontextmanager
    async def carrier(self, at: int = NOW + HOUR) -> AsyncIterator[tuple[Carrier, DatabaseRecords]]:
        """Open the carrier and the records it writes to."""
        upkeep.migrate(self.settings)
        older = OlderRedis(connect(self.server.url), SITE)
        async with upkeep.opened_records(self.settings) as records:
            rules, keep = self.settings.policy_rules(), 400 * DAY
            yield Carrier(older, records, rules, lambda: at, "ratna", keep, keep), records
        await older.close()


@pytest.fixture
def centre() -> Iterator[Centre]:
    """Yield a centre on the day of its upgrade."""
    with tempfile.TemporaryDirectory(prefix="s112-older-") as folder:
        home = Path(folder)
        with RedisServer(home) as server:
            found = Centre(home, server, configured(home))
            loaded(found.redis, HELD)
            yield found


def lacking(then: Any, now: Any, where: str = "") -> Iterator[str]:
    """Yield what the old output has and the new one lacks; objects may have more fields."""
    if isinstance(then, dict) and isinstance(now, dict):
        for name, value in then.items():
            if name in now:
                yield from lacking(value, now[name], f"{where}.{name}")
            else:
                yield f"{where}.{name} is not said"
    elif isinstance(then, list) and isinstance(now, list) and len(then) == len(now):
        for nth, (one, other) in enumerate(zip(then, now, strict=True)):
            yield from lacking(one, other, f"{where}[{nth}]")
    elif then != now:
        yield f"{where}: {then!r:.200}, now {now!r:.200}"


async def everything(records: DatabaseRecords) -> dict[str, Any]:
    """Return every row of the tables, except the audit line of the migration."""
    found = {}
    for table in TABLES:
        rows = await records.select(table, table.select())
        found[table.name] = sorted(repr(row) for row in rows if "carry over" not in row)
    return found


@pytest.mark.night
def test_everything_that_the_old_commands_said_the_new_ones_say(centre: Centre) -> None:
    """Today's commands print the same blocks, strikes, allow list, calls and monthly figures."""
    centre("migrate", "--from-redis")
    now = said(centre.config)
    assert set(lacking(SAID, now)) == OTHERWISE


def test_what_comes_is_counted_and_what_was_stays(centre: Centre) -> None:
    """The command counts what it migrated, and Redis keeps the older version's data."""
    told = centre("migrate", "--from-redis")
    calls = sum(len(rows) for name, rows in HELD.items() if name.startswith(f"{HEAD}:calls:"))
    docs = [
        json.loads(held["doc"]) for name, held in HELD.items() if isinstance(held, dict) and "doc" in held
    ]
    callers = [doc for doc in docs if any(value for name, value in doc.items() if name not in NOTHING)]
    blocks = sum(len(doc["blocks"]) for doc in docs)
    lines = len(HELD[f"{HEAD}:audit"])
    counts = f"{calls} calls, {len(callers)} callers, {blocks} blocks, {lines} lines of the audit trail"
    assert f"carried over from Redis: {counts}, 1 on the allow list" in " ".join(told.split())
    old = {name: value for name, value in HELD.items() if name not in OURS}
    assert centre.old_keys() == old


async def test_a_second_time_changes_nothing(centre: Centre) -> None:
    """A second run leaves every row as it is."""
    async with centre.carrier() as (carrier, records):
        await carrier.carry()
        before = await everything(records)
        again = await carrier.carry()
        assert not again.anything
        assert await everything(records) == before
    assert "nothing was added since" in centre("migrate", "--from-redis")


async def test_interrupted_anywhere_it_goes_on(centre: Centre, monkeypatch: pytest.MonkeyPatch) -> None:
    """However often the database fails, the final result is the same as without failures."""
    async with centre.carrier() as (carrier, records):
        await carrier.carry()
        whole = await everything(records)
    (centre.settings.state_dir / "siaga112.db").unlink()
    async with centre.carrier() as (carrier, records):
        transaction, left = records.transaction, [0]

        async def fails(*given: Any) -> Any:
            if not left:
                raise StoreDownError("gone")
            left.pop()
            return await transaction(*given)

        monkeypatch.setattr(records, "transaction", fails)
        for most in range(100):
            left[:] = [0] * most
            with suppress(StoreDownError):
                await carrier.carry()
                break
        assert most > len([name for name in HELD if name.startswith(f"{HEAD}:calls:")])
        assert await everything(records) == whole


async def test_nobody_is_told_of_it_again(centre: Centre) -> None:
    """Migrated calls trigger no webhooks; only the mode is announced."""
    async with centre.carrier() as (carrier, records):
        await carrier.carry()
        (told,) = await records.announcements(0)
        assert told.told.type == "mode.changed"


async def test_what_people_decided_since_stands(centre: Centre) -> None:
    """What was lifted, disallowed or forgotten since does not return, even after an interruption."""
    async with centre.carrier() as (carrier, records):
        await carrier.carry()
        await records.drop_lines(NOW + DAY)  # as if it had not finished
        assert await records.last_of("carry over") is None
    centre("unblock", BLOCKED, "--reason", "spoken with")
    centre("disallow", NEVER)
    centre("forget", NEAR, "--yes", "--reason", "letter of 1 December")
    async with centre.carrier(NOW + 2 * HOUR) as (carrier, records):
        await carrier.carry()
        blocked, never, near = await records.load_each([Caller(one) for one in (BLOCKED, NEVER, NEAR)])
        assert blocked.block_at(NOW + 2 * HOUR) is None
        assert never.allow is None
        assert (near.strikes, await records.entries_of(Caller(NEAR))) == ((), [])


async def test_what_cannot_be_read_is_named_and_is_no_strike(centre: Centre) -> None:
    """Unreadable data stays in Redis and is no evidence against its caller; the rest is migrated."""
    mine, other = f"{HEAD}:caller:{BLOCKED}", f"{HEAD}:caller:{NEAR}"
    torn = HELD[mine]["doc"].replace('"strikes":[["', '"strikes":[[7,"', 1)
    centre.redis.hset(mine, "doc", torn)
    centre.redis.hset(other, "doc", HELD[f"{HEAD}:caller:{NEVER}"]["doc"])
    day = min(name for name in HELD if name.startswith(f"{HEAD}:calls:"))
    call = min(HELD[day])
    centre.redis.hset(day, call, "{")
    centre.redis.zadd(f"{HEAD}:audit", {"[1,2]": NOW})
    async with centre.carrier() as (carrier, records):
        done = await carrier.carry()
        assert {held.place for held in done.unreadable} == {mine, other, f"{day} {call}", f"{HEAD}:audit"}
        assert all(done.unreadable.values())
        assert await records.entry(CallId(call)) is None
        for caller in await records.load_each([Caller(BLOCKED), Caller(NEAR)]):
            assert (caller.strikes, caller.blocks) == ((), ())
        await carrier.forget(done)
    left = centre.old_keys()
    assert left.pop(f"{HEAD}:audit") == [["[1,2]", float(NOW)]]
    assert left.keys() == {mine, other, day}
    assert left[day] == {call: "{"}


def test_when_nobody_goes_back_the_old_keys_go(centre: Centre) -> None:
    """`--forget-old` deletes the old keys; nothing needs them."""
    assert "is deleted" in centre("migrate", "--forget-old")
    assert centre.old_keys() == {}
    assert f"{HEAD}:carried" not in dumped(centre.redis)
    assert {row["caller"] for row in json.loads(centre("blocks", "--json"))} == {
        row["caller"] for row in SAID["blocks --json"]
    }


async def test_what_the_old_version_wrote_after_going_back_comes_next_time(centre: Centre) -> None:
    """A later run migrates only what is new."""
    centre("migrate", "--from-redis")
    doc = json.loads(HELD[f"{HEAD}:caller:{LIFTED}"]["doc"])
    late = doc["blocks"][0] | {"since": NOW + 3 * HOUR, "until": None, "level": "permanent", "lifted": None}
    doc["blocks"].append(late)
    centre.redis.hset(f"{HEAD}:caller:{LIFTED}", "doc", json.dumps(doc))
    told = centre("migrate", "--from-redis", at=NOW + 4 * HOUR)
    assert "carried over from Redis: 0 calls, 1 caller, 1 block, 0 lines" in told
    async with centre.carrier() as (_, records):
        block = (await records.load(Caller(LIFTED))).block_at(NOW + 5 * HOUR)
        assert block
        assert block.level is Level.PERMANENT


@pytest.mark.night
def test_the_version_before_runs_again_on_its_redis(centre: Centre, older_program: str) -> None:
    """After a migration, the older version still runs on its Redis and prints the same."""
    centre("migrate", "--from-redis")
    assert said(centre.config, older_program) == SAID
    command(centre.config, NOW + HOUR, "unblock", BY_HAND, "--reason", "back again", source=older_program)
    blocked = json.loads(command(centre.config, NOW + HOUR, "blocks", "--json", source=older_program))
    assert BY_HAND not in {row["caller"] for row in blocked}


@pytest.fixture
def older_program(tmp_path: Path) -> str:
    """Return the folder of the older version, checked out from the repository's history."""
    root = str(Path(__file__).parents[2])
    packed = subprocess.run(
        ["git", "-C", root, "archive", BEFORE, "src"], capture_output=True, check=False, timeout=PATIENCE
    )
    if packed.returncode:
        pytest.skip("a copy of the repository without its history has no version before")
    with tarfile.open(fileobj=io.BytesIO(packed.stdout)) as archive:
        archive.extractall(tmp_path, filter="data")
    return str(tmp_path / "src")


async def test_a_private_redis_that_nobody_runs_is_run_for_it(centre: Centre) -> None:
    """The migration starts an embedded Redis itself if no daemon runs it."""
    config = centre.home / "private.toml"
    config.write_text(
        CONFIG.format(site=SITE, home=centre.home).replace(f"unix://{centre.home}/redis.sock", "embedded")
    )
    private = EmbeddedRedis(centre.home / "state")
    await private.start()
    socket = str(centre.home / "state" / "redis" / "redis.sock")
    with Redis(unix_socket_path=socket) as client:
        loaded(client, HELD)
    await private.stop()
    assert "carried over from Redis" in command(config, NOW, "migrate", "--from-redis")
    rows = json.loads(command(config, NOW, "calls", "--since", "60d", "--json"))
    assert len(rows) == len(SAID["calls --since 60d --json"])


def test_a_user_with_few_rights_is_told_which_are_lacking(centre: Centre) -> None:
    """Today's Redis user may lack rights to read the old data: the error names the remedy in one line."""
    acl = next(line for line in ACL.read_text("utf-8").splitlines() if line.startswith("user "))
    _, name, *rights = (
        acl.replace("{siaga112}", f"{{{SITE}}}").replace("siaga112:siaga112", f"siaga112:{SITE}").split()
    )
    centre.server.ask("ACL", "SETUSER", name, *rights)
    text = centre.config.read_text().replace("unix://", f"unix://{LOGIN}@")
    centre.config.write_text(text)
    with pytest.raises(AssertionError, match=r"SETUSER NAME \+scan \+zrange \+zrem"):
        centre("migrate", "--from-redis")
    centre.server.ask("ACL", "SETUSER", name, "+scan", "+zrange", "+zrem")
    assert "carried over" in centre("migrate", "--from-redis")


@contextmanager
def topology(name: str) -> Iterator[tuple[str, list[RedisServer]]]:
    """Run a topology meanwhile; yield its address and its servers."""
    if name == "TLS":
        with tls() as one:
            yield one.url, [one.server]
    elif name == "Sentinel":
        with sentinels() as several:
            yield several.url, [*several.servers.values()]
    else:
        with cluster() as spread:
            yield spread.url, [*spread.nodes.values()]


@pytest.mark.parametrize("name", ["TLS", "Sentinel", "Cluster"])
async def test_it_is_read_and_taken_away_in_each_way_in_which_redis_is_run(name: str) -> None:
    """Each key is found with its full contents, and none is left afterwards."""
    with topology(name) as (url, servers):
        for server in servers:
            server.ask("ACL", "SETUSER", "siaga112", "+@write", "+scan", "+zrange")
        client = connect(url)
        for answer in await together(client, [*put()]):
            assert not isinstance(answer, Exception), answer
        older = OlderRedis(client, SITE)
        keys = await older.keys()
        found = [*keys.callers, *keys.days, *keys.erased, *keys.more]
        assert found
        assert {*found} == {one for one in HELD if one.startswith(tuple(f"{HEAD}:{kind}:" for kind in KINDS))}
        texts = [
            held.text.decode()
            for pages in (older.callers(keys), older.calls(keys), older.lines())
            async for page in pages
            for held in page
        ]
        assert sorted(texts) == sorted(every_text())
        assert {one: str(count) for one, count in (await older.tallies()).items()} == HELD[f"{HEAD}:tallies"]
        await older.take_away(keys, ())
        assert await older.keys() == ([], [], [], [])
        assert not await older.there(NOW, 400 * DAY)
        await older.close()


KINDS: Final = ("caller", "calls", "forgotten")


def put() -> Iterator[tuple[object, ...]]:
    """Yield the commands that write all keys."""
    for name, value in HELD.items():
        if isinstance(value, dict):
            yield ("HSET", name, *chain.from_iterable(value.items()))
        elif isinstance(value, str):
            yield ("SET", name, value)
        elif isinstance(value[0], list):
            yield ("ZADD", name, *chain.from_iterable((score, member) for member, score in value))
        else:
            yield ("SADD", name, *value)


def every_text() -> Iterator[str]:
    """Yield the texts of callers, calls and audit lines."""
    for name, value in HELD.items():
        if name.startswith(f"{HEAD}:calls:"):
            yield from value.values()
        elif "doc" in value:
            yield value["doc"]
    yield from (line for line, _ in HELD[f"{HEAD}:audit"])


def test_where_there_was_nothing_nothing_is_said_to_be_deleted(centre: Centre) -> None:
    """A Redis without older data gives one line, also with `--forget-old`."""
    centre.redis.flushall()
    said = centre("migrate", "--forget-old")
    assert "nothing of an older siaga112" in said
    assert "deleted" not in said


async def test_that_something_is_there_is_seen_without_reading_it(centre: Centre) -> None:
    """Setup and the doctor see that data exists without reading it."""
    older = OlderRedis(connect(centre.server.url), SITE)
    assert (await older.there(NOW, 400 * DAY), await older.carried()) == (True, None)
    centre("migrate", "--from-redis")
    assert (await older.there(NOW, 400 * DAY), await older.carried()) == (True, NOW + HOUR)
    centre("migrate", "--forget-old")
    assert (await older.there(NOW, 400 * DAY), await older.carried()) == (False, None)
    await older.close()


def test_who_was_erased_there_stays_erased(centre: Centre) -> None:
    """A caller who was erased in the older version has no strike and no block after the migration."""
    centre("migrate", "--from-redis")
    (story,) = json.loads(centre("why", ERASED, "--json"))
    assert (story["strikes"], story["blocks"]) == ([], [])
