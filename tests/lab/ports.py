"""Free loopback ports, chosen at run time."""

import random
import socket
from collections import deque
from typing import Final

# Below Linux's ephemeral range (32768…), so that no outgoing connection takes one meanwhile.
LOWEST: Final = 12000
HIGHEST: Final = 32000
# Not handed out twice before their owner could bind them; bounded, or a long run would use all up.
_recent: Final[deque[int]] = deque(maxlen=4000)


def free(count: int = 1) -> int:
    """Give the first of `count` consecutive ports, an even one, that are free for TCP and UDP."""
    while True:
        first = random.randrange(LOWEST, HIGHEST - count, 2)
        ports = range(first, first + count)
        if not set(ports).intersection(_recent) and all(_is_free(port) for port in ports):
            _recent.extend(ports)
            return first


def _is_free(port: int) -> bool:
    for kind in (socket.SOCK_STREAM, socket.SOCK_DGRAM):
        with socket.socket(socket.AF_INET, kind) as probe:
            try:
                probe.bind(("127.0.0.1", port))
            except OSError:
                return False
    return True
