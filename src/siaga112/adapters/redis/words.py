"""What went wrong with Redis, in a few words of ours: the driver's and the server's are many."""

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

_LOGIN: Final = Said("it refuses our user or password")

_SELECT: Final = Said("its user may not SELECT another database than 0: leave the number out of the address")

_CLASSES: Final[tuple[tuple[type[Exception], Said], ...]] = (
    (MasterNotFoundError, Said("no sentinel that answers knows a master of that name")),
    (AuthenticationError, _LOGIN),
    (AuthorizationError, _LOGIN),
    (InvalidResponse, Said("what answers there is no Redis")),
    (BusyLoadingError, Said("it is still reading its files")),
    (MaxConnectionsError, Said("too many questions at once")),
    (NoPermissionError, Said("its user may not do that")),
    (OutOfMemoryError, Said("its memory is full")),
    (MasterDownError, Said("its master is down")),
    (ReadOnlyError, Said("it is a replica, which takes no writes")),
    (RedisTimeoutError, Said("no answer")),
)
"""By class; the first that fits."""

_CODES: Final = {
    "NOAUTH": _LOGIN,
    "WRONGPASS": _LOGIN,
    "NOPERM": Said("its user may not do that"),
    "OOM": Said("its memory is full"),
    "MISCONF": Said("it cannot write its own files"),
    "NOREPLICAS": Said("too few replicas follow it"),
    "WRONGTYPE": Said("something else stands under a key of ours"),
    "ERR max": Said("it has too many clients"),
}
"""By how the server's answer begins, where the driver has no class for it."""


_DOWN: Final = (
    RedisConnectionError,
    RedisTimeoutError,
    OSError,
    asyncio.IncompleteReadError,
    # A fail-over that is not over yet: the old master is a replica now, or the cluster lacks one.
    ReadOnlyError,
    ClusterError,
    RedisClusterException,
)


@contextmanager
def mapped() -> Iterator[None]:
    """Map Redis's errors to ours, once."""
    try:
        yield
    except _DOWN as error:
        raise StoreDownError(_AT, why=told(error)) from error
    except (RedisError, ValueError) as error:
        down = str(error).startswith("NOREPLICAS")  # the driver has no class for it
        raise (StoreDownError if down else StoreBrokenError)(_AT, why=told(error)) from error


def told(error: BaseException) -> str:
    """Say in a few words what is wrong; what cannot be named is quoted."""
    text = str(error)
    # The driver hides a refused login behind its own loss of the connection.
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
            return Said("the cluster is not whole")
        case RedisConnectionError():
            return Said("the connection was ended there")
        case _:
            return Said('it says "{text}"', text=text)
