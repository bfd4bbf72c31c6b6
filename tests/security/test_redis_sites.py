"""Centres that share a Redis: the user that `siaga112 acl` prints for a site reaches only its keys."""

import asyncio
import hashlib
import re
import shlex
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import pytest
from redis import Redis
from redis.exceptions import ResponseError
from typer.testing import CliRunner, Result

from siaga112.adapters.redis.connect import connect
from siaga112.cli.program import app
from siaga112.doctor.looking.redis import examine
from siaga112.doctor.observations import RedisSeen
from tests.adapters.changes import blocked_for_good, change, every_answer
from tests.adapters.conftest import opened
from tests.faults.figures import Measured
from tests.interrupts.trying import COMMANDS
from tests.lab.redis_servers import RedisServer, home
from tests.lab.stores import site_store
from tests.samples import NOW, answered

pytestmark = pytest.mark.redis

PASSWORDS: Final = {"serang": "hunter2", "cilegon": "sixteen letters!"}
ELSEWHERE: Final = {"run", "record", "doctor", "replay", "backtest", "files", "check-config", "acl"}
"""Commands that ask no Redis, or also a PBX. The daemon's and the doctor's questions are asked directly."""


@dataclass
class Centres:
    """A Redis with a user for each of two sites, and the configuration of each site."""

    server: RedisServer
    folder: Path

    def url(self, site: str) -> str:
        """Return the URL with which a site logs in."""
        return f"unix://{site}:{PASSWORDS[site].replace(' ', '%20')}@{self.folder}/redis.sock"

    def command(self, site: str, *words: str) -> Result:
        """Run a command with that site's configuration."""
        return invoked(self.folder / f"{site}.toml", *words)


def invoked(config: Path, *words: str) -> Result:
    """Run a command in this process."""
    return CliRunner().invoke(app, ["--config", str(config), *words])


@pytest.fixture(scope="module")
def centres() -> Iterator[Centres]:
    """Yield a Redis whose access lists are what `siaga112 acl` printed for each site."""
    with home() as folder:
        for site in PASSWORDS:
            both = Centres(RedisServer(folder), folder)
            state = f'state_dir = "{folder}/{site}"\n'
            (folder / f"{site}.toml").write_text(
                f'site = "{site}"\n{state}[redis]\nurl = "{both.url(site)}"\n'
            )
            printed = both.command(site, "acl")
            assert (printed.exit_code, printed.stderr) == (0, "")
            assert PASSWORDS[site] not in printed.stdout
            (folder / f"{site}.acl").write_text(printed.stdout)
        lines = [f"include {folder}/{site}.acl" for site in PASSWORDS]
        with RedisServer(folder, *lines, "user default on nopass ~* &* +@all") as server:
            yield Centres(server, folder)


@pytest.mark.fault("redis_sites")
async def test_no_key_of_another_site_is_read_or_written(centres: Centres, measured: Measured) -> None:
    """A site's user can neither read nor write another site's keys, by commands or in scripts."""
    async with opened(centres.url("serang"), "serang") as store:
        assert not [one for one in await every_answer(store) if isinstance(one, Exception)]
        await change(store, blocked_for_good)
    held = [key for key in centres.server.ask("KEYS", "*") if "serang" in key]
    assert len(held) > 3
    answered_to = []
    with Redis.from_url(centres.url("cilegon")) as thief:
        assert thief.set("siaga112:{cilegon}:mode", "{}")
        for key in [*held, "siaga112:{serang}:anything", "siaga112:serang:rejected:x", "siaga112:serang"]:
            for words in (
                ("GET", key),
                ("HGETALL", key),
                ("HDEL", key, "+6281234567890"),
                ("XRANGE", key, "-", "+"),
                ("SET", key, "1"),
                ("DEL", key),
                ("EVAL", "return redis.call('DEL', KEYS[1])", 1, key),
                ("EVAL", f"return redis.call('HGETALL', '{key}')", 0),
            ):
                try:
                    thief.execute_command(*words)
                    answered_to.append(words)
                except ResponseError as error:
                    assert re.search(r"permission|can't access", str(error))  # noqa: PT017 - each of many commands is tried
        with pytest.raises(ResponseError, match="permission"):
            thief.execute_command("SCAN", 0)
    measured("questions about another site answered", len(answered_to), at_most=0)
    assert sorted(held) == sorted(key for key in centres.server.ask("KEYS", "*") if "serang" in key)


def test_every_command_works_with_the_user_of_its_site(centres: Centres) -> None:
    """A site's user may do what the daemon, the doctor and the commands ask of Redis, and nothing else."""
    centres.server.ask("ACL", "LOG", "RESET")

    async def daemon() -> None:
        store = site_store(centres.folder / "serang", "serang", centres.url("serang"))
        assert not [one for one in await every_answer(store) if isinstance(one, Exception)]
        await store.published()
        await store.close()
        client = connect(centres.url("serang"))
        try:
            seen = await examine(client, "serang")
        finally:
            await client.aclose()
        assert isinstance(seen, RedisSeen)
        assert (seen.lacking, seen.excessive) == ((), ())

    asyncio.run(daemon())
    call = answered(2, NOW).id
    for name, spelled in COMMANDS.items():
        if name in ELSEWHERE:
            continue
        text = spelled.format(call=call, new=centres.folder / f"new-{name}", golden="")
        ended = centres.command("serang", *shlex.split("top --json" if name == "top" else text))
        assert ended.exit_code in {0, 1}, (name, ended.output)  # 1: no such call, nothing to take back
        assert "Redis" not in ended.stderr, (name, ended.stderr)
    assert centres.server.ask("ACL", "LOG") == []


def test_without_a_password_one_is_made_and_told_once(tmp_path: Path) -> None:
    """Without a password, each run of `acl` makes a new one, which fits the access list that it prints."""
    config = tmp_path / "siaga112.toml"
    config.write_text('site = "cilegon"\n')
    ended = invoked(config, "acl")
    assert ended.exit_code == 0
    (password,) = re.findall(r'url = "redis://siaga112-cilegon:([0-9a-f]{32})@127', ended.stderr)
    digest = hashlib.sha256(password.encode()).hexdigest()
    assert (
        f"user siaga112-cilegon on #{digest} resetchannels ~siaga112:{{cilegon}}:* ~siaga112:cilegon:* -@all"
        in ended.stdout
    )
    assert "change-me" not in ended.output
    assert invoked(config, "acl").stderr != ended.stderr
    with home() as folder:
        (folder / "acl").write_text(ended.stdout)
        with (
            RedisServer(folder, f"include {folder}/acl"),
            Redis(
                unix_socket_path=f"{folder}/redis.sock", username="siaga112-cilegon", password=password
            ) as redis,
        ):
            assert redis.ping()


@pytest.mark.parametrize("name", ["two words", "#1", 'a"b'])
def test_a_name_that_redis_does_not_take_is_refused(name: str, tmp_path: Path) -> None:
    """A user name that Redis does not accept is refused, and no access list is printed."""
    config = tmp_path / "siaga112.toml"
    config.write_text("")
    ended = invoked(config, "acl", "--user", name)
    assert ended.exit_code != 0
    assert ended.stdout == ""
