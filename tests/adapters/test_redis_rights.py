"""TLS with certificates on both sides, and a user with only the rights that we use."""

from collections.abc import AsyncIterator, Iterator

import pytest
from redis.exceptions import ResponseError

from siaga112.service.ports import StoreDownError
from tests.adapters.changes import blocked_for_good, change, every_answer
from tests.adapters.conftest import opened
from tests.lab.redis_servers import LOGIN, Tls, tls
from tests.samples import CALLER
from tests.waiting import until

pytestmark = pytest.mark.redis


@pytest.fixture(scope="module")
def secure() -> Iterator[Tls]:
    """Run a server with TLS and an access list for all tests that do not disturb it."""
    with tls() as running:
        yield running


@pytest.fixture(autouse=True)
async def closed(secure: Tls) -> AsyncIterator[None]:
    """Wait until a test's connections have ended: TLS has a closing message, even after a rejected login."""
    yield
    await until(lambda: "\n" not in secure.server.ask("CLIENT", "LIST", "TYPE", "NORMAL").strip())


@pytest.mark.fault("redis_user", "redis_rights")
async def test_the_user_may_do_what_we_do_and_nothing_else(secure: Tls, site: str) -> None:
    """With config/redis-acl.conf Redis permits everything that we do, and rejects what we never do."""
    async with opened(secure.url, site) as store:
        assert not [one for one in await every_answer(store) if isinstance(one, Exception)]
        await change(store, blocked_for_good)
        assert secure.server.ask("ACL", "LOG") == []
        for command in (
            ("FLUSHALL",),
            ("KEYS", "*"),
            ("CONFIG", "GET", "*"),
            ("ACL", "WHOAMI"),
            ("GET", "another:key"),
            ("SET", "another:key", "1"),
            ("EVAL", "return redis.call('GET', 'another:key')", 0),
            ("HINCRBY", store.block_list._of(CALLER), CALLER, 1),
            ("SCAN", 0),
        ):
            with pytest.raises(ResponseError, match=r"permission|can't access"):
                await store.block_list._redis.execute_command(*command)


@pytest.mark.parametrize(
    ("query", "host"),
    [
        ("", "127.0.0.1"),
        ("?ssl_ca_certs={0}/ca.pem", "127.0.0.1"),
        ("?ssl_certfile={0}/cert.pem&ssl_keyfile={0}/key.pem", "127.0.0.1"),
        ("?ssl_ca_certs={0}/ca.pem&ssl_certfile={0}/cert.pem&ssl_keyfile={0}/key.pem", "localhost"),
        ("?ssl_ca_certs={0}/none.pem", "127.0.0.1"),
    ],
    ids=["nothing", "no certificate of ours", "no authority", "another name", "no such file"],
)
@pytest.mark.fault("redis_user")
async def test_a_server_whose_certificate_does_not_fit_is_not_spoken_to(
    secure: Tls, query: str, host: str, site: str
) -> None:
    """Without the right certificates on both sides no connection is made."""
    url = f"rediss://{LOGIN}@{secure.address.replace('127.0.0.1', host)}{query.format(secure.folder)}"
    async with opened(url, site) as store:
        with pytest.raises(StoreDownError):
            await store.ping()


async def test_a_name_that_the_certificate_lacks_can_be_let_pass(secure: Tls, site: str) -> None:
    """`ssl_check_hostname=false` checks the authority only, as bare addresses may need."""
    url = secure.url.replace("127.0.0.1", "localhost") + "&ssl_check_hostname=false"
    async with opened(url, site) as store:
        await store.ping()


async def test_a_wrong_password_is_not_shown(secure: Tls, site: str) -> None:
    """The error after a rejected login does not contain the password."""
    async with opened(secure.url.replace("change-me", "hunter2"), site) as store:
        with pytest.raises(StoreDownError) as raised:
            await store.block_list.ping()
    assert "hunter2" not in str(raised.value)
