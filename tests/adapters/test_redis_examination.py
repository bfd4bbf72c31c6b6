"""The doctor's examination of a Redis on each topology, with the rights that we ship."""

from collections.abc import Callable
from contextlib import AbstractContextManager

import pytest

from siaga112.adapters.redis.connect import connect
from siaga112.core.mode import Switch
from siaga112.core.model import Mode
from siaga112.doctor.looking.redis import NEEDED, examine
from siaga112.doctor.observations import NotSeen, RedisSeen
from siaga112.doctor.store import OTHERS
from tests.adapters.conftest import opened
from tests.lab.redis_servers import ACL, Cluster, RedisServer, Sentinels, Tls, cluster, sentinels, tls

pytestmark = pytest.mark.redis

EVERY_SITE = (f"GET {OTHERS}", f"SET {OTHERS} 1")
"""What the lab's user may do beyond the shipped one, since each test has its own site."""

Lab = Callable[[], AbstractContextManager[Tls | Sentinels | Cluster]]


@pytest.mark.parametrize(("lab", "servers"), [(tls, 1), (sentinels, 1), (cluster, 3)])
async def test_each_server_that_takes_writes_is_looked_at(lab: Lab, servers: int, site: str) -> None:
    """The doctor examines one server, the sentinels' master, or each master of a cluster, with our rights."""
    with lab() as running:
        async with opened(running.url, site) as store:
            await store.block_list.switch(Switch(Mode.OFF), Mode.OBSERVE)
        client = connect(running.url)
        try:
            seen = await examine(client, site)
        finally:
            await client.aclose()
    assert isinstance(seen, RedisSeen)
    assert seen.servers is not None
    assert len(seen.servers) == servers
    assert {one.eviction for one in seen.servers} == {"noeviction"}
    assert seen.ahead is not None
    assert abs(seen.ahead) < 1_000
    assert (seen.lacking, seen.excessive) == ((), EVERY_SITE)
    assert seen.mode is Mode.OFF


async def test_the_administrator_may_too_much(redis_server: RedisServer, site: str) -> None:
    """Without an access list, the doctor names the rights that siaga112 should not have."""
    client = connect(redis_server.url)
    try:
        seen = await examine(client, site)
    finally:
        await client.aclose()
    assert isinstance(seen, RedisSeen)
    assert seen.excessive is not None
    assert "FLUSHALL" in seen.excessive
    assert "CONFIG GET" in seen.excessive


async def test_a_server_that_is_not_there_is_told_in_a_few_words(site: str) -> None:
    """A server that does not exist is reported in the system's words, without the driver's."""
    client = connect("unix:///nowhere/redis.sock")
    try:
        seen = await examine(client, site)
    finally:
        await client.aclose()
    assert seen == NotSeen("no such file or folder")


def test_every_right_that_we_ship_is_checked() -> None:
    """The doctor checks every right in config/redis-acl.conf except a few that it uses itself."""
    user = next(line for line in ACL.read_text("utf-8").splitlines() if line.startswith("user "))
    shipped = {word[1:] for word in user.split() if word.startswith("+")}
    asked = {words.split()[0].lower() for words in NEEDED}
    assert shipped - asked == {"command", "cluster|slots", "asking", "info", "time"}
    assert asked <= shipped
