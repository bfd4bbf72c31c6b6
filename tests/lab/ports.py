"""Free loopback ports, none handed out twice in one run."""

import random
import socket
from typing import Final

# Below Linux's ephemeral range (32768…), so that no outgoing connection takes one meanwhile.
LOWEST: Final = 12000
HIGHEST: Final = 32000
_taken: set[int] = set()
_random = random.Random()  # noqa: S311 - any free port will do


def free(count: int = 1) -> int:
    """Give the first of `count` consecutive ports that are free for TCP and UDP."""
    while True:
        first = _random.randrange(LOWEST, HIGHEST - count, 2)
        ports = range(first, first + count)
        if not _taken.intersection(ports) and all(_is_free(port) for port in ports):
            _taken.update(ports)
            return first


def _is_free(port: int) -> bool:
    for kind in (socket.SOCK_STREAM, socket.SOCK_DGRAM):
        with socket.socket(socket.AF_INET, kind) as probe:
            try:
                probe.bind(("127.0.0.1", port))
            except OSError:
                return False
    return True
