"""Parse a Redis address from the configuration; independent of any driver.

    redis://  rediss://                    [USER:PASSWORD@]HOST[:PORT][/DB]
    unix://                                [USER:PASSWORD@]/SOCKET[?db=DB]
    redis+sentinel://  rediss+sentinel://  [USER:PASSWORD@]HOST[:PORT],…/MASTER[/DB]
    redis+cluster://   rediss+cluster://   [USER:PASSWORD@]HOST[:PORT],…

`rediss` is TLS. Options follow as `?name=value&…`, named as in redis-py.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Final
from urllib.parse import parse_qsl, unquote


class Kind(StrEnum):
    """The kind of deployment behind an address."""

    SERVER = "server"
    SOCKET = "socket"
    SENTINEL = "sentinel"
    CLUSTER = "cluster"


@dataclass(frozen=True, slots=True)
class RedisUrl:
    """A parsed address."""

    kind: Kind
    hosts: tuple[tuple[str, int], ...]
    """Where to connect first: the server, the sentinels, or some nodes of the cluster."""
    path: str
    """The socket's path."""
    master: str
    """The master's name at the sentinels."""
    db: int
    username: str | None
    password: str | None = field(repr=False)
    tls: Mapping[str, str | bool] | None
    """TLS options; None without TLS."""
    sentinel_login: Mapping[str, str] = field(repr=False)
    """User and password for the sentinels, if they need one."""


_SCHEMES: Final = {
    "redis": (Kind.SERVER, False),
    "rediss": (Kind.SERVER, True),
    "unix": (Kind.SOCKET, False),
    "redis+sentinel": (Kind.SENTINEL, False),
    "rediss+sentinel": (Kind.SENTINEL, True),
    "redis+cluster": (Kind.CLUSTER, False),
    "rediss+cluster": (Kind.CLUSTER, True),
}
_PORTS: Final = {Kind.SERVER: 6379, Kind.SENTINEL: 26379, Kind.CLUSTER: 6379}
_FORM: Final = re.compile(
    r"[a-z+]+://(?:(?P<who>[^/?#]*)@)?(?P<where>[^/?#@]*)(?P<path>/[^?#]*)?(?:\?(?P<query>[^#]*))?"
)
_HOST: Final = re.compile(r"(?P<host>[\w.-]+|\[[0-9A-Fa-f:.]+\])(?::(?P<port>[0-9]{1,5}))?")
_PORT_MAX: Final = 65_535
TLS_FILES: Final = ("ssl_ca_certs", "ssl_certfile", "ssl_keyfile")
"""Options that take a file name."""
_CHECKS: Final = ("required", "optional", "none")
_BOOLEANS: Final = {"true": True, "yes": True, "1": True, "false": False, "no": False, "0": False}
_SENTINEL_LOGIN: Final = {"sentinel_username": "username", "sentinel_password": "password"}

# No message repeats a part of the address: in a wrong place it may be part of the password.
_REMEDY: Final = "a special character in a password is written as %XX"
_NO_SCHEME: Final = (
    'write "embedded", or redis://, rediss://, unix://, redis+sentinel:// or redis+cluster:// and an address'
)


def parse(url: str) -> RedisUrl:
    """Parse an address.

    Raises:
        ValueError: in one line that names the fault and quotes nothing from the address.

    """
    form = _FORM.fullmatch(url)
    scheme, separator, _ = url.partition("://")
    if not separator or scheme not in _SCHEMES:
        raise ValueError(_NO_SCHEME)
    if form is None:
        raise ValueError(f"not an address after {scheme}:// ({_REMEDY})")
    kind, encrypted = _SCHEMES[scheme]
    options = _options(form["query"] or "", kind)
    path = unquote(form["path"] or "")
    master, db = _master_and_db(kind, path.strip("/"), options.pop("db", ""))
    tls = _tls(options, encrypted=encrypted)
    username, colon, password = (form["who"] or "").partition(":")
    return RedisUrl(
        kind=kind,
        hosts=_hosts(kind, form["where"], path),
        path=path,
        master=master,
        db=db,
        username=unquote(username) or None,
        password=unquote(password) if colon else None,
        tls=tls,
        sentinel_login={_SENTINEL_LOGIN[name]: value for name, value in options.items()},
    )


def masked(url: str) -> str:
    """Return an address that `parse` accepts, with its passwords masked."""
    url = re.sub(r"://([^:/?#]*?)(?::|%3A)[^/?#]*@", r"://\1:***@", url, flags=re.IGNORECASE)
    address, mark, query = url.partition("?")
    names = ((unquote(name), value) for name, _, value in (one.partition("=") for one in query.split("&")))
    told = (f"{name}={'***' if name == 'sentinel_password' else value}" for name, value in names if name)
    return f"{address}{mark}{'&'.join(told)}"


def _options(query: str, kind: Kind) -> dict[str, str]:
    known = {
        Kind.SERVER: ("db",),
        Kind.SOCKET: ("db",),
        Kind.SENTINEL: tuple(_SENTINEL_LOGIN),
        Kind.CLUSTER: (),
    }[kind]
    if kind is not Kind.SOCKET:
        known = (*known, "ssl", "ssl_cert_reqs", "ssl_check_hostname", *TLS_FILES)
    pairs = parse_qsl(query, keep_blank_values=True)
    if any(name not in known for name, _ in pairs):
        raise ValueError(f"unknown option after ? (known: {', '.join(known)}; {_REMEDY})")
    return dict(pairs)


def _hosts(kind: Kind, where: str, path: str) -> tuple[tuple[str, int], ...]:
    if kind is Kind.SOCKET:
        if where or path.strip("/") == "":
            raise ValueError("write the socket's whole path, like unix:///run/redis/redis.sock")
        return ()
    found = [_HOST.fullmatch(one) for one in where.split(",")]
    hosts = tuple((one["host"].strip("[]"), int(one["port"] or _PORTS[kind])) for one in found if one)
    several = kind is not Kind.SERVER
    if len(hosts) != len(found) or not all(0 < port <= _PORT_MAX for _, port in hosts):
        what = "HOST:PORT,HOST:PORT,…" if several else "HOST:PORT"
        raise ValueError(f"the address is not {what} with ports up to {_PORT_MAX} ({_REMEDY})")
    if len(hosts) > 1 and not several:
        raise ValueError("several hosts need redis+sentinel:// or redis+cluster://")
    return hosts


def _master_and_db(kind: Kind, path: str, option: str) -> tuple[str, int]:
    master, text = "", option or path
    if kind is Kind.SENTINEL:
        master, _, text = path.partition("/")
        if not master:
            raise ValueError("name the master that the sentinels watch: redis+sentinel://HOST:PORT,…/MASTER")
    elif kind is Kind.SOCKET:
        text = option
    if not re.fullmatch(r"[0-9]{0,9}", text):
        raise ValueError(f"the database is not a number ({_REMEDY})")
    db = int(text or 0)
    if db and kind is Kind.CLUSTER:
        raise ValueError("a cluster has database 0 only: leave it out")
    return master, db


def _tls(options: dict[str, str], *, encrypted: bool) -> Mapping[str, str | bool] | None:
    """Take the TLS options out of `options`."""
    encrypted = _boolean("ssl", options.pop("ssl", str(encrypted))) or encrypted
    tls: dict[str, str | bool] = {name: options.pop(name) for name in TLS_FILES if name in options}
    if "ssl_cert_reqs" in options:
        tls["ssl_cert_reqs"] = options.pop("ssl_cert_reqs")
        if tls["ssl_cert_reqs"] not in _CHECKS:
            raise ValueError(f"ssl_cert_reqs is one of {', '.join(_CHECKS)}")
    if "ssl_check_hostname" in options:
        tls["ssl_check_hostname"] = _boolean("ssl_check_hostname", options.pop("ssl_check_hostname"))
    if tls and not encrypted:
        raise ValueError("ssl_… options need TLS: write rediss in place of redis")
    return tls if encrypted else None


def _boolean(name: str, text: str) -> bool:
    if text.lower() not in _BOOLEANS:
        raise ValueError(f"{name} is true or false")
    return _BOOLEANS[text.lower()]
