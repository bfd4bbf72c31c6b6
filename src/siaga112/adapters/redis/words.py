"""Short descriptions of errors of Redis and its driver."""

import asyncio
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Final

from redis.asyncio.sentinel import MasterNotFoundError
from redis.exceptions import (
    AuthenticationError,
    AuthorizationError,
    BusyLoadingError,
    ClusterError,
    InvalidResponse,
    MasterDownError,
    MaxConnectionsError,
    NoPermissionError,
    OutOfMemoryError,
    ReadOnlyError,
    RedisClusterException,
    RedisError,
)
from redis.exceptions import ConnectionError as RedisConnectionError
from redis.exceptions import TimeoutError as RedisTimeoutError

from siaga112.errors import Said
from siaga112.reasons import plainly
from siaga112.service.ports import StoreBrokenError, StoreDownError
from siaga112.words import say

_AT: Final = say("Redis: {why}")

_LOGIN: Final = Said("it rejects our user or password")

_SELECT: Final = Said("its user may not SELECT a database other than 0: leave the number out of the address")

_CLASSES: Final[tuple[tuple[type[Exception], Said], ...]] = (
    (MasterNotFoundError, Said("no reachable sentinel knows a master of that name")),
    (AuthenticationError, _LOGIN),
    (AuthorizationError, _LOGIN),
    (InvalidResponse, Said("the server there is not Redis")),
    (BusyLoadingError, Said("it is still reading its files")),
    (MaxConnectionsError, Said("too many commands at once")),
    (NoPermissionError, Said("its user may not do that")),
    (OutOfMemoryError, Said("its memory is full")),
    (MasterDownError, Said("its master is down")),
    (ReadOnlyError, Said("it is a replica, which takes no writes")),
    (RedisTimeoutError, Said("no answer")),
)
"""By class; the first match counts."""

_CODES: Final = {
    "NOAUTH": _LOGIN,
    "WRONGPASS": _LOGIN,
    "NOPERM": Said("its user may not do that"),
    "OOM": Said("its memory is full"),
    "MISCONF": Said("it cannot write its own files"),
    "NOREPLICAS": Said("too few replicas follow it"),
    "WRONGTYPE": Said("one of our keys has a value of another type"),
    "ERR max": Said("it has too many clients"),
}
"""By the start of the server's reply, where the driver has no class for it."""


_DOWN: Final = (
    RedisConnectionError,
    RedisTimeoutError,
    OSError,
    asyncio.IncompleteReadError,
    # A fail-over in progress: the old master is a replica by now, or the cluster lacks a master.
    ReadOnlyError,
    ClusterError,
    RedisClusterException,
)


@contextmanager
def mapped() -> Iterator[None]:
    """Map Redis's errors to ours."""
    try:
        yield
    except _DOWN as error:
        raise StoreDownError(_AT, why=told(error)) from error
    except (RedisError, ValueError) as error:
        down = str(error).startswith("NOREPLICAS")  # the driver has no class for it
        raise (StoreDownError if down else StoreBrokenError)(_AT, why=told(error)) from error


def told(error: BaseException) -> str:
    """Return a short description of the error; quote an unknown one."""
    text = str(error)
    # The driver hides a rejected login behind its own lost connection.
    whole = (error, error.__cause__)
    found = [_SELECT] if isinstance(error, NoPermissionError) and "'select'" in text else []
    found += [words for one in whole for kind, words in _CLASSES if isinstance(one, kind)]
    found += [words for code, words in _CODES.items() if text.startswith(code)]
    match error:
        case _ if found:
            return found[0]
        case _ if words := plainly(error):
            return words
        case ClusterError() | RedisClusterException():
            return Said("the cluster is incomplete")
        case RedisConnectionError():
            return Said("the other side closed the connection")
        case _:
            return Said('it says "{text}"', text=text)
