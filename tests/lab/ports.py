"""Free loopback ports, chosen at run time.

Single ports and ranges come from separate regions, since scattered single ports would leave no whole range
free. All are below Linux's ephemeral range (32768…), so that no outgoing connection takes one before its
owner has bound it.
"""

import os
import random
import socket
from collections import deque
from typing import Final

SINGLES: Final = range(12_000, 20_000, 2)
RANGES: Final = range(20_000, 32_000)
# Not handed out again before their owner could bind them; bounded, since a long run would use up all.
_recent: Final[deque[int]] = deque(maxlen=500)
_TRIES: Final = 10_000


class NoPortError(RuntimeError):
    """This machine has no free ports of this kind left."""


def free(count: int = 1) -> int:
    """Return the first, an even one, of `count` consecutive ports that are free for TCP and UDP."""
    single = count <= 4
    region = _share(SINGLES) if single else RANGES
    for _ in range(_TRIES):
        first = random.randrange(region.start, region.stop - count, 2)
        ports = range(first, first + count)
        if not set(ports).intersection(_recent) and all(_is_free(port) for port in ports):
            _recent.extend(ports if single else (first,))
            return first
    raise NoPortError(f"no {count} consecutive ports are free between {region.start} and {region.stop}")


def _share(region: range) -> range:
    """Return this process's part of a region: tests that run side by side use different parts.

    Ranges need none: they are for media, where an owner that finds a port taken tries the next.
    """
    workers = int(os.environ.get("PYTEST_XDIST_WORKER_COUNT", "1"))
    number = int(os.environ.get("PYTEST_XDIST_WORKER", "gw0").removeprefix("gw"))
    size = len(region) // workers
    return region[number * size : (number + 1) * size]


def _is_free(port: int) -> bool:
    for kind in (socket.SOCK_STREAM, socket.SOCK_DGRAM):
        with socket.socket(socket.AF_INET, kind) as probe:
            try:
                probe.bind(("", port))  # on all addresses: callers and phones have their own
            except OSError:
                return False
    return True
