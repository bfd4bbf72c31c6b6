"""The address of a Redis: every documented form, and one line for everything else."""

import pytest

from siaga112.adapters.redis.connect import connect
from siaga112.adapters.redis.url import Kind, masked, parse
from siaga112.errors import ConfigurationError


@pytest.mark.parametrize(
    ("url", "kind", "hosts"),
    [
        ("redis://pbx", Kind.SERVER, [("pbx", 6379)]),
        ("redis://10.0.0.1:7000/2", Kind.SERVER, [("10.0.0.1", 7000)]),
        ("redis://[fd00::1]:7000", Kind.SERVER, [("fd00::1", 7000)]),
        ("unix:///run/redis.sock", Kind.SOCKET, []),
        ("redis+sentinel://a,b:1/main", Kind.SENTINEL, [("a", 26379), ("b", 1)]),
        ("redis+cluster://a,[::1]:1", Kind.CLUSTER, [("a", 6379), ("::1", 1)]),
    ],
)
def test_hosts_have_the_ports_that_their_kind_has(url: str, kind: Kind, hosts: list[tuple[str, int]]) -> None:
    """A port that is left out is the usual one of a server, a sentinel or a node."""
    address = parse(url)
    assert address.kind is kind
    assert list(address.hosts) == hosts
    assert address.tls is None


def test_the_parts_of_an_address() -> None:
    """User, password, master, database and options are read from their places, with %XX resolved."""
    address = parse("rediss+sentinel://u%40x:p%2F%3A@h/main/3?ssl_ca_certs=/a%20b&sentinel_password=s%26t")
    assert (address.username, address.password) == ("u@x", "p/:")
    assert (address.master, address.db) == ("main", 3)
    assert address.tls == {"ssl_ca_certs": "/a b"}
    assert address.sentinel_login == {"password": "s&t"}


@pytest.mark.parametrize("url", ["unix:///run/redis.sock?db=4", "redis://h/4", "redis://h?db=4"])
def test_the_database_of_an_address(url: str) -> None:
    """The database is in the path or, if the path is a socket's, an option."""
    assert parse(url).db == 4


def test_ssl_true_is_tls() -> None:
    """`ssl=true` means the same as `rediss`."""
    assert parse("redis+cluster://h?ssl=true&ssl_check_hostname=no").tls == {"ssl_check_hostname": False}
    assert parse("rediss://h").tls == {}


@pytest.mark.parametrize(
    ("url", "says"),
    [
        ("", 'write "embedded", or redis://'),
        ("redis", 'write "embedded", or redis://'),
        ("127.0.0.1:6379", 'write "embedded", or redis://'),
        ("http://:hunter2@h", 'write "embedded", or redis://'),
        ("redis://", "not HOST:PORT"),
        ("redis://h:port", "not HOST:PORT"),
        ("redis://h:70000", "not HOST:PORT"),
        ("redis://h:0", "not HOST:PORT"),
        ("redis+cluster://a,,b", "not HOST:PORT,HOST:PORT"),
        ("redis://a,b", "redis+sentinel:// or redis+cluster://"),
        ("redis://:hunter2/x@h", "written as %XX"),
        ("redis://:1/hunter2@h", "written as %XX"),
        ("redis://:hunter2?x@h", "written as %XX"),
        ("redis://h?hunter2=1", "written as %XX"),
        ("redis://:hunter2#x@h", "written as %XX"),
        ("redis://h/hunter2", "not a number"),
        ("redis://h?db=x", "not a number"),
        ("unix://", "whole path"),
        ("unix://host/hunter2", "whole path"),
        ("unix:///run/redis.sock?ssl=true", "known: db;"),
        ("redis+sentinel://a,b", "/MASTER"),
        ("redis+sentinel://a,b/main/x", "not a number"),
        ("redis+cluster://h/1", "database 0 only"),
        ("redis+cluster://h?sentinel_password=hunter2", "unknown option"),
        ("redis://h?ssl_ca_certs=/hunter2", "write rediss"),
        ("rediss://h?ssl_cert_reqs=hunter2", "one of required, optional, none"),
        ("rediss://h?ssl_check_hostname=hunter2", "true or false"),
    ],
)
def test_what_is_no_address_is_one_line_that_repeats_nothing_of_it(url: str, says: str) -> None:
    """A wrong address is rejected with the remedy, and no part of it is repeated: it may be the password."""
    with pytest.raises(ConfigurationError) as raised:
        connect(url)
    line = str(raised.value)
    assert line.startswith("[redis] url: ")
    assert says in line
    assert "\n" not in line
    assert "hunter2" not in line


@pytest.mark.parametrize(
    ("url", "shown"),
    [
        ("redis://h:1/2", "redis://h:1/2"),
        ("redis://user@h", "redis://user@h"),
        ("redis://:hunter2@h", "redis://:***@h"),
        ("redis://u:hun@ter2@h", "redis://u:***@h"),
        ("redis+sentinel://u:hunter2@a:1,b/m", "redis+sentinel://u:***@a:1,b/m"),
        (
            "redis+sentinel://a/m?sentinel_password=hunter2&ssl=true",
            "redis+sentinel://a/m?sentinel_password=***&ssl=true",
        ),
        ("unix://u:hunter2@/run/r.sock", "unix://u:***@/run/r.sock"),
        ("embedded", "embedded"),
    ],
)
def test_passwords_are_masked(url: str, shown: str) -> None:
    """An address is shown completely, except for its passwords."""
    assert masked(url) == shown


def test_a_taken_apart_address_does_not_show_its_passwords() -> None:
    """The repr of a parsed address hides its passwords."""
    assert "hunter2" not in repr(parse("redis+sentinel://u:hunter2@a/m?sentinel_password=hunter2"))
