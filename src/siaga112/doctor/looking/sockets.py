"""Who listens where on this machine: the kernel tells everybody (proc(5), net/tcp)."""

import socket
from collections.abc import Iterator
from ipaddress import IPv4Address, IPv6Address
from pathlib import Path
from typing import Final, NamedTuple

_LISTENING: Final = "0A"
"""TCP_LISTEN."""


class Listener(NamedTuple):
    """A socket that takes connections."""

    address: str
    uid: int


def listeners(port: int) -> Iterator[Listener]:
    """Give who listens at a port."""
    for table in ("tcp", "tcp6"):
        try:
            lines = Path(f"/proc/self/net/{table}").read_text("utf-8").splitlines()[1:]
        except OSError:
            continue
        for fields in map(str.split, lines):
            if fields[3] == _LISTENING and int(fields[1].rpartition(":")[2], 16) == port:
                yield Listener(_address(fields[1].rpartition(":")[0]), int(fields[7]))


def _address(text: str) -> str:
    """Read an address as the kernel has it: in words of four bytes, each in this machine's order."""
    words = [int(text[at : at + 8], 16).to_bytes(4, "little") for at in range(0, len(text), 8)]
    packed = b"".join(words)
    return str(IPv4Address(packed) if len(packed) == 4 else IPv6Address(packed))  # noqa: PLR2004 - bytes


def is_here(host: str) -> bool:
    """Say whether an address is one of this machine's."""
    try:
        found = socket.getaddrinfo(host, None, type=socket.SOCK_STREAM, flags=socket.AI_NUMERICHOST)
    except OSError:
        return host == "localhost"
    family, kind, _, _, address = found[0]
    with socket.socket(family, kind) as probe:
        try:
            probe.bind((address[0], 0))
        except OSError:
            return False
    return True
