"""Listening sockets of TCP servers."""

import asyncio
import socket
from contextlib import ExitStack
from typing import Any, Final

BACKLOG: Final = 100


async def listen(host: str, port: int, backlog: int = BACKLOG) -> list[socket.socket]:
    """Listen on each of a host's addresses.

    uvloop's `create_server`, given any name, loads the tables for names in other alphabets.

    Raises:
        OSError: from the system, if an address is taken or not on this machine; its text says only why.

    """
    loop = asyncio.get_running_loop()
    found = await loop.getaddrinfo(host, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE)
    with ExitStack() as stack:
        made = [
            stack.enter_context(_listener(address, family, backlog))
            for family, _, _, _, address in dict.fromkeys(found)
        ]
        stack.pop_all()
    return made


def _listener(address: tuple[Any, ...], family: int, backlog: int) -> socket.socket:
    try:
        return socket.create_server(address, family=family, backlog=backlog)
    except OSError as error:  # its text repeats the address
        raise OSError(error.errno, (error.strerror or str(error)).partition(" (while")[0]) from error
